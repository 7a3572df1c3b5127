// For tests and benchmarks: random weights as codes, and a packed weight of them.
#pragma once

#include <random>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/linear/code_form.h"
#include "kernels/simd/half.h"

namespace autoglm {

// Row `row` of a matrix that depends on `row` alone; the extreme codes occur.
inline void random_codes(WeightFormat format, int64_t columns, int64_t row, CodeRow& out) {
  const CodeForm& form = code_form(format);
  std::mt19937 random(static_cast<uint32_t>(row) * 7919U + 3U);
  const auto up_to = [&](int n) { return static_cast<int>(random() % static_cast<uint32_t>(n)); };
  const auto half = [&](float spread) {
    const float value = spread * static_cast<float>(up_to(2001) - 1000) * 0.001f;
    return f16_to_f32(f32_to_f16(value));
  };
  out.resize(code_kind_of(format), columns);
  for (int8_t& code : out.codes) {
    code = static_cast<int8_t>(form.bits == 4 ? up_to(16) - form.zero : up_to(256) - 128);
  }
  for (float& scale : out.scales) scale = half(0.02f);
  if (form.minimum) {
    for (float& minimum : out.minima) minimum = half(0.1f);
  }
  for (size_t i = 0; i < out.group_scales.size(); ++i) {
    const bool second = form.group == 32 && i % 2 == 1;  // the same integer twice
    out.group_scales[i] = second ? out.group_scales[i - 1] : static_cast<int8_t>(up_to(256) - 128);
    if (!form.minimum) continue;
    out.group_minima[i] = second ? out.group_minima[i - 1] : static_cast<int8_t>(up_to(64));
  }
}

inline PackedWeight random_code_weight(WeightFormat format, int64_t n, int64_t k,
                                       PackOrder order = PackOrder::kPlain) {
  Result<PackedWeight> weight = PackedWeight::allocate(format, n, k, order);
  AGLM_CHECK(weight.has_value(), "{}", weight ? "" : weight.error().message());
  weight->pack_codes(0, weight->n_panels(), row_by_row([&](int64_t row, CodeRow& out) {
                       random_codes(format, k, row, out);
                     }));
  return std::move(*weight);
}

}  // namespace autoglm
