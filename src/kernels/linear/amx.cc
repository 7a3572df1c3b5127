// The AMX variant: tiles for the integer formats from 8 rows on; below that, and for floats,
// AVX-512, which streams weights as fast as memory gives them.
#include "kernels/linear/amx_integer.h"
#include "kernels/linear/avx512_run.h"

namespace autoglm {
namespace {

constexpr int64_t kFewRows = 8;

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (!is_integer(task.format) || part.row_end - part.row_begin < kFewRows) {
    return avx512::run_linear(task, part, scratch);
  }
  run_panels<avx512::F32, amx::IntegerMicro>(task, part, scratch);
}

int64_t scratch_bytes(WeightFormat format, int64_t k, int64_t) {
  return amx::IntegerMicro::scratch_bytes(format, k);
}

}  // namespace

const LinearVariant kLinearAmx = {.run = run, .scratch_bytes = scratch_bytes};

}  // namespace autoglm
