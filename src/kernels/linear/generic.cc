// The plain variant: the order of operations that the others must keep.
#include <cmath>

#include "kernels/linear/driver.h"
#include "kernels/linear/layout.h"
#include "kernels/simd/generic.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

struct FloatMicro {
  using Sum = float;
  static constexpr int64_t kRows = 1;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;

  FloatMicro(const LinearTask& t, const LinearPart&, std::byte*) : task(t) {}

  float weight(const std::byte* panel, int64_t i) const {
    switch (task.format) {
      case WeightFormat::kF16: return f16_to_f32(reinterpret_cast<const uint16_t*>(panel)[i]);
      case WeightFormat::kBF16: return bf16_to_f32(reinterpret_cast<const uint16_t*>(panel)[i]);
      default: return reinterpret_cast<const float*>(panel)[i];
    }
  }

  void tile(int64_t row, int64_t, int64_t panel, int64_t n_panels, float* out) const {
    const float* x = task.x + row * task.x_stride;
    for (int64_t p = 0; p < n_panels; ++p) {
      const std::byte* w = task.panels + (panel + p) * task.panel_bytes;
      for (int64_t lane = 0; lane < 16; ++lane) {
        float sum = 0;
        for (int64_t k = 0; k < task.k; ++k) sum = std::fma(x[k], weight(w, k * 16 + lane), sum);
        out[p * 16 + lane] = sum;
      }
    }
  }
};

struct IntegerMicro {
  using Sum = int32_t;
  static constexpr int64_t kRows = 1;
  static constexpr int64_t kPanels = 2;
  const LinearTask& task;

  IntegerMicro(const LinearTask& t, const LinearPart&, std::byte*) : task(t) {}

  int32_t weight(const std::byte* panel, int64_t k, int64_t lane) const {
    const auto* bytes = reinterpret_cast<const uint8_t*>(panel);
    if (task.format == WeightFormat::kInt8) {
      return static_cast<int8_t>(bytes[layout::int8_at(k, lane)]);
    }
    const int both = bytes[layout::int4_nibble_at(k, lane)];
    const int code = layout::int4_is_high(k) ? both >> 4 : both & 15;
    return bytes[layout::int4_scale_at(k, lane)] * code +
           static_cast<int8_t>(bytes[layout::int4_offset_at(k, lane)]);
  }

  void tile(int64_t row, int64_t, int64_t panel, int64_t n_panels, int32_t* out) const {
    const int8_t* x = task.quantized.values + row * task.quantized.padded_k();
    for (int64_t p = 0; p < n_panels; ++p) {
      const std::byte* w = task.panels + (panel + p) * task.panel_bytes;
      for (int64_t lane = 0; lane < 16; ++lane) {
        int32_t sum = 0;
        for (int64_t k = 0; k < task.k; ++k) sum += x[k] * weight(w, k, lane);
        out[p * 16 + lane] = sum;
      }
    }
  }
};

void run(const LinearTask& task, const LinearPart& part, std::byte* scratch) {
  if (is_integer(task.format)) {
    run_panels<generic::F32, IntegerMicro>(task, part, scratch);
  } else {
    run_panels<generic::F32, FloatMicro>(task, part, scratch);
  }
}

int64_t no_scratch(WeightFormat, int64_t, int64_t) { return 0; }

}  // namespace

const LinearVariant kLinearGeneric = {.run = run, .scratch_bytes = no_scratch};

}  // namespace autoglm
