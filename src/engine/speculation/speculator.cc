// Lookup first: it costs nothing and, where it finds something, is right more often than a small
// model.
#include "engine/speculation/speculator.h"

#include <algorithm>
#include <utility>

namespace autoglm {
namespace {

// What is expected of drafts before any was verified: enough to try.
constexpr double kFirstRate = 0.6;

}  // namespace

Speculator::Speculator(const SpeculationOptions& options, Executor* draft, int32_t vocab_size)
    : options_(options) {
  if (draft != nullptr) model_.emplace(*draft, vocab_size);
}

void Speculator::choose(std::span<DraftCandidate> candidates, int32_t rows) {
  chances_.clear();
  for (DraftCandidate& candidate : candidates) {
    DraftMemory& memory = *candidate.memory;
    candidate.from_model = false;
    candidate.length = 0;
    const int32_t most = std::min(candidate.most, options_.num_speculative_tokens);
    if (most > 0 && (options_.method == "ngram" || !candidate.prediction.empty())) {
      if (!memory.lookup) {
        memory.lookup.emplace(options_.prompt_lookup_min, options_.prompt_lookup_max,
                              candidate.prediction, candidate.prompt);
      }
      while (memory.lookup->n_answer() < std::ssize(candidate.taken)) {
        memory.lookup->append(candidate.taken[static_cast<size_t>(memory.lookup->n_answer())]);
      }
      memory.lookup->propose(most, memory.proposed);
    }
    DraftChance chance{.most = static_cast<int32_t>(memory.proposed.size())};
    chance.rate = memory.rate.rate(lookup_rate_.rate(kFirstRate));
    if (memory.proposed.empty() && most > 0 && model_ && candidate.plain) {
      const int64_t known = std::ssize(candidate.prompt) + std::ssize(candidate.taken);
      // The last drafted token is not computed by the draft model.
      const int64_t room = model_->max_context() - known + 1;
      candidate.from_model = chance.from_model = true;
      chance.most = static_cast<int32_t>(std::clamp<int64_t>(room, 0, most));
      chance.rate = memory.rate.rate(model_rate_.rate(kFirstRate));
    }
    chances_.push_back(chance);
  }
  const std::vector<int32_t> lengths =
      options_.adaptive ? choose_lengths(step_cost_, drafting_cost_, chances_, rows)
                        : longest_lengths(chances_, rows);
  for (size_t i = 0; i < candidates.size(); ++i) candidates[i].length = lengths[i];
}

void Speculator::draft(std::span<DraftCandidate> candidates, SamplerScratch& scratch,
                       const std::function<double()>& clock) {
  orders_.clear();
  bool model_idle = true;
  for (DraftCandidate& candidate : candidates) {
    DraftMemory& memory = *candidate.memory;
    if (!candidate.from_model) {
      memory.draft.assign(memory.proposed.begin(), memory.proposed.begin() + candidate.length);
    } else if (candidate.length > 0) {
      model_idle = false;
      orders_.push_back({.prompt = candidate.prompt,
                         .taken = candidate.taken,
                         .pages = *candidate.pages,
                         .sampler = candidate.sampler,
                         .most = candidate.length,
                         .computed = &memory.draft_computed,
                         .draft = &memory.draft});
    } else {
      memory.rate.forget();
    }
  }
  if (!model_) return;
  if (model_idle) model_rate_.forget();
  model_->draft(orders_, scratch, drafting_cost_, clock);
  size_t next = 0;
  for (DraftCandidate& candidate : candidates) {
    if (!candidate.from_model || candidate.length == 0) continue;
    candidate.memory->fault = std::move(orders_[next++].fault);
  }
}

void Speculator::verified(DraftMemory& memory, int32_t accepted, bool ended, int64_t n_known) {
  AcceptanceRate& all = memory.proposed.empty() ? model_rate_ : lookup_rate_;
  const auto add = [&](bool right) {
    memory.rate.add(right);
    all.add(right);
  };
  for (int32_t i = 0; i < accepted; ++i) add(true);
  if (accepted < std::ssize(memory.draft) && !ended) add(false);
  // What the draft model computed of rejected tokens is computed again.
  memory.draft_computed = std::min(memory.draft_computed, n_known + accepted);
}

void Speculator::decoded(DraftMemory& memory, TokenId token) {
  // What the lookup would have drafted is known to have been right or wrong all the same.
  if (memory.proposed.empty()) return;
  const bool right = memory.proposed.front() == token;
  memory.rate.add(right);
  lookup_rate_.add(right);
}

void Speculator::step_took(int32_t rows, double seconds) { step_cost_.add(rows, seconds); }

}  // namespace autoglm
