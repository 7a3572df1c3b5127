// y = x * transpose(w) with what comes after it: bias, SwiGLU or GELU, residual. Every element of y
// is computed by an order of operations that depends on its own row of x and of w alone, so
// instruction set, batch and threads never change a bit:
//   int8, progressive: s = sum over k of q(x) * q(w), both turned, exact in int32;
//                      (float(s) * w_scale) * x_scale
//   codes of files: code_form.h
//   float formats: s = fma(x[k], w[k], s) for k ascending, from 0
// bf16 weights on AMX differ: x is split into high = bf16(x) and low = bf16(x - high), and for each
// 32 columns in turn, with h = high and then with h = low,
//   e = fma(h[k], w[k], e) for even k ascending, o likewise for odd k, both from 0; s = s + (e + o)
// where numbers below 2^-126 count as zero (Intel SDM, TDPBF16PS and VCVTNEPS2BF16); for one row as
// for many.
// then + bias; then silu(gate) * up, or gelu; then + residual.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "kernels/linear/packed_weight.h"
#include "kernels/linear/quantized_rows.h"

namespace autoglm {

enum class Epilogue : uint8_t {
  kNone,
  kSwiglu,  // needs PackOrder::kGateUp: y[i] = silu(gate[i]) * up[i]
  kGelu,    // simd/math.h
};

struct LinearArgs {
  const PackedWeight* weight = nullptr;
  int64_t m = 0;             // rows of x and y
  const float* x = nullptr;  // [m, k]; may be null when `quantized` is given
  int64_t x_stride = 0;      // elements from one row to the next
  const QuantizedRows* quantized =
      nullptr;                      // integer formats: x already quantized; else done inside
  const float* bias = nullptr;      // [weight.n], or null
  const float* residual = nullptr;  // [m, n_out], added last, or null; may be y itself
  int64_t residual_stride = 0;
  float* y = nullptr;  // [m, n_out]; must not overlap x
  int64_t y_stride = 0;
  Epilogue epilogue = Epilogue::kNone;
};

// Whether products of `m` rows with weights of this format read QuantizedRows in tiles; other
// products must be given rows that are not tiled.
bool takes_tiled_rows(Isa isa, WeightFormat format, int64_t m);

// Working memory of linear() for up to `max_rows` rows of x and this weight: give it at least so
// much, aligned to 64.
int64_t linear_scratch_bytes(const Context& context, const PackedWeight& weight, int64_t max_rows);

void linear(const Context& context, const LinearArgs& args, std::span<std::byte> scratch);

}  // namespace autoglm
