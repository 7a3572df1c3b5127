// Attention on the vector type of simd/avx512.h.
#include "kernels/simd/avx512.h"
#include "kernels/attention/body.h"
#include "kernels/attention/narrow.h"

namespace autoglm {

const AttentionVariant kAttentionAvx512 = {.run = PagedAttention<avx512::F32, 2>::run,
                                           .join = PagedAttention<avx512::F32, 2>::join,
                                           .quantize = quantize_head<avx512::F32>,
                                           .narrow = narrow_to_bf16<avx512::F32>};

}  // namespace autoglm
