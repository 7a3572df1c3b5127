// Kernels that work on one row of floats at a time, as a table for each instruction set. The
// entries (norm/, rope/, elementwise/, linear/quantized_rows.h) check, split rows over threads, and
// call these.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "kernels/rows/outlier.h"
#include "tensor/rotation.h"

namespace autoglm {

struct ProgressiveGroup;

struct NormRow {
  int64_t n = 0;
  const float* x = nullptr;
  const float* weight = nullptr;
  float eps = 0;
  const float* residual = nullptr;  // or null
  float* y = nullptr;
};

struct LayerNormRow {
  int64_t n = 0;
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  float eps = 0;
  float* y = nullptr;
};

struct QuantizeRow {
  int64_t k = 0;
  const float* x = nullptr;
  int8_t* values = nullptr;       // padded to 64
  int64_t block_stride = 64;      // bytes from 64 of the values to the next 64
  int16_t* group_sums = nullptr;  // one a group of 32, padding too
  int32_t* sum = nullptr;
  float* scale = nullptr;
};

// One scale for each group of 32 columns, numbers that stand out kept apart; arrays as in
// QuantizedRows, of one row, padding too.
struct QuantizeGroups {
  // So many times the size of what is usual in the row stands out. Of 32 normally distributed
  // numbers the largest is 2 to 3 times their size.
  static constexpr float kOutlierFactor = 10.0f;
  static constexpr int64_t kMaxGroups = 131072 / 32;  // PackedWeight::kMaxColumns

  int64_t k = 0;
  const float* x = nullptr;
  int8_t* values = nullptr;
  int16_t* sums = nullptr;
  float* scales = nullptr;
  Outlier* outliers = nullptr;  // ascending columns
  int32_t max_outliers = 0;
  int32_t* n_outliers = nullptr;
};

// y = T (column_scales * x); back: y = column_scales * transpose(T) x. y may be x.
struct RotateInput {
  Rotation rotation;
  const float* x = nullptr;
  const float* column_scales = nullptr;  // or null
  float* y = nullptr;
};

struct RotateHead {
  int64_t half = 0;  // rotary_dim / 2
  const float* cos = nullptr;
  const float* sin = nullptr;
  float* x = nullptr;
};

struct RowKernels {
  void (*norm)(const NormRow&);
  void (*layer_norm)(const LayerNormRow&);
  void (*quantize)(const QuantizeRow&);
  void (*quantize_groups)(const QuantizeGroups&);
  void (*rotate_input)(const RotateInput&);
  void (*rotate_input_back)(const RotateInput&);
  void (*rotate_half_split)(const RotateHead&);
  void (*rotate_interleaved)(const RotateHead&);
  void (*add)(const float* a, const float* b, float* y, int64_t n);
  void (*swiglu)(const float* a, const float* b, float* y, int64_t n);
  void (*scale)(const float* x, float factor, float* y, int64_t n);
  void (*gelu)(const float* x, float* y, int64_t n);
  void (*tanh)(const float* x, float* y, int64_t n);
  void (*add_scaled)(const float* x, float factor, float* y, int64_t n);  // y = fma(x, factor, y)
  // One group of codes of `bits` bits for up to four times 32 columns, given as so many groups that
  // become alike.
  void (*choose_group)(const float* x, int bits, std::span<ProgressiveGroup> alike);
  void (*exp)(const float* x, float* y, int64_t n);  // for tests of the one exp that all share
};

extern const RowKernels kRowsGeneric;
extern const RowKernels kRowsAvx2;
extern const RowKernels kRowsAvx512;

const RowKernels& row_kernels(Isa isa);

}  // namespace autoglm
