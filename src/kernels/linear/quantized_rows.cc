#include "kernels/linear/quantized_rows.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/round_up.h"
#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

// Below this much work waking the other threads costs more than it saves.
constexpr int64_t kSerialElements = 16384;

// Rows for which there is memory: tiles are read whole.
int64_t whole_tiles(int64_t rows) {
  constexpr int64_t kTile = QuantizedRows::kTileRows;
  return (rows + kTile - 1) / kTile * kTile;
}

int64_t room_bytes(int64_t k) { return round_up(k * int64_t{sizeof(float)}, 64); }

// Hands out `memory` piece by piece; with none it only counts.
struct Pieces {
  std::byte* memory = nullptr;
  int64_t used = 0;

  template <class T>
  void take(T*& out, int64_t n) {
    if (memory != nullptr) out = reinterpret_cast<T*>(memory + used);
    used += round_up(n * int64_t{sizeof(T)}, 64);
  }
  QuantizedRows lay_out(int64_t rows, int64_t k) {
    QuantizedRows q{.rows = rows, .k = k};
    const int64_t groups = rows * q.groups();
    take(q.values, whole_tiles(rows) * q.padded_k());
    take(q.group_sums, groups);
    take(q.sums, rows);
    take(q.scales, rows);
    take(q.group_scales, groups);
    take(q.outliers, rows * q.max_outliers());
    take(q.n_outliers, rows);
    return q;
  }
};

}  // namespace

Rounding rounding_of(WeightFormat format) {
  return holds_codes(format) ? Rounding::kGroups : Rounding::kTurned;
}

int64_t QuantizedRows::bytes(int64_t rows, int64_t k) {
  Pieces pieces;
  pieces.lay_out(rows, k);
  return pieces.used;
}

QuantizedRows QuantizedRows::at(std::byte* memory, int64_t rows, int64_t k) {
  return Pieces{.memory = memory}.lay_out(rows, k);
}

QuantizedRows QuantizedRows::one_row(int64_t row) const {
  AGLM_CHECK(!tiled && row >= 0 && row < rows, "row {} of {}{}", row, rows,
             tiled ? " in tiles" : "");
  QuantizedRows view = *this;
  view.rows = 1;
  view.values += row * padded_k();
  view.group_sums += row * groups();
  view.sums += row;
  view.scales += row;
  view.group_scales += row * groups();
  view.outliers += row * max_outliers();
  view.n_outliers += row;
  return view;
}

void copy_row(const QuantizedRows& from, int64_t row, const QuantizedRows& to, int64_t to_row) {
  const int8_t* values = from.row_values(row);
  int8_t* out = to.row_values(to_row);
  for (int64_t at = 0; at < from.padded_k(); at += QuantizedRows::kBlock) {
    std::memcpy(out, values + at, QuantizedRows::kBlock);
    out += to.block_stride();
  }
  const int64_t groups = from.groups();
  std::copy_n(from.group_sums + row * groups, groups, to.group_sums + to_row * groups);
  if (from.rounding == Rounding::kTurned) {
    to.sums[to_row] = from.sums[row];
    to.scales[to_row] = from.scales[row];
    return;
  }
  std::copy_n(from.group_scales + row * groups, groups, to.group_scales + to_row * groups);
  const std::span<const Outlier> outliers = from.outliers_of(row);
  std::ranges::copy(outliers, to.outliers + to_row * to.max_outliers());
  to.n_outliers[to_row] = from.n_outliers[row];
}

int64_t quantize_scratch_bytes(const Context& context, int64_t k) {
  return context.pool.size() * room_bytes(k);
}

void quantize_row(const RowKernels& kernels, const float* x, float* room, const QuantizedRows& out,
                  int64_t row) {
  const int64_t groups = row * out.groups();
  if (out.rounding == Rounding::kGroups) {
    kernels.quantize_groups({.k = out.k,
                             .x = x,
                             .values = out.values + row * out.padded_k(),
                             .sums = out.group_sums + groups,
                             .scales = out.group_scales + groups,
                             .outliers = out.outliers + row * out.max_outliers(),
                             .max_outliers = static_cast<int32_t>(out.max_outliers()),
                             .n_outliers = out.n_outliers + row});
    return;
  }
  kernels.rotate_input(
      {.rotation = Rotation::of(out.k), .x = x, .column_scales = out.column_scales, .y = room});
  kernels.quantize({.k = out.k,
                    .x = room,
                    .values = out.row_values(row),
                    .block_stride = out.block_stride(),
                    .group_sums = out.group_sums + groups,
                    .sum = out.sums + row,
                    .scale = out.scales + row});
}

void quantize_rows(const Context& context, const float* x, int64_t x_stride,
                   const QuantizedRows& out, std::span<std::byte> scratch) {
  AGLM_CHECK(out.rounding == Rounding::kGroups ||
                 static_cast<int64_t>(scratch.size()) >= quantize_scratch_bytes(context, out.k),
             "scratch of {} bytes for rows of {}", scratch.size(), out.k);
  const RowKernels& kernels = row_kernels(context.isa);
  const int threads = out.rows * out.k <= kSerialElements ? 1 : context.pool.size();
  const auto work = [&](int index) {
    auto* room = reinterpret_cast<float*>(scratch.data() + index * room_bytes(out.k));
    const int64_t end = out.rows * (index + 1) / threads;
    for (int64_t i = out.rows * index / threads; i < end; ++i) {
      quantize_row(kernels, x + i * x_stride, room, out, i);
    }
  };
  if (threads == 1) return work(0);
  context.pool.run(work);
}

}  // namespace autoglm
