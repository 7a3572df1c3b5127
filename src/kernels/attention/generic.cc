// Attention on the vector type of simd/generic.h.
#include "kernels/simd/generic.h"
#include "kernels/attention/body.h"

namespace autoglm {

const AttentionVariant kAttentionGeneric = {.run = PagedAttention<generic::F32>::run};

}  // namespace autoglm
