// The AVX2 variant: picks a micro-kernel by format and by how many rows there are.
#include "kernels/linear/avx2_codes.h"
#include "kernels/linear/avx2_integer.h"
#include "kernels/linear/driver.h"
#include "kernels/linear/float_micro.h"

namespace autoglm {
namespace {

using avx2::F32;

// 6 x 1 fills the 16 registers with 12 sums, two weights and a value; 1 x 4 hides the latency of 4
// cycles with 8 sums in flight.
template <class Load>
void run_float(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  const int64_t rows = part.row_end - part.row_begin;
  if (rows == 1) {
    run_panels<F32, FloatMicro<F32, Load, 1, 4>>(task, part, scratch);
  } else if (rows <= 3) {
    run_panels<F32, FloatMicro<F32, Load, 3, 2>>(task, part, scratch);
  } else {
    run_panels<F32, FloatMicro<F32, Load, 6, 1>>(task, part, scratch);
  }
}

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (progressive_form(task.format).exists()) {
    return with_progressive(task.format, [&]<Progressive kForm>() {
      run_panels<F32, avx2::ProgressiveMicro<kForm>>(task, part, scratch);
    });
  }
  switch (task.format) {
    case WeightFormat::kF32: return run_float<OneColumn<F32, LoadF32<F32>>>(task, part, scratch);
    case WeightFormat::kF16: return run_float<OneColumn<F32, LoadF16<F32>>>(task, part, scratch);
    case WeightFormat::kBF16: return run_float<Bf16Columns<F32>>(task, part, scratch);
    case WeightFormat::kInt8: return run_panels<F32, avx2::Int8Micro>(task, part, scratch);
    default:
      return with_code_form(task.format, [&]<int kForm>() {
        run_panels<F32, avx2::CodeMicro<kForm>>(task, part, scratch);
      });
  }
}

int64_t scratch_bytes(WeightFormat format, int64_t k, int64_t rows) {
  if (format == WeightFormat::kInt8) return rows * QuantizedRows::padded(k) * 2;
  return CodeSums::bytes(format, k, rows);
}

}  // namespace

const LinearVariant kLinearAvx2 = {
    .run = run, .scratch_bytes = scratch_bytes, .block_rows = half_cache_rows};

}  // namespace autoglm
