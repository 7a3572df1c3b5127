// Formulas: transformers, modeling_rope_utils.py. Linear: arXiv 2306.15595; yarn: arXiv 2309.00071.
#include "models/rope_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "formats/checkpoint.h"

namespace autoglm {
namespace {

constexpr double kMostTheta = 1e15;  // the largest in the wild is 1e10
constexpr double kMostFactor = 1e6;
constexpr int64_t kMostPositions = int64_t{1} << 30;

double rounded(double value) { return static_cast<double>(static_cast<float>(value)); }

Result<void> scale_llama3(ConfigReader& c, int64_t max_positions,
                          std::vector<double>& frequencies) {
  const double factor = AGLM_TRY(c.positive("factor", kMostFactor));
  const double low = AGLM_TRY(c.positive("low_freq_factor", kMostFactor));
  const double high = AGLM_TRY(c.positive("high_freq_factor", kMostFactor));
  const auto original = static_cast<double>(
      AGLM_TRY(c.integer_or("original_max_position_embeddings", max_positions, 1, kMostPositions)));
  if (high <= low) return c.wrong("high_freq_factor", "", "more than low_freq_factor");
  for (double& f : frequencies) {
    const double wavelength = 2 * std::numbers::pi / f;
    if (wavelength < original / high) continue;
    if (wavelength > original / low) {
      f = rounded(f / factor);
      continue;
    }
    const double smooth = (original / wavelength - low) / (high - low);
    f = rounded((1 - smooth) * f / factor + smooth * f);
  }
  return {};
}

struct Yarn {
  double factor = 1;
  double theta = 10000;
  int64_t dim = 0;
  double original = 0;
};

// The dimension whose wave turns `rotations` times within the original context.
double correction_dim(const Yarn& y, double rotations) {
  return static_cast<double>(y.dim) * std::log(y.original / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(y.theta));
}

// `length` positions stretched by `factor`, rounded down.
int64_t stretched(double length, double factor) {
  return static_cast<int64_t>(std::min(length * factor, static_cast<double>(kMostPositions)));
}

// Returns the positions that the original length was stretched to.
Result<int64_t> scale_yarn(ConfigReader& c, int64_t max_positions, Yarn y, Rope& rope) {
  y.original = static_cast<double>(
      AGLM_TRY(c.integer_or("original_max_position_embeddings", max_positions, 1, kMostPositions)));
  y.factor = AGLM_TRY(
      c.positive_or("factor", static_cast<double>(max_positions) / y.original, kMostFactor));
  const double beta_fast = AGLM_TRY(c.positive_or("beta_fast", 32, kMostFactor));
  const double beta_slow = AGLM_TRY(c.positive_or("beta_slow", 1, kMostFactor));
  const bool truncate = AGLM_TRY(c.boolean_or("truncate", true));
  const auto mscale_of = [](double scale, double mscale) {
    return scale <= 1 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0;
  };
  double inferred = mscale_of(y.factor, 1);
  if (c.has("mscale") && c.has("mscale_all_dim")) {
    const double mscale = AGLM_TRY(c.positive("mscale", kMostFactor));
    const double all_dim = AGLM_TRY(c.positive("mscale_all_dim", kMostFactor));
    inferred = mscale_of(y.factor, mscale) / mscale_of(y.factor, all_dim);
  }
  rope.attention_factor = AGLM_TRY(c.positive_or("attention_factor", inferred, kMostFactor));
  double low = correction_dim(y, beta_fast);
  double high = correction_dim(y, beta_slow);
  if (truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(y.dim - 1));
  if (low == high) high += 0.001;  // a ramp needs a width
  for (size_t i = 0; i < rope.inverse_frequencies.size(); ++i) {
    const double f = rope.inverse_frequencies[i];
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    rope.inverse_frequencies[i] = rounded(f / y.factor * ramp + f * (1 - ramp));
  }
  return stretched(y.original, y.factor);
}

}  // namespace

std::vector<double> inverse_frequencies(double theta, int64_t dim) {
  std::vector<double> result;
  for (int64_t i = 0; i < dim; i += 2) {
    const float exponent = static_cast<float>(i) / static_cast<float>(dim);
    result.push_back(1.0F / std::pow(static_cast<float>(theta), exponent));
  }
  return result;
}

Result<RopeConfig> read_rope(ConfigReader& config, const RopeShape& shape) {
  // The nested object wins over the top level, and the old name over the new, as in transformers.
  const bool scaling = config.has("rope_scaling");
  const bool parameters = config.has("rope_parameters");
  const json::object none;
  ConfigReader nested = scaling      ? AGLM_TRY(config.child("rope_scaling"))
                        : parameters ? AGLM_TRY(config.child("rope_parameters"))
                                     : ConfigReader(none, config.where());
  const double outer_theta =
      AGLM_TRY(config.positive_or("rope_theta", shape.default_theta, kMostTheta));
  const double outer_partial =
      AGLM_TRY(config.positive_or("partial_rotary_factor", shape.default_partial, 1));
  const double theta = AGLM_TRY(nested.positive_or("rope_theta", outer_theta, kMostTheta));
  const double partial = AGLM_TRY(nested.positive_or("partial_rotary_factor", outer_partial, 1));
  if (theta <= 1) return nested.wrong("rope_theta", "value is out of range", "more than 1");
  const std::string old_type = AGLM_TRY(nested.string_or("type", "default"));
  const std::string type = AGLM_TRY(nested.string_or("rope_type", old_type));

  const auto dim = static_cast<int64_t>(static_cast<double>(shape.head_dim) * partial);
  if (dim < 1 || (dim + 1) / 2 * 2 > shape.head_dim) {
    return config.wrong("partial_rotary_factor", "no rotary dimensions fit the head",
                        fmt::format("2 to {} dimensions, an even number", shape.head_dim));
  }
  RopeConfig result{.rope = {.inverse_frequencies = inverse_frequencies(theta, dim),
                             .interleaved = shape.interleaved},
                    .max_context = shape.max_position_embeddings};
  std::vector<double>& frequencies = result.rope.inverse_frequencies;
  if (type == "linear") {
    const double factor = AGLM_TRY(nested.positive("factor", kMostFactor));
    for (double& f : frequencies) f = rounded(f / factor);
    result.max_context =
        std::max(result.max_context, stretched(static_cast<double>(result.max_context), factor));
  } else if (type == "dynamic") {
    // Within max_position_embeddings the base is the plain one.
    AGLM_TRY(nested.positive("factor", kMostFactor));
  } else if (type == "llama3") {
    AGLM_TRY(scale_llama3(nested, shape.max_position_embeddings, frequencies));
  } else if (type == "yarn") {
    const int64_t original = AGLM_TRY(config.integer_or(
        "original_max_position_embeddings", shape.max_position_embeddings, 1, kMostPositions));
    result.max_context =
        std::max(result.max_context,
                 AGLM_TRY(scale_yarn(nested, original, {.theta = theta, .dim = dim}, result.rope)));
  } else if (type != "default") {
    Error error = nested.wrong("rope_type", "rope variant is not supported",
                               "default, linear, dynamic, llama3 or yarn");
    error.code = ErrorCode::kUnsupported;
    error.found = type;
    return error;
  }
  return result;
}

Result<void> divide_by_stored_factors(const Checkpoint& checkpoint, Rope& rope) {
  const StoredTensor* factors = checkpoint.find("rope_freqs.weight");
  if (factors == nullptr) return {};
  const auto n = static_cast<int64_t>(rope.inverse_frequencies.size());
  if (factors->shape != std::vector<int64_t>{n}) {
    return Error{ErrorCode::kCorrupt, "tensor has the wrong shape", factors->where,
                 fmt::format("[{}]", n),
                 fmt::format("{} dimensions, {} elements in the first", factors->shape.size(),
                             factors->rows())};
  }
  if (factors->bytes.empty()) {
    return Error{ErrorCode::kCorrupt, "tensor was not packed", factors->where,
                 fmt::format("{} rope divisors", n), "none"};
  }
  for (int64_t i = 0; i < n; ++i) {
    float factor = 0;
    decode_row(*factors, i, {&factor, 1});
    if (!(factor > 0) || !std::isfinite(factor)) {
      return Error{ErrorCode::kCorrupt, "rope divisor is not a positive number", factors->where,
                   "more than 0", fmt::format("{} at {}", factor, i)};
    }
    double& f = rope.inverse_frequencies[static_cast<size_t>(i)];
    f = rounded(f / static_cast<double>(factor));
  }
  return {};
}

}  // namespace autoglm
