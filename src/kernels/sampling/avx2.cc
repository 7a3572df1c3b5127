// The passes over logits on the vector type of simd/avx2.h.
#include "kernels/simd/avx2.h"
#include "kernels/sampling/body.h"

namespace autoglm {

const SamplingVariant kSamplingAvx2 = SamplingBody<avx2::F32>::kTable;

}  // namespace autoglm
