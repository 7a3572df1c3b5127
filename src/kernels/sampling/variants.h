// The passes over whole rows of logits, as a table for each instruction set. Only sampling/
// includes this.
#pragma once

#include <cstdint>

#include "kernels/isa.h"

namespace autoglm {

struct SamplingVariant {
  // greatest[i] = max of block i of LogitBlocks::kSize; false where any is NaN or +inf.
  bool (*scan)(const float* x, int64_t n, float* greatest);
  // w = exp((x - shift) * factor), sums[i] = sum over block i.
  void (*weights)(const float* x, int64_t n, float shift, float factor, float* w, double* sums);
  // How many are greater than `limit`; how many are at least that.
  int64_t (*count_above)(const float* x, int64_t n, float limit);
  int64_t (*count_from)(const float* x, int64_t n, float limit);
};

extern const SamplingVariant kSamplingGeneric;
extern const SamplingVariant kSamplingAvx2;
extern const SamplingVariant kSamplingAvx512;

const SamplingVariant& sampling_variant(Isa isa);

}  // namespace autoglm
