#include "kernels/linear/code_sums.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/round_up.h"

namespace autoglm {

namespace {

int64_t tile_of(int64_t rows, int64_t most) { return std::clamp<int64_t>(rows, 1, most); }

int32_t sum_of(const int8_t* values, int64_t n) {
  int32_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += values[i];
  return sum;
}

}  // namespace

int64_t CodeSums::bytes(WeightFormat format, int64_t k, int64_t rows) {
  if (!holds_codes(format)) return 0;
  const int64_t groups = QuantizedRows::padded(k) / code_form(format).group;
  // Whole tiles of any variant: 5 rows in tiles of 4 are 8.
  return round_up(rows, kMaxTile) * groups * 3 * 4;
}

CodeSums::CodeSums(const CodeForm& form, Taken taken, const QuantizedRows& q, int64_t row_begin,
                   int64_t row_end, std::byte* scratch)
    : first_row_(row_begin),
      groups_(q.padded_k() / form.group),
      tile_(tile_of(row_end - row_begin, taken.tile)) {
  AGLM_DCHECK(kMaxTile % taken.tile == 0, "tiles of {} rows", taken.tile);
  auto* rest = reinterpret_cast<int32_t*>(scratch);
  const int64_t n = round_up(row_end - row_begin, tile_) * groups_;
  if (taken.excess != 0) arrays_.starts = std::exchange(rest, rest + n);
  arrays_.x_scales = reinterpret_cast<float*>(std::exchange(rest, rest + n));
  if (form.minimum) arrays_.of_minimum = reinterpret_cast<float*>(rest);

  const int64_t per = QuantizedRows::kGroup / form.group;  // the form's groups in one of x
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t in_part = row - row_begin;
    const int64_t first = in_part / tile_ * tile_ * groups_ + in_part % tile_;
    const int16_t* sums = q.group_sums + row * q.groups();
    const float* scales = q.group_scales + row * q.groups();
    const int8_t* values = q.values + row * q.padded_k();
    for (int64_t g = 0; g < groups_; ++g) {
      const int32_t sum = per == 1 ? sums[g] : sum_of(values + g * form.group, form.group);
      const float x_scale = scales[g / per];
      const int64_t at = first + g * tile_;
      arrays_.x_scales[at] = x_scale;
      if (arrays_.starts != nullptr) arrays_.starts[at] = -taken.excess * sum;
      if (form.minimum) arrays_.of_minimum[at] = static_cast<float>(sum) * x_scale;
    }
    if (!form.minimum) continue;
    for (const Outlier& outlier : q.outliers_of(row)) {
      arrays_.of_minimum[first + outlier.column / form.group * tile_] += outlier.value;
    }
  }
}

}  // namespace autoglm
