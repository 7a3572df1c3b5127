#include "kernels/rows/row_kernels.h"

namespace autoglm {

const RowKernels& row_kernels(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return kRowsGeneric;
    case Isa::kAvx2: return kRowsAvx2;
    case Isa::kAvx512:
    case Isa::kAmx: return kRowsAvx512;
  }
  return kRowsGeneric;
}

}  // namespace autoglm
