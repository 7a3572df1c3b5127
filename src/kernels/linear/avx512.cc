// The AVX-512 variant.
#include "kernels/linear/avx512_run.h"

namespace autoglm {

const LinearVariant kLinearAvx512 = {
    .run = avx512::run_linear, .scratch_bytes = CodeSums::bytes, .block_rows = half_cache_rows};

}  // namespace autoglm
