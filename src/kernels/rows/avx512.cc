// The row kernels on the vector type of simd/avx512.h.
#include "kernels/simd/avx512.h"
#include "kernels/rows/body.h"

namespace autoglm {

const RowKernels kRowsAvx512 = RowBody<avx512::F32>::kTable;

}  // namespace autoglm
