// The AVX2 variant: picks a micro-kernel by format and by how many rows there are.
#include "kernels/linear/avx2_float.h"
#include "kernels/linear/avx2_integer.h"
#include "kernels/linear/driver.h"

namespace autoglm {
namespace {

template <class Load>
void run_float(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  using avx2::F32;
  using avx2::FloatMicro;
  const int64_t rows = part.row_end - part.row_begin;
  if (rows == 1) {
    run_panels<F32, FloatMicro<Load, 1, 4>>(task, part, scratch);
  } else if (rows <= 3) {
    run_panels<F32, FloatMicro<Load, 3, 2>>(task, part, scratch);
  } else {
    run_panels<F32, FloatMicro<Load, 6, 1>>(task, part, scratch);
  }
}

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  switch (task.format) {
    case WeightFormat::kF32: return run_float<avx2::LoadF32>(task, part, scratch);
    case WeightFormat::kF16: return run_float<avx2::LoadF16>(task, part, scratch);
    case WeightFormat::kBF16: return run_float<avx2::LoadBf16>(task, part, scratch);
    case WeightFormat::kInt8: return run_panels<avx2::F32, avx2::Int8Micro>(task, part, scratch);
    case WeightFormat::kInt4: return run_panels<avx2::F32, avx2::Int4Micro>(task, part, scratch);
  }
}

int64_t scratch_bytes(WeightFormat format, int64_t k, int64_t rows) {
  return format == WeightFormat::kInt8 ? rows * QuantizedRows::padded(k) * 2 : 0;
}

}  // namespace

const LinearVariant kLinearAvx2 = {.run = run, .scratch_bytes = scratch_bytes};

}  // namespace autoglm
