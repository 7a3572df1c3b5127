#include "cli/load/lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

namespace autoglm::load {
namespace {

constexpr int64_t kLongest = 1 << 20;
constexpr std::string_view kForms =
    "N, fixed:N, uniform:LOW:HIGH or lognormal:MEDIAN:SIGMA[:MAX], lengths from 1 to 1048576";
// A lognormal's tail is cut here when no MAX is given: with a sigma of 1, three in a thousand
// lengths.
constexpr int64_t kTail = 16;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

// 0 when it is no length.
int64_t length_of(std::string_view text) {
  int64_t length = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), length);
  const bool whole = code == std::errc{} && end == text.data() + text.size();
  return whole && length >= 1 && length <= kLongest ? length : 0;
}

}  // namespace

LengthDistribution LengthDistribution::fixed(int64_t length) {
  LengthDistribution d;
  d.low_ = d.high_ = length;
  return d;
}

LengthDistribution LengthDistribution::around(int64_t length, double ratio) {
  if (ratio <= 0) return fixed(length);
  const double n = static_cast<double>(length);
  LengthDistribution d;
  d.kind_ = Kind::kUniform;
  d.low_ = std::max<int64_t>(1, static_cast<int64_t>(std::floor(n * (1 - ratio))));
  d.high_ = std::max<int64_t>(d.low_, static_cast<int64_t>(std::ceil(n * (1 + ratio))));
  return d;
}

Result<LengthDistribution> LengthDistribution::parse(std::string_view text,
                                                     std::string_view where) {
  const Error wrong{ErrorCode::kInvalidArgument, "not a distribution of lengths",
                    std::string(where), std::string(kForms), fmt::format("\"{}\"", text)};
  std::vector<std::string_view> parts = split(text);
  if (parts.size() == 1) parts.insert(parts.begin(), "fixed");
  const int64_t first = length_of(parts[1]);
  if (first == 0) return wrong;
  if (parts[0] == "fixed" && parts.size() == 2) return fixed(first);
  LengthDistribution d;
  d.low_ = first;
  if (parts[0] == "uniform" && parts.size() == 3) {
    d.kind_ = Kind::kUniform;
    d.high_ = length_of(parts[2]);
    if (d.high_ < d.low_) return wrong;
    return d;
  }
  if (parts[0] != "lognormal" || parts.size() < 3 || parts.size() > 4) return wrong;
  d.kind_ = Kind::kLognormal;
  const auto [end, code] =
      std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), d.sigma_);
  const bool whole = code == std::errc{} && end == parts[2].data() + parts[2].size();
  // A sigma of 4 spreads the middle two thirds over a factor of 3000: more is a slip of the pen.
  if (!whole || !(d.sigma_ >= 0 && d.sigma_ <= 4)) return wrong;
  d.high_ = parts.size() == 4 ? length_of(parts[3]) : std::min(first * kTail, kLongest);
  if (d.high_ < d.low_) return wrong;
  return d;
}

int64_t LengthDistribution::sample(Random& random) const {
  switch (kind_) {
    case Kind::kFixed: return low_;
    case Kind::kUniform: return std::uniform_int_distribution<int64_t>(low_, high_)(random);
    case Kind::kLognormal: {
      std::lognormal_distribution<double> length(std::log(static_cast<double>(low_)), sigma_);
      const double drawn = std::min(length(random), static_cast<double>(high_));
      return std::max<int64_t>(1, std::llround(drawn));
    }
  }
  return low_;
}

std::string LengthDistribution::describe() const {
  switch (kind_) {
    case Kind::kFixed: return fmt::format("{}", low_);
    case Kind::kUniform: return fmt::format("uniform:{}:{}", low_, high_);
    case Kind::kLognormal: return fmt::format("lognormal:{}:{}:{}", low_, sigma_, high_);
  }
  return "";
}

}  // namespace autoglm::load
