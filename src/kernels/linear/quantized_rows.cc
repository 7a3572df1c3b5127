#include "kernels/linear/quantized_rows.h"

#include "base/thread_pool.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

// Below this much work waking the other threads costs more than it saves.
constexpr int64_t kSerialElements = 16384;

int64_t round_up(int64_t n) { return (n + 63) / 64 * 64; }

// Rows for which there is memory: tiles are read whole.
int64_t whole_tiles(int64_t rows) {
  constexpr int64_t kTile = QuantizedRows::kTileRows;
  return (rows + kTile - 1) / kTile * kTile;
}

}  // namespace

int64_t QuantizedRows::bytes(int64_t rows, int64_t k) {
  const int64_t padded = QuantizedRows::padded(k);
  return whole_tiles(rows) * padded + round_up(rows * (padded / kGroup) * 2) +
         2 * round_up(rows * 4);
}

QuantizedRows QuantizedRows::at(std::byte* memory, int64_t rows, int64_t k) {
  const int64_t padded = QuantizedRows::padded(k);
  QuantizedRows q{.rows = rows, .k = k};
  q.values = reinterpret_cast<int8_t*>(memory);
  memory += whole_tiles(rows) * padded;
  q.group_sums = reinterpret_cast<int16_t*>(memory);
  memory += round_up(rows * (padded / kGroup) * 2);
  q.sums = reinterpret_cast<int32_t*>(memory);
  memory += round_up(rows * 4);
  q.scales = reinterpret_cast<float*>(memory);
  return q;
}

void quantize_rows(const Context& context, const float* x, int64_t x_stride,
                   const QuantizedRows& out) {
  const RowKernels& kernels = row_kernels(context.isa);
  const int64_t padded = out.padded_k();
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      kernels.quantize({.k = out.k,
                        .x = x + i * x_stride,
                        .values = out.row_values(i),
                        .block_stride = out.block_stride(),
                        .group_sums = out.group_sums + i * (padded / QuantizedRows::kGroup),
                        .sum = out.sums + i,
                        .scale = out.scales + i});
    }
  };
  if (out.rows * out.k <= kSerialElements) return work(0, out.rows);
  context.pool.parallel_for(out.rows, 1, work);
}

}  // namespace autoglm
