// The AMX variant: tiles for int8 and int4 from 8 rows on; below that AVX-512, which streams
// weights as fast as memory gives them, and for floats and for codes, whose groups have float
// scales.
#include "kernels/linear/amx_integer.h"
#include "kernels/linear/avx512_run.h"

namespace autoglm {
namespace {

constexpr int64_t kFewRows = 8;

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (!has_channel_scales(task.format) || part.row_end - part.row_begin < kFewRows) {
    return avx512::run_linear(task, part, scratch);
  }
  run_panels<avx512::F32, amx::IntegerMicro>(task, part, scratch);
}

int64_t scratch_bytes(WeightFormat format, int64_t k, int64_t rows) {
  if (holds_codes(format)) return SmallGroupSums::bytes(format, k, rows);
  return amx::IntegerMicro::scratch_bytes(format, k);
}

}  // namespace

const LinearVariant kLinearAmx = {.run = run, .scratch_bytes = scratch_bytes};

}  // namespace autoglm
