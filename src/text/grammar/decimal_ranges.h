// Decimal numbers by their digits: what texts spell a number of at least or at most a bound, or a
// multiple. Exact for bounds of any length: nothing is computed in floating point.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/grammar/dfa.h"
#include "text/grammar/expression.h"

namespace autoglm::grammar {

struct Decimal {
  bool negative = false;
  std::string whole = "0";  // digits, no leading zeros but for "0" itself
  std::string fraction;     // digits, no trailing zeros

  bool zero() const { return whole == "0" && fraction.empty(); }
  // Of a JSON number.
  static Decimal of(const json::value& number);
};

// Less, equal, greater: below, at, above 0.
int compare(const Decimal& a, const Decimal& b);

struct NumberRange {
  std::optional<Decimal> least, most;
  bool above = false, below = false;  // the bound itself is out
};

// Texts without exponent and without "-0", of numbers in the range; `integers`: without fraction.
Result<Dfa> numbers_in(const NumberRange& range, bool integers, std::string_view where, Work& work);
// Texts of multiples of `step`, which is above 0; nothing when that takes too many states.
std::optional<Dfa> multiples_of(const Decimal& step);

}  // namespace autoglm::grammar
