// Speculation for a batch: proposes drafts for the sequences that decode, learns how often they are
// right and what they cost, and drafts no further than pays. It never decides a token: the engine
// core computes a drafted position, takes the target's own token there, and goes on only while the
// two are equal (docs/decisions/0050).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/model.h"
#include "engine/speculation/draft_model.h"
#include "engine/speculation/pace.h"
#include "engine/speculation/prompt_lookup.h"

namespace autoglm {

// What is remembered of a sequence while it runs.
struct DraftMemory {
  std::optional<PromptLookup> lookup;
  AcceptanceRate rate;
  int64_t draft_computed = 0;     // positions in the draft model's pages
  std::vector<TokenId> proposed;  // what the lookup says comes next
  std::vector<TokenId> draft;     // of the step under way: what is to be verified
  std::optional<Error> fault;     // our own, met while drafting: the request cannot go on

  void begin_step() {
    proposed.clear();
    draft.clear();
  }
  // With its pages a sequence loses what was computed; what costs memory goes too.
  void forget_text() {
    lookup.reset();
    draft_computed = 0;
  }
};

// A sequence that decodes in the coming step.
struct DraftCandidate {
  std::span<const TokenId> prediction, prompt, taken;
  const std::vector<int32_t>* pages = nullptr;
  Sampler* sampler = nullptr;
  DraftMemory* memory = nullptr;
  bool plain = true;  // the text is tokens at their own positions: all that a draft model reads
  int32_t most = 0;   // drafted tokens that make sense; 0: the request wants none
  // Written by choose().
  bool from_model = false;
  int32_t length = 0;
};

class Speculator {
 public:
  // `draft`: the draft model's executor, or nullptr; must outlive it.
  Speculator(const SpeculationOptions& options, Executor* draft, int32_t vocab_size);

  // Sets the lengths of the drafts, at most `rows` in all. Precondition: begin_step() of all.
  void choose(std::span<DraftCandidate> candidates, int32_t rows);
  // Makes the drafts. `length` may have become less, and pages for it have been allocated.
  void draft(std::span<DraftCandidate> candidates, SamplerScratch& scratch,
             const std::function<double()>& clock);

  // The step has verified `memory.draft`, of which the first `accepted` were right; `ended`: the
  // answer ended there, so that the one after was not looked at. `n_known`: tokens before the step.
  void verified(DraftMemory& memory, int32_t accepted, bool ended, int64_t n_known);
  // A sequence without a draft took `token`.
  void decoded(DraftMemory& memory, TokenId token);
  // A step that only decoded and verified took so long, drafting not counted.
  void step_took(int32_t rows, double seconds);

 private:
  const SpeculationOptions options_;
  std::optional<DraftModel> model_;
  StepCost step_cost_, drafting_cost_;
  AcceptanceRate lookup_rate_, model_rate_;  // of all sequences
  std::vector<DraftChance> chances_;
  std::vector<DraftOrder> orders_;
};

}  // namespace autoglm
