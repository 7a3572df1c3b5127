// What samplers need of a vocabulary of logits, in a few passes and without sorting it: whether
// they are numbers, the greatest, the k greatest, softmax's weights and their sum. Sums are taken
// in a fixed order of sixteen lanes a block of 1,024, blocks in double: the same bits on every
// machine. One thread: a row of 150,000 takes tens of microseconds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace autoglm {

// The greatest logit of each block, by which later passes skip what cannot matter.
struct LogitBlocks {
  static constexpr int64_t kSize = 1024;

  std::vector<float> greatest;
  int32_t best = 0;  // id of the greatest logit, the lowest among equals
};

// Fills `blocks`; false when a logit is not a number or +inf, or none is finite (-inf is allowed).
bool scan_logits(std::span<const float> logits, LogitBlocks* blocks);

// Ids whose logits are at least `least`, ascending.
void ids_from(std::span<const float> logits, const LogitBlocks& blocks, float least,
              std::vector<int32_t>* ids);

// Ids of the k greatest, greatest first, ties by lower id; all where there are fewer.
void top_k(std::span<const float> logits, const LogitBlocks& blocks, int32_t k,
           std::vector<int32_t>* ids);

struct SoftmaxWeights {
  std::vector<float> of;           // exp((logit - greatest) / temperature), within 2 ulp
  std::vector<double> block_sums;  // of blocks of LogitBlocks::kSize
  double sum = 0;
};

void softmax_weights(std::span<const float> logits, const LogitBlocks& blocks, float temperature,
                     SoftmaxWeights* weights);

// How many logits stand before that of `id`: greater, or equal with a lower id.
int32_t rank_before(std::span<const float> logits, int32_t id);

}  // namespace autoglm
