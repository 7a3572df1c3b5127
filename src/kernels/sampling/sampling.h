// What samplers need of a vocabulary of logits without sorting it: the greatest, the k greatest,
// and the logarithm of the softmax's denominator. Plain functions of one row: the same bits on
// every machine.
#pragma once

#include <cstdint>
#include <span>

namespace autoglm {

// The lowest id among the greatest. Not-a-number never wins; 0 when nothing else is there.
int32_t argmax(std::span<const float> logits);

struct SoftmaxStats {
  float max = 0;      // of the logits; not-a-number is passed over
  float log_sum = 0;  // log of the sum of exp(x - max), so log softmax(x) = x - max - log_sum
};

// The sum is taken in double over 16 lanes (element i in lane i % 16) joined in a fixed tree.
SoftmaxStats softmax_stats(std::span<const float> logits);

// Ids of the out.size() greatest, greatest first, ties by lower id; not-a-number counts as the
// least. Precondition: out.size() <= logits.size(). One pass with a heap of out.size().
void top_k(std::span<const float> logits, std::span<int32_t> out);

}  // namespace autoglm
