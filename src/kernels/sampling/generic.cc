// The passes over logits on the vector type of simd/generic.h.
#include "kernels/simd/generic.h"
#include "kernels/sampling/body.h"

namespace autoglm {

const SamplingVariant kSamplingGeneric = SamplingBody<generic::F32>::kTable;

}  // namespace autoglm
