// Whole attention on the vector type of simd/generic.h.
#include "kernels/simd/generic.h"
#include "kernels/whole_attention/body.h"

namespace autoglm {

const WholeAttentionVariant kWholeAttentionGeneric = WholeAttention<generic::F32, 1>::run;

}  // namespace autoglm
