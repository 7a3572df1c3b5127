// How long prompts and answers of a load are: fixed, uniform or lognormal, drawn from a seeded
// generator.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm::load {

using Random = std::mt19937_64;

class LengthDistribution {
 public:
  static LengthDistribution fixed(int64_t length);
  // vLLM's --random-range-ratio: uniform in [length * (1 - ratio), length * (1 + ratio)].
  static LengthDistribution around(int64_t length, double ratio);
  // "128" or "fixed:128"; "uniform:64:256"; "lognormal:MEDIAN:SIGMA[:MAX]", SIGMA that of the
  // natural logarithm. `where` names the flag in errors.
  static Result<LengthDistribution> parse(std::string_view text, std::string_view where);

  int64_t sample(Random& random) const;  // at least 1
  bool is_fixed() const { return kind_ == Kind::kFixed; }
  int64_t centre() const { return low_; }  // of a fixed one: the length; of a lognormal: the median
  int64_t longest() const { return high_; }
  std::string describe() const;  // as parse() reads it

 private:
  enum class Kind { kFixed, kUniform, kLognormal };
  Kind kind_ = Kind::kFixed;
  int64_t low_ = 1;  // fixed: the length; uniform: the shortest; lognormal: the median
  int64_t high_ = 1;
  double sigma_ = 0;
};

}  // namespace autoglm::load
