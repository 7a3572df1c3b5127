// Whole attention on the vector type of simd/avx512.h: 24 of 32 registers are sums.
#include "kernels/simd/avx512.h"
#include "kernels/whole_attention/body.h"

namespace autoglm {

const WholeAttentionVariant kWholeAttentionAvx512 = WholeAttention<avx512::F32, 4>::run;

}  // namespace autoglm
