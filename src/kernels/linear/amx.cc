// The AMX variant: tiles for int8 and progressive codes from kAmxRows rows on, and for bf16 always,
// so that a sum's order never changes; below and beyond that AVX-512, as for f32, f16 and for codes
// of files, whose groups have float scales.
#include <algorithm>

#include "kernels/linear/amx_bf16.h"
#include "kernels/linear/amx_integer.h"

namespace autoglm {
namespace {

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (task.format == WeightFormat::kBF16) return amx::run_bf16(task, part, scratch);
  // A product's last rows may be few; they lie in tiles all the same.
  const bool few = part.row_end - part.row_begin < kAmxRows && !task.quantized.tiled;
  if (!has_channel_scales(task.format) || few) return kLinearAvx512.run(task, part, scratch);
  amx::run_integer(task, part, scratch);
}

int64_t scratch_bytes(WeightFormat format, int64_t k, int64_t rows) {
  const int64_t tiles = amx::integer_scratch_bytes(format, k);
  return std::max(tiles, kLinearAvx512.scratch_bytes(format, k, rows));
}

// Rows in tiles stay in half of a core's L2 (2 MiB on every processor with AMX), so that the other
// half takes the weights that they meet; blocks are alike in size.
int64_t block_rows(WeightFormat format, int64_t k, int64_t m) {
  const bool bf16 = takes_bf16_rows(Isa::kAmx, format);
  if (!bf16 && !takes_tiled_rows(Isa::kAmx, format, m)) return half_cache_rows(format, k, m);
  constexpr int64_t kBytes = 1024 * 1024;
  constexpr int64_t kStep = amx::kPartRows;
  const int64_t row_bytes = bf16 ? 2 * Bf16Rows::row_bytes(k) : QuantizedRows::padded(k);
  const int64_t most = std::max(kStep, kBytes / row_bytes / kStep * kStep);
  const int64_t n_blocks = (m + most - 1) / most;
  return ((m + n_blocks - 1) / n_blocks + kStep - 1) / kStep * kStep;
}

}  // namespace

const LinearVariant kLinearAmx = {.run = run,
                                  .scratch_bytes = scratch_bytes,
                                  .block_rows = block_rows,
                                  .split_rows = amx::split_rows};

}  // namespace autoglm
