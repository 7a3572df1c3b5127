// A smaller model that drafts for a larger one. Its KV pool has as many pages of as many tokens,
// and a sequence uses the same page numbers in both: so there is nothing to allocate, to leak or to
// preempt here. What it has computed of a sequence is a number, which falls behind while nobody
// asks for drafts and is caught up with, a step's worth of rows at a time, when somebody does.
//
// It draws with the sampler of the sequence, that is, with the noise and the penalties with which
// the target will draw at the same place (docs/decisions/0050): where both models think alike they
// then draw alike, at any temperature.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "autoglm/generation.h"
#include "devices/executor.h"
#include "engine/sampler.h"
#include "engine/speculation/pace.h"

namespace autoglm {

// A sequence whose last known token is not computed yet.
struct DraftOrder {
  std::span<const TokenId> prompt, taken;  // all that is known
  std::span<const int32_t> pages;          // room for all but the last drafted token at least
  Sampler* sampler = nullptr;              // left as it was
  int32_t most = 0;                        // tokens to draft
  int64_t* computed = nullptr;             // positions that the draft model has computed; updated
  std::vector<TokenId>* draft = nullptr;   // filled; fewer than `most` while it is catching up
  std::optional<Error> fault;              // ours, where the order contradicts itself; written
};

class DraftModel {
 public:
  // The executor must outlive it. Precondition: it has the target's number of pages, of the same
  // size, and an output row for every sequence that runs.
  DraftModel(Executor& executor, int32_t target_vocab_size)
      : executor_(executor), target_vocab_size_(target_vocab_size) {}

  // Positions that it can compute.
  int64_t max_context() const { return executor_.limits().max_context; }
  // `cost` is told the seconds of each round by the number of sequences in it.
  void draft(std::span<DraftOrder> orders, SamplerScratch& scratch, StepCost& cost,
             const std::function<double()>& clock);

 private:
  // One step of the executor; returns its rows, 0 when there was nothing to compute.
  int32_t compute(std::span<DraftOrder> orders);
  void take(DraftOrder& order, int32_t output, SamplerScratch& scratch);

  Executor& executor_;
  const int32_t target_vocab_size_;

  // The round under way; kept to reuse their memory.
  std::vector<TokenId> tokens_;
  std::vector<StepSequence> sequences_;
  std::vector<int32_t> output_rows_;
  std::vector<DraftOrder*> drawing_;  // one for each of output_rows_
  std::vector<float> padded_;
};

}  // namespace autoglm
