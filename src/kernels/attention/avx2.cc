// Attention on the vector type of simd/avx2.h.
#include "kernels/simd/avx2.h"
#include "kernels/attention/body.h"
#include "kernels/attention/narrow.h"

namespace autoglm {

const AttentionVariant kAttentionAvx2 = {.run = PagedAttention<avx2::F32, 1>::run,
                                         .join = PagedAttention<avx2::F32, 1>::join,
                                         .quantize = quantize_head<avx2::F32>,
                                         .narrow = narrow_to_bf16<avx2::F32>};

}  // namespace autoglm
