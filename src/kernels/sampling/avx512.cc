// The passes over logits on the vector type of simd/avx512.h.
#include "kernels/simd/avx512.h"
#include "kernels/sampling/body.h"

namespace autoglm {

const SamplingVariant kSamplingAvx512 = SamplingBody<avx512::F32>::kTable;

}  // namespace autoglm
