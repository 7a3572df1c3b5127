// Attention on the vector type of simd/avx512.h.
#include "kernels/simd/avx512.h"
#include "kernels/attention/body.h"

namespace autoglm {

const AttentionVariant kAttentionAvx512 = {.run = PagedAttention<avx512::F32>::run};

}  // namespace autoglm
