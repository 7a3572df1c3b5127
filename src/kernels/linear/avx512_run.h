// The AVX-512 variant's choice of micro-kernel, by format and by how many rows there are.
#pragma once

#if defined(__AVX512VNNI__) || defined(AUTOGLM_EMULATED_AVX512)
#include "kernels/linear/avx512_codes.h"
#include "kernels/linear/avx512_integer.h"
#include "kernels/linear/driver.h"
#include "kernels/linear/float_micro.h"

namespace autoglm::avx512 {
namespace {

// Of 32 registers 12 x 2 are sums; with one row 8 sums in flight hide the latency of 4 cycles.
template <class Load>
void run_float(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  const int64_t rows = part.row_end - part.row_begin;
  if (rows == 1) {
    run_panels<F32, FloatMicro<F32, Load, 1, 8>>(task, part, scratch);
  } else if (rows <= 4) {
    run_panels<F32, FloatMicro<F32, Load, 4, 4>>(task, part, scratch);
  } else {
    run_panels<F32, FloatMicro<F32, Load, 12, 2>>(task, part, scratch);
  }
}

inline void run_floats(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  switch (task.format) {
    case WeightFormat::kF16: return run_float<OneColumn<F32, LoadF16<F32>>>(task, part, scratch);
    case WeightFormat::kBF16: return run_float<Bf16Columns<F32>>(task, part, scratch);
    default: return run_float<OneColumn<F32, LoadF32<F32>>>(task, part, scratch);
  }
}

// int8 and progressive.
inline void run_integers(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  const bool few = part.row_end - part.row_begin <= 4;
  if (progressive_form(task.format).exists()) {
    // 6 rows by 2 panels: 12 sums, 4 scales, 4 products.
    return with_progressive(task.format, [&]<Progressive kForm>() {
      run_panels<F32, IntegerMicro<kForm, 6, 2>>(task, part, scratch);
    });
  }
  if (few) return run_panels<F32, IntegerMicro<Progressive{}, 4, 4>>(task, part, scratch);
  run_panels<F32, IntegerMicro<Progressive{}, 12, 2>>(task, part, scratch);
}

inline void run_codes(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  with_code_form(task.format,
                 [&]<int kForm>() { run_panels<F32, CodeMicro<kForm>>(task, part, scratch); });
}

inline void run_linear(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (holds_codes(task.format)) return run_codes(task, part, scratch);
  if (is_integer(task.format)) return run_integers(task, part, scratch);
  run_floats(task, part, scratch);
}

}  // namespace
}  // namespace autoglm::avx512
#endif
