// The row kernels on the vector type of simd/generic.h.
#include "kernels/simd/generic.h"
#include "kernels/rows/body.h"

namespace autoglm {

const RowKernels kRowsGeneric = RowBody<generic::F32>::kTable;

}  // namespace autoglm
