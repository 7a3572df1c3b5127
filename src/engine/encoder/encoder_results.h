// What becomes of a text's row before it is told: vectors are cut and scaled, scores activated.
// Each from its own numbers alone, in their order.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "autoglm/encoding.h"
#include "autoglm/result.h"

namespace autoglm {

struct EncoderOutput {
  enum class Rows : uint8_t { kFirst, kLast };
  enum class Scores : uint8_t { kSigmoid, kSoftmax, kNone };
  Rows row = Rows::kFirst;  // of a text: whose result is its own, unless the model pools all
  EncoderInfo info;
  Scores scores = Scores::kSigmoid;
};

// An error where the model's numbers are not finite.
Result<std::vector<float>> finished_vector(std::span<const float> hidden, const EncoderOutput& out,
                                           const EncodingRequest& request);
Result<std::vector<float>> finished_scores(std::span<const float> scores, const EncoderOutput& out,
                                           const EncodingRequest& request);

}  // namespace autoglm
