// The inside of linear(): what a variant is given, and the table of variants. Only linear/ includes
// this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "kernels/isa.h"
#include "kernels/linear/bf16_rows.h"
#include "kernels/linear/linear.h"

namespace autoglm {

// A product with everything looked up and checked: plain numbers and pointers.
struct LinearTask {
  WeightFormat format = WeightFormat::kF32;
  const std::byte* panels = nullptr;
  int64_t panel_bytes = 0;
  const float* channel_scales = nullptr;  // int8 and progressive: [n_panels, 16]
  int64_t k = 0;
  int64_t n_out = 0;
  const float* x = nullptr;  // float formats
  int64_t x_stride = 0;
  QuantizedRows quantized;               // integer formats
  const std::byte* bf16_rows = nullptr;  // Bf16Rows, where takes_bf16_rows()
  const float* bias = nullptr;
  const float* up_bias = nullptr;  // kSwiglu: bias of the up rows
  const float* residual = nullptr;
  int64_t residual_stride = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
  Epilogue epilogue = Epilogue::kNone;
};

// A rectangle of the result: rows of x by panels of the weight. Panels begin even.
struct LinearPart {
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t panel_begin = 0;
  int64_t panel_end = 0;
};

struct LinearVariant {
  void (*run)(const LinearTask& task, const LinearPart& part, std::byte* scratch);
  // Bytes of scratch that a part of `rows` rows needs.
  int64_t (*scratch_bytes)(WeightFormat format, int64_t k, int64_t rows);
  // The most rows of one part of a product of `m` rows.
  int64_t (*block_rows)(WeightFormat format, int64_t k, int64_t m);
  void (*split_rows)(const Bf16Split& split) = nullptr;  // where takes_bf16_rows()
};

// Panels of one part of a product with `n_panels` of them: about 8 parts a thread, so that a thread
// held up by others leaves its share to the rest; 4 panels are what the widest micro-kernel takes.
inline int64_t part_panels(int64_t n_panels, int64_t threads) {
  if (threads == 1) return n_panels;
  const int64_t share = n_panels / (threads * 8) / 4 * 4;
  return share < 4 ? 4 : share;
}

// Calls visit.template operator()<form>() with the form of `format`, which is progressive.
template <class Visit>
void with_progressive(WeightFormat format, Visit visit) {
  const Progressive form = progressive_form(format);
  [&]<size_t... kForms>(std::index_sequence<kForms...>) {
    const bool found = ((kProgressives[kForms] == form &&
                         (visit.template operator()<kProgressives[kForms]>(), true)) ||
                        ...);
    AGLM_CHECK(found, "{} is not progressive", weight_format_name(format));
  }
  (std::make_index_sequence<std::size(kProgressives)>());
}

// From so many rows on AMX tiles are faster than vectors, which stream the weights of fewer rows as
// fast as memory gives them.
inline constexpr int64_t kAmxRows = 8;

extern const LinearVariant kLinearGeneric;
extern const LinearVariant kLinearAvx2;
extern const LinearVariant kLinearAvx512;
extern const LinearVariant kLinearAmx;

const LinearVariant& linear_variant(Isa isa);

// Whether products with weights of this format read their rows as Bf16Rows.
bool takes_bf16_rows(Isa isa, WeightFormat format);

// The usual block_rows: rows that are taken against one panel after the other stay in half of a
// core's L2 (512 KiB on the smallest machine we know), with the panel itself in the other half.
int64_t half_cache_rows(WeightFormat format, int64_t k, int64_t m);

// Bytes of scratch that each thread needs for products of `m` rows.
int64_t thread_scratch_bytes(Isa isa, WeightFormat format, int64_t k, int64_t m);

// `args` looked up; `quantized` is x for integer formats.
LinearTask linear_task(const LinearArgs& args, const QuantizedRows& quantized);

}  // namespace autoglm
