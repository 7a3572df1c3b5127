// The components of tokenizer.json, read from their JSON. A type that is not known here is an error
// that names it: skipping one would give other ids than the model was trained on.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/tokenizer/decoder.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pipeline.h"
#include "text/tokenizer/pre_tokenizer.h"

namespace autoglm {

Result<NormalizerPtr> read_normalizer(const json::Fields& fields);
// Appends one or, for a Sequence, several.
Result<void> read_pre_tokenizer(const json::Fields& fields, std::vector<PreTokenizerPtr>& steps);
Result<void> read_decoder(const json::Fields& fields, std::vector<DecoderPtr>& steps);
Result<void> read_post_processor(const json::Fields& fields, std::vector<Frame>& frames);
Result<std::unique_ptr<const TokenModel>> read_model(const json::Fields& fields);

// Shared by the readers.
Error unknown_type(const json::Fields& fields, std::string_view role, std::string_view type);
// Calls read(fields) for each object of the list `key`.
template <class Read>
Result<void> for_each_step(const json::Fields& fields, std::string_view key, Read read) {
  const json::array* steps = AGLM_TRY(fields.list(key));
  for (size_t i = 0; i < steps->size(); ++i) {
    const std::string where =
        fields.where() + "." + std::string(key) + "[" + std::to_string(i) + "]";
    const json::Fields step = AGLM_TRY(json::fields_of((*steps)[i], where));
    AGLM_TRY(read(step));
  }
  return {};
}

// {"String": "..."} or {"Regex": "..."}.
struct ReadPattern {
  std::string literal;
  std::optional<Regex> regex;
};
Result<ReadPattern> read_pattern(const json::Fields& fields);

}  // namespace autoglm
