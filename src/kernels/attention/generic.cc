// Attention on the vector type of simd/generic.h.
#include "kernels/simd/generic.h"
#include "kernels/attention/body.h"
#include "kernels/attention/narrow.h"

namespace autoglm {

const AttentionVariant kAttentionGeneric = {.run = PagedAttention<generic::F32, 2>::run,
                                            .join = PagedAttention<generic::F32, 2>::join,
                                            .quantize = quantize_head<generic::F32>,
                                            .narrow = narrow_to_bf16<generic::F32>};

}  // namespace autoglm
