// Whole attention on the vector type of simd/avx2.h: 6 x 1 fills the 16 registers with 12 sums.
#include "kernels/simd/avx2.h"
#include "kernels/whole_attention/body.h"

namespace autoglm {

const WholeAttentionVariant kWholeAttentionAvx2 = WholeAttention<avx2::F32, 1>::run;

}  // namespace autoglm
