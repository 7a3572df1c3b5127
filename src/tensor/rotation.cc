#include "tensor/rotation.h"

#include <cmath>

namespace autoglm {
namespace {

void across_blocks(const Rotation& r, int64_t begin, float* x) {
  if (r.blocks == 1) return;
  hadamard_stages(x + begin, r.span(), r.block);
  const float factor = 1.0f / std::sqrt(static_cast<float>(r.blocks));
  for (int64_t i = begin; i < begin + r.span(); ++i) x[i] *= factor;
}

void inside_blocks(const Rotation& r, float* x) {
  for (int64_t begin = 0; begin < r.columns; begin += r.block)
    hadamard_stages(x + begin, r.block, 1);
}

}  // namespace

void hadamard_stages(float* x, int64_t n, int64_t stride) {
  for (; stride < n; stride *= 2) {
    for (int64_t i = 0; i < n; ++i) {
      if ((i & stride) != 0) continue;
      const float a = x[i];
      const float b = x[i + stride];
      x[i] = a + b;
      x[i + stride] = a - b;
    }
  }
}

void rotate(const Rotation& rotation, std::span<float> row) {
  inside_blocks(rotation, row.data());
  across_blocks(rotation, 0, row.data());
  if (rotation.second_begin() > 0) across_blocks(rotation, rotation.second_begin(), row.data());
}

void rotate_back(const Rotation& rotation, std::span<float> row) {
  if (rotation.second_begin() > 0) across_blocks(rotation, rotation.second_begin(), row.data());
  across_blocks(rotation, 0, row.data());
  inside_blocks(rotation, row.data());
}

}  // namespace autoglm
