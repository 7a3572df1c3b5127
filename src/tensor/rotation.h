// The Hadamard rotation of the columns of a product: rows of activations and of weights are both
// turned, their product stays, and what stood out in a few columns is spread over all
// (docs/decisions/0170). Adds and subtractions alone, in one order on every instruction set.
#pragma once

#include <cstdint>
#include <span>

namespace autoglm {

// T = B2 * B1 * A. A: Hadamard (Sylvester's) in each `block` of neighbouring columns, not scaled.
// B1: over the first `blocks` blocks, each index of a block by itself, times 1 / sqrt(blocks). B2:
// the same over the last `blocks` blocks, left out where these are all. So T transpose(T) = block *
// identity, for any number of columns.
struct Rotation {
  static constexpr int64_t kMaxBlock =
      512;  // 2 KiB: a block stays in registers and the first cache

  int64_t columns = 0;
  int64_t block = 1;   // a power of two that divides `columns`, at most kMaxBlock
  int64_t blocks = 1;  // the largest power of two that is no more than columns / block

  static constexpr Rotation of(int64_t columns) {
    Rotation r{.columns = columns};
    while (r.block < kMaxBlock && columns % (r.block * 2) == 0) r.block *= 2;
    while (r.blocks * 2 <= columns / r.block) r.blocks *= 2;
    return r;
  }
  constexpr int64_t span() const { return block * blocks; }            // columns of B1 and of B2
  constexpr int64_t second_begin() const { return columns - span(); }  // 0: there is no B2
};

// Sylvester's stages with strides from `stride` to n / 2 over n numbers, n / stride a power of two:
// of each pair the sum and the difference.
void hadamard_stages(float* x, int64_t n, int64_t stride);

// row = T row, and row = transpose(T) row: the plain loops that define what kernels compute
// (kernels/rows/).
void rotate(const Rotation& rotation, std::span<float> row);
void rotate_back(const Rotation& rotation, std::span<float> row);

}  // namespace autoglm
