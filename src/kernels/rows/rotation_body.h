// Turning one row of floats by tensor/rotation.h, on a vector type F of sixteen lanes.
// Every sum is of the same two numbers on every instruction set; which vector they lie in does not
// matter.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/rows/row_kernels.h"
#include "tensor/rotation.h"

namespace autoglm {

template <class F>
class RotationBody {
 public:
  static void rotate(const RotateInput& a) {
    scaled(a.x, a.column_scales, a.rotation.columns, a.y);
    hadamard_of_blocks(a.rotation, a.y);
    across_blocks(a.rotation, 0, a.y);
    if (a.rotation.second_begin() > 0) across_blocks(a.rotation, a.rotation.second_begin(), a.y);
  }

  static void rotate_back(const RotateInput& a) {
    scaled(a.x, nullptr, a.rotation.columns, a.y);
    if (a.rotation.second_begin() > 0) across_blocks(a.rotation, a.rotation.second_begin(), a.y);
    across_blocks(a.rotation, 0, a.y);
    hadamard_of_blocks(a.rotation, a.y);
    if (a.column_scales != nullptr) scaled(a.y, a.column_scales, a.rotation.columns, a.y);
  }

 private:
  static void scaled(const float* x, const float* factors, int64_t n, float* y) {
    if (factors == nullptr && x == y) return;
    for (int64_t i = 0; i < n; i += 16) {
      F value = F::load(x + i, n - i);
      if (factors != nullptr) value = value * F::load(factors + i, n - i);
      value.store(y + i, n - i);
    }
  }

  static void hadamard_of_blocks(const Rotation& r, float* x) {
    for (int64_t begin = 0; begin < r.columns; begin += r.block) {
      if (r.block < 16) {
        hadamard_stages(x + begin, r.block, 1);
      } else {
        inside_vectors(x + begin, r.block);
      }
    }
  }

  // Strides 1 to 8, and where four vectors are at hand 16 and 32 with them; then the rest.
  static void inside_vectors(float* x, int64_t n) {
    int64_t stride = 16;
    if (n >= 64) {
      for (int64_t i = 0; i < n; i += 64) {
        Four v = {hadamard16(F::load(x + i)), hadamard16(F::load(x + i + 16)),
                  hadamard16(F::load(x + i + 32)), hadamard16(F::load(x + i + 48))};
        v.turn();
        v.store(x + i, 16);
      }
      stride = 64;
    } else {
      for (int64_t i = 0; i < n; i += 16) hadamard16(F::load(x + i)).store(x + i);
    }
    stages(x, n, stride);
  }

  static void across_blocks(const Rotation& r, int64_t begin, float* x) {
    if (r.blocks == 1) return;
    if (r.block < 16) {
      // Rows whose columns divide by no 16, which no model at hand has.
      hadamard_stages(x + begin, r.span(), r.block);
    } else {
      stages(x + begin, r.span(), r.block);
    }
    const float factor = 1.0f / std::sqrt(static_cast<float>(r.blocks));
    for (int64_t i = 0; i < r.span(); i += 16) {
      const int64_t left = r.span() - i;
      (F::load(x + begin + i, left) * F::set(factor)).store(x + begin + i, left);
    }
  }

  // Strides from `stride` to n / 2, two at a time; n / stride is a power of two.
  static void stages(float* x, int64_t n, int64_t stride) {
    for (; stride * 4 <= n; stride *= 4) {
      for (int64_t i = 0; i < n; i += 4 * stride) {
        for (int64_t j = i; j < i + stride; j += 16) {
          Four v = {F::load(x + j), F::load(x + j + stride), F::load(x + j + 2 * stride),
                    F::load(x + j + 3 * stride)};
          v.turn();
          v.store(x + j, stride);
        }
      }
    }
    if (stride * 2 > n) return;
    for (int64_t j = 0; j < stride; j += 16) {
      const F a = F::load(x + j);
      const F b = F::load(x + j + stride);
      (a + b).store(x + j);
      (a - b).store(x + j + stride);
    }
  }

  // Four vectors that lie a stride apart, and two stages over them.
  struct Four {
    F a, b, c, d;
    void turn() {
      const F ab = a + b;
      const F a_b = a - b;
      const F cd = c + d;
      const F c_d = c - d;
      a = ab + cd;
      b = a_b + c_d;
      c = ab - cd;
      d = a_b - c_d;
    }
    void store(float* x, int64_t stride) const {
      a.store(x);
      b.store(x + stride);
      c.store(x + 2 * stride);
      d.store(x + 3 * stride);
    }
  };
};

}  // namespace autoglm
