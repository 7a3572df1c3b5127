// The AVX-512 variant.
#include "kernels/linear/avx512_run.h"

namespace autoglm {
namespace {

int64_t no_scratch(WeightFormat, int64_t, int64_t) { return 0; }

}  // namespace

const LinearVariant kLinearAvx512 = {.run = avx512::run_linear, .scratch_bytes = no_scratch};

}  // namespace autoglm
