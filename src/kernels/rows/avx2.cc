// The row kernels on the vector type of simd/avx2.h.
#include "kernels/simd/avx2.h"
#include "kernels/rows/body.h"

namespace autoglm {

const RowKernels kRowsAvx2 = RowBody<avx2::F32>::kTable;

}  // namespace autoglm
