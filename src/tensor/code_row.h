// A row of weights as its small integers: what the block formats of GGUF and symmetric GPTQ have in
// common once unpacked. Plain data between those who read formats and those who hold weights.
//   simple: weight = scale * code - minimum, scale and minimum one a group of 32 columns
//   nested: scale and minimum are products: of one number for 256 columns, and a small integer
//           for 16 columns (formats with groups of 32 give each integer twice)
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace autoglm {

// Which of the forms below hold a row exactly; from the narrowest.
enum class CodeKind : uint8_t {
  kNone,            // no form does
  kSimple4,         // codes -8..7, no minimum
  kSimple4Minimum,  // codes 0..15
  kSimple8,         // any code, no minimum
  kSimple8Minimum,
  kNested4,    // codes 0..15, groups of 32, minimum
  kNested8,    // any code, groups of 32, minimum
  kNested6,    // any code, groups of 16, no minimum
  kNestedAny,  // any code, groups of 16, minimum: holds every nested row
};

// Bits a weight takes in the form of its kind, scales included.
constexpr double held_bits(CodeKind kind) {
  constexpr double kBits[] = {0, 4.5, 5, 8.5, 9, 4.625, 8.625, 8.625, 9.125};
  return kBits[static_cast<int>(kind)];
}

// The narrowest form that holds rows of both kinds; kNone: none does.
constexpr CodeKind common_kind(CodeKind a, CodeKind b) {
  using enum CodeKind;
  const bool nested = a >= kNested4;
  if (a == kNone || b == kNone || nested != (b >= kNested4)) return kNone;
  if (a == b) return a;
  if (nested) return kNestedAny;
  const auto has_minimum = [](CodeKind k) { return k == kSimple4Minimum || k == kSimple8Minimum; };
  if (!has_minimum(a) && !has_minimum(b)) return kSimple8;
  // Codes without a minimum may be negative: 4 bits with a minimum do not hold them.
  return kSimple8Minimum;
}

struct CodeRow {
  static constexpr int64_t kGroup = 32;       // columns of a simple scale
  static constexpr int64_t kSmallGroup = 16;  // columns of a nested integer
  static constexpr int64_t kSuper = 256;      // columns of a nested scale

  std::vector<int8_t> codes;         // [columns]
  std::vector<float> scales;         // simple: [columns / 32]; nested: [columns / 256]. f16 numbers
  std::vector<float> minima;         // likewise
  std::vector<int8_t> group_scales;  // nested: [columns / 16]
  std::vector<int8_t> group_minima;  // nested: [columns / 16]

  static bool is_nested(CodeKind kind) { return kind >= CodeKind::kNested4; }
  // Rows of `columns` columns, a multiple of 32 (nested: of 256), all zero.
  void resize(CodeKind kind, int64_t columns) {
    const bool nested = is_nested(kind);
    const auto n = [&](int64_t group) {
      return static_cast<size_t>((columns + group - 1) / group);
    };
    codes.assign(static_cast<size_t>(columns), 0);
    scales.assign(n(nested ? kSuper : kGroup), 0);
    minima.assign(scales.size(), 0);
    group_scales.assign(nested ? n(kSmallGroup) : 0, 0);
    group_minima.assign(group_scales.size(), 0);
  }
};

}  // namespace autoglm
