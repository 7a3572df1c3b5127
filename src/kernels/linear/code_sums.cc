#include "kernels/linear/code_sums.h"

#include <algorithm>
#include <utility>

#include "base/round_up.h"

namespace autoglm {

namespace {

int64_t tile_of(int64_t rows, int64_t most) { return std::clamp<int64_t>(rows, 1, most); }

int32_t sum_of(const int8_t* values, int64_t n) {
  int32_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += values[i];
  return sum;
}

// x_scale of a group's second part.
float fine_scale(float group_scale) { return group_scale * (1.0f / 254.0f); }

int64_t words_of(const QuantizedRows& q) { return (q.groups() + 63) / 64; }

}  // namespace

int64_t CodeSums::bytes(WeightFormat format, int64_t k, int64_t rows) {
  if (!holds_codes(format)) return 0;
  const QuantizedRows q{.rows = rows, .k = k};
  const int64_t groups = q.padded_k() / code_form(format).group;
  const int64_t in_tiles = round_up(rows, tile_of(rows, kMaxTile));
  return rows * words_of(q) * 8 + (in_tiles + rows) * groups * 3 * 4;
}

CodeSums::CodeSums(const CodeForm& form, Taken taken, const QuantizedRows& q, int64_t row_begin,
                   int64_t row_end, std::byte* scratch)
    : first_row_(row_begin), groups_(q.padded_k() / form.group), words_(words_of(q)) {
  const int64_t rows = row_end - row_begin;
  tile_ = tile_of(rows, taken.tile);
  fine_bits_ = reinterpret_cast<uint64_t*>(scratch);
  auto* rest = reinterpret_cast<int32_t*>(fine_bits_ + rows * words_);
  const auto take = [&](Part& part, int64_t n) {
    if (taken.excess != 0) part.starts = std::exchange(rest, rest + n);
    part.x_scales = reinterpret_cast<float*>(std::exchange(rest, rest + n));
    if (form.minimum) part.of_minimum = reinterpret_cast<float*>(std::exchange(rest, rest + n));
  };
  take(first_, round_up(rows, tile_) * groups_);
  take(fine_, rows * groups_);
  std::fill(fine_bits_, fine_bits_ + rows * words_, 0);

  const int64_t per = QuantizedRows::kGroup / form.group;  // the form's groups in one of x
  const auto set = [&](const Part& part, int64_t at, int32_t sum, float x_scale) {
    part.x_scales[at] = x_scale;
    if (part.starts != nullptr) part.starts[at] = -taken.excess * sum;
    if (part.of_minimum != nullptr) part.of_minimum[at] = static_cast<float>(sum) * x_scale;
  };
  for (int64_t row = row_begin; row < row_end; ++row) {
    const int64_t in_part = row - row_begin;
    const int64_t in_first = in_part / tile_ * tile_ * groups_ + in_part % tile_;
    for (int64_t g = 0; g < q.groups(); ++g) {
      const int64_t i = row * q.groups() + g;
      const int64_t values = row * q.padded_k() + g * QuantizedRows::kGroup;
      const auto sum = [&](const int16_t* sums, const int8_t* of, int64_t j) {
        return per == 1 ? sums[i] : sum_of(of + values + j * form.group, form.group);
      };
      for (int64_t j = 0; j < per; ++j) {
        set(first_, in_first + (g * per + j) * tile_, sum(q.group_sums, q.values, j),
            q.group_scales[i]);
      }
      if (q.is_fine[i] == 0) continue;
      fine_bits_[in_part * words_ + g / 64] |= uint64_t{1} << g % 64;
      for (int64_t j = 0; j < per; ++j) {
        set(fine_, in_part * groups_ + g * per + j, sum(q.fine_sums, q.fine_values, j),
            fine_scale(q.group_scales[i]));
      }
    }
  }
}

CodePanel code_panel(const std::byte* panel, const QuantizedRows& q, const CodeSums& sums,
                     int64_t row, float* out, int64_t out_stride) {
  const int64_t in_part = row - sums.first_row();
  return {.w = reinterpret_cast<const uint8_t*>(panel),
          .x = q.values + row * q.padded_k(),
          .sums = sums.first().from(in_part * sums.groups()),
          .tile = sums.tile(),
          .n_groups = sums.groups(),
          .padded_k = q.padded_k(),
          .out = out,
          .out_stride = out_stride,
          .fine_bits = sums.fine_bits() + in_part * sums.words(),
          .n_words = sums.words(),
          .fine_x = q.fine_values + row * q.padded_k(),
          .fine_sums = sums.fine().from(in_part * sums.groups())};
}

}  // namespace autoglm
