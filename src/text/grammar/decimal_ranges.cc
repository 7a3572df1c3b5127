#include "text/grammar/decimal_ranges.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

namespace autoglm::grammar {
namespace {

ExpressionPtr digits_between(char first, char last) {
  return one_of(
      CodePointSet::of(static_cast<unsigned char>(first), static_cast<unsigned char>(last)));
}
ExpressionPtr digits(int32_t least, int32_t most) {
  return repeat(digits_between('0', '9'), least, most);
}
constexpr int32_t kAny = Expression::kUnbounded;

ExpressionPtr nonzero_digits() {
  return sequence({digits(0, kAny), digits_between('1', '9'), digits(0, kAny)});
}
ExpressionPtr any_fraction() { return repeat(sequence({text_of("."), digits(1, kAny)}), 0, 1); }

// A whole number without leading zeros that is longer, or shorter, than `length` digits.
ExpressionPtr longer_than(int32_t length) {
  return sequence({digits_between('1', '9'), digits(length, kAny)});
}
ExpressionPtr shorter_than(int32_t length) {
  if (length <= 1) return one_of({});  // nothing
  return choice({text_of("0"), sequence({digits_between('1', '9'), digits(0, length - 2)})});
}

// As many digits, of which the first that differs from those of `bound` is larger (or smaller).
ExpressionPtr differs(const std::string& bound, bool larger) {
  std::vector<ExpressionPtr> parts{one_of({})};
  for (size_t i = 0; i < bound.size(); ++i) {
    char first = larger ? static_cast<char>(bound[i] + 1) : '0';
    const char last = larger ? '9' : static_cast<char>(bound[i] - 1);
    if (i == 0 && bound.size() > 1) first = std::max(first, '1');
    if (first > last) continue;
    const auto rest = static_cast<int32_t>(bound.size() - i - 1);
    parts.push_back(
        sequence({text_of(bound.substr(0, i)), digits_between(first, last), digits(rest, rest)}));
  }
  return choice(std::move(parts));
}

// Fractions, with the point, that are at least (or at most) that of a bound.
ExpressionPtr fraction(const std::string& bound, bool at_least, bool strictly) {
  std::vector<ExpressionPtr> parts{one_of({})};
  if (bound.empty()) {
    if (at_least) {
      return strictly ? sequence({text_of("."), nonzero_digits()}) : any_fraction();
    }
    return strictly ? one_of({})
                    : repeat(sequence({text_of("."), repeat(text_of("0"), 1, kAny)}), 0, 1);
  }
  for (size_t i = 0; i < bound.size(); ++i) {
    const std::string same = "." + bound.substr(0, i);
    const char first = at_least ? static_cast<char>(bound[i] + 1) : '0';
    const char last = at_least ? '9' : static_cast<char>(bound[i] - 1);
    if (first <= last) {
      parts.push_back(sequence({text_of(same), digits_between(first, last), digits(0, kAny)}));
    }
    // A shorter fraction is less: the bound's last digit is not 0.
    if (!at_least) parts.push_back(text_of(i == 0 ? "" : same));
  }
  const ExpressionPtr whole = text_of("." + bound);
  if (at_least) {
    parts.push_back(sequence({whole, strictly ? nonzero_digits() : digits(0, kAny)}));
  } else if (!strictly) {
    parts.push_back(sequence({whole, repeat(text_of("0"), 0, kAny)}));
  }
  return choice(std::move(parts));
}

// Magnitudes.
ExpressionPtr at_least(const Decimal& bound, bool strictly) {
  const auto length = static_cast<int32_t>(bound.whole.size());
  return choice({sequence({longer_than(length), any_fraction()}),
                 sequence({differs(bound.whole, true), any_fraction()}),
                 sequence({text_of(bound.whole), fraction(bound.fraction, true, strictly)})});
}
ExpressionPtr at_most(const Decimal& bound, bool strictly) {
  const auto length = static_cast<int32_t>(bound.whole.size());
  return choice({sequence({shorter_than(length), any_fraction()}),
                 sequence({differs(bound.whole, false), any_fraction()}),
                 sequence({text_of(bound.whole), fraction(bound.fraction, false, strictly)})});
}
ExpressionPtr any_magnitude() {
  return sequence({choice({text_of("0"), sequence({digits_between('1', '9'), digits(0, kAny)})}),
                   any_fraction()});
}

ExpressionPtr above(const Decimal& bound, bool strictly) {
  if (bound.negative) {
    return choice({any_magnitude(), sequence({text_of("-"), at_most(bound, strictly)})});
  }
  return at_least(bound, strictly);
}
ExpressionPtr below(const Decimal& bound, bool strictly) {
  const ExpressionPtr minus = text_of("-");
  if (bound.negative) return sequence({minus, at_least(bound, strictly)});
  return choice({sequence({minus, any_magnitude()}), at_most(bound, strictly)});
}

}  // namespace

Decimal Decimal::of(const json::value& number) {
  std::string text;
  if (number.is_int64()) text = fmt::to_string(number.get_int64());
  if (number.is_uint64()) text = fmt::to_string(number.get_uint64());
  if (number.is_double()) text = fmt::format("{}", number.get_double());  // the shortest
  Decimal result;
  if (text.starts_with('-')) {
    result.negative = true;
    text.erase(0, 1);
  }
  long exponent = 0;
  if (const size_t e = text.find('e'); e != std::string::npos) {
    exponent = std::strtol(text.c_str() + e + 1, nullptr, 10);
    text.resize(e);
  }
  const size_t point = std::min(text.find('.'), text.size());
  std::string all = text.substr(0, point);
  if (point < text.size()) all += text.substr(point + 1);
  long whole_digits = static_cast<long>(point) + exponent;
  if (whole_digits < 0) {
    all.insert(0, static_cast<size_t>(-whole_digits), '0');
    whole_digits = 0;
  }
  if (whole_digits > std::ssize(all))
    all.append(static_cast<size_t>(whole_digits) - all.size(), '0');
  result.whole = all.substr(0, static_cast<size_t>(whole_digits));
  result.fraction = all.substr(static_cast<size_t>(whole_digits));
  result.whole.erase(0, std::min(result.whole.find_first_not_of('0'), result.whole.size()));
  if (result.whole.empty()) result.whole = "0";
  result.fraction.resize(result.fraction.find_last_not_of('0') + 1);
  if (result.zero()) result.negative = false;
  return result;
}

int compare(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? -1 : 1;
  int order = a.whole.size() != b.whole.size() ? (a.whole.size() < b.whole.size() ? -1 : 1)
                                               : a.whole.compare(b.whole);
  if (order == 0) order = a.fraction.compare(b.fraction);
  return a.negative ? -order : order;
}

Result<Dfa> numbers_in(const NumberRange& range, bool integers, std::string_view where,
                       Work& work) {
  const Decimal zero;
  const ExpressionPtr positive =
      integers ? choice({text_of("0"), sequence({digits_between('1', '9'), digits(0, kAny)})})
               : any_magnitude();
  Dfa result = AGLM_TRY(
      Dfa::of(*choice({positive, sequence({text_of("-"), at_least(zero, true)})}), where, work));
  if (integers) {
    const ExpressionPtr syntax = sequence({repeat(text_of("-"), 0, 1), digits(1, kAny)});
    const Dfa whole = AGLM_TRY(Dfa::of(*syntax, where, work));
    result = AGLM_TRY(Dfa::intersection(result, whole, where, work));
  }
  if (range.least) {
    const Dfa bound = AGLM_TRY(Dfa::of(*above(*range.least, range.above), where, work));
    result = AGLM_TRY(Dfa::intersection(result, bound, where, work));
  }
  if (range.most) {
    const Dfa bound = AGLM_TRY(Dfa::of(*below(*range.most, range.below), where, work));
    result = AGLM_TRY(Dfa::intersection(result, bound, where, work));
  }
  return result;
}

// With step = p / 10^k: a number with digits d is a multiple when d, as if it had k digits behind
// the point and no more than zeros after them, is a multiple of p.
std::optional<Dfa> multiples_of(const Decimal& step) {
  constexpr int64_t kMost = 4096;
  const std::string all = step.whole + step.fraction;
  const size_t first = std::min(all.find_first_not_of('0'), all.size());
  if (all.size() - first > 9) return std::nullopt;
  const int64_t p = std::strtoll(all.c_str(), nullptr, 10);
  const auto k = static_cast<int64_t>(step.fraction.size());
  if (p <= 0 || p * (k + 2) > kMost) return std::nullopt;
  const auto reaches = [&](int64_t remainder, int64_t digits_left) {
    for (; digits_left > 0; --digits_left) remainder = remainder * 10 % p;
    return remainder == 0;
  };
  // Place 0: before the point; place 1 + j: j digits behind it. At place 1 + k only zeros follow.
  // A point without digits is no number: what this is intersected with sees to that.
  Dfa dfa;
  const auto number = [&](int64_t place, int64_t remainder) {
    return static_cast<int32_t>(2 + place * p + remainder);
  };
  for (const bool beginning : {true, false}) {  // and after a sign
    std::array<int32_t, 256>& next = dfa.add_state(false);
    if (beginning) next['-'] = 1;
    for (int64_t d = 0; d < 10; ++d) next[static_cast<size_t>('0' + d)] = number(0, d % p);
  }
  for (int64_t place = 0; place <= 1 + k; ++place) {
    for (int64_t r = 0; r < p; ++r) {
      std::array<int32_t, 256>& next = dfa.add_state(reaches(r, place == 0 ? k : k - (place - 1)));
      for (int64_t d = 0; d < 10; ++d) {
        int32_t& target = next[static_cast<size_t>('0' + d)];
        if (place == 1 + k) {
          if (d == 0) target = number(place, r);
        } else {
          target = number(place == 0 ? 0 : place + 1, (r * 10 + d) % p);
        }
      }
      if (place == 0) next['.'] = number(1, r);
    }
  }
  return dfa;
}

}  // namespace autoglm::grammar
