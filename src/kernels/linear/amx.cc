// The AMX variant: tiles for int8 and int4 from kAmxRows rows on; below that AVX-512, as for floats
// and for codes, whose groups have float scales.
#include <algorithm>

#include "kernels/linear/amx_integer.h"
#include "kernels/linear/avx512_run.h"

namespace autoglm {
namespace {

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  // A product's last rows may be few; they lie in tiles all the same.
  const bool few = part.row_end - part.row_begin < kAmxRows && !task.quantized.tiled;
  if (!has_channel_scales(task.format) || few) return avx512::run_linear(task, part, scratch);
  amx::run_integer(task, part, scratch);
}

int64_t scratch_bytes(WeightFormat format, int64_t k, int64_t rows) {
  if (holds_codes(format)) return SmallGroupSums::bytes(format, k, rows);
  return amx::IntegerPart::scratch_bytes(format, k);
}

// Rows in tiles stay in half of a core's L2 (2 MiB on every processor with AMX), so that the other
// half takes the weights that they meet; blocks are alike in size.
int64_t block_rows(WeightFormat format, int64_t k, int64_t m) {
  if (!takes_tiled_rows(Isa::kAmx, format, m)) return half_cache_rows(format, k, m);
  constexpr int64_t kBytes = 1024 * 1024;
  constexpr int64_t kStep = amx::IntegerPart::kRows;
  const int64_t most = std::max(kStep, kBytes / QuantizedRows::padded(k) / kStep * kStep);
  const int64_t n_blocks = (m + most - 1) / most;
  return ((m + n_blocks - 1) / n_blocks + kStep - 1) / kStep * kStep;
}

}  // namespace

const LinearVariant kLinearAmx = {
    .run = run, .scratch_bytes = scratch_bytes, .block_rows = block_rows};

}  // namespace autoglm
