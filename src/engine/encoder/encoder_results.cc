#include "engine/encoder/encoder_results.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace autoglm {
namespace {

Result<void> check_finite(std::span<const float> values) {
  for (const float value : values) {
    if (std::isfinite(value)) continue;
    return Error{ErrorCode::kCorrupt, "the model's results are not finite", "encoding",
                 "finite numbers", fmt::format("{}", value)};
  }
  return {};
}

}  // namespace

Result<std::vector<float>> finished_vector(std::span<const float> hidden, const EncoderOutput& out,
                                           const EncodingRequest& request) {
  AGLM_TRY(check_finite(hidden));
  const auto n = static_cast<size_t>(request.dimensions.value_or(std::ssize(hidden)));
  std::vector<float> vector(hidden.begin(), hidden.begin() + static_cast<long>(n));
  // What was cut is scaled anew, or it would have no length that means anything.
  if (!request.normalize.value_or(out.info.normalizes)) return vector;
  double squares = 0;
  for (const float x : vector) squares += double{x} * double{x};
  // As torch.nn.functional.normalize: a vector of zeros stays one.
  const double length = std::max(std::sqrt(squares), 1e-12);
  for (float& x : vector) x = static_cast<float>(double{x} / length);
  return vector;
}

Result<std::vector<float>> finished_scores(std::span<const float> scores, const EncoderOutput& out,
                                           const EncodingRequest& request) {
  AGLM_TRY(check_finite(scores));
  std::vector<float> result(scores.begin(), scores.end());
  if (!request.activate) return result;
  switch (out.scores) {
    case EncoderOutput::Scores::kNone: break;
    case EncoderOutput::Scores::kSigmoid:
      for (float& x : result) x = static_cast<float>(1 / (1 + std::exp(-double{x})));
      break;
    case EncoderOutput::Scores::kSoftmax: {
      const double greatest = *std::ranges::max_element(result);
      double sum = 0;
      for (const float x : result) sum += std::exp(double{x} - greatest);
      for (float& x : result) x = static_cast<float>(std::exp(double{x} - greatest) / sum);
      break;
    }
  }
  return result;
}

}  // namespace autoglm
