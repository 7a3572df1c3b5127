// What the engine knows of a request under way, and of each of its answers. Plain state: what is
// done with it stands in engine_core*.cc.
//
// A request of n answers is n sequences that share nothing but the request: each has its own place
// in the queue, its own pages and its own random numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/model.h"
#include "base/check.h"
#include "engine/answer.h"
#include "engine/constraint.h"
#include "engine/prefix_tree.h"
#include "engine/prompt_inputs.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/speculation/speculator.h"
#include "engine/tenants.h"
#include "engine/thoughts.h"

namespace autoglm {

// A request that was accepted: check_request() or check_prompt() passed.
struct Job {
  uint64_t id = 0;
  GenerationRequest request;
  PromptRows rows;                                    // of request.inputs
  std::shared_ptr<grammar::CompiledGrammar> grammar;  // of request.structured_output, if any
  uint64_t seed = 0;
  double accepted_at = 0;          // by the core's clock
  GenerationCallback on_event;     // for an answer
  EmbeddingCallback on_embedding;  // or, instead, for the mean of the hidden states
};

// What the sequences of one request share.
struct ActiveRequest {
  Job job;
  Tenant* tenant = nullptr;
  std::string salt;  // of its pages in the prefix tree
  std::optional<double> deadline;
  int64_t max_tokens = 0;
  int32_t unfinished = 0;  // sequences
  int32_t started = 0;     // sequences that have run at least once
  Usage usage;
  std::vector<std::optional<PositionLogprobs>> prompt_logprobs;  // until the first event takes them
  RequestObservation observation;
  std::optional<double> started_at, first_token_at, last_token_at;
};

struct Sequence {
  int64_t n_prompt() const { return std::ssize(request->job.request.prompt); }
  int64_t n_known() const { return n_prompt() + std::ssize(taken); }
  TokenText text() const {
    return {request->job.request.prompt, taken,
            request->job.rows.plain() ? nullptr : &request->job.rows};
  }
  int32_t priority() const { return request->job.request.scheduling.priority; }
  // Smaller ranks are served first, and keep their pages longest.
  auto rank() const {
    return std::tuple(service_class(priority()), priority(), request->job.id, choice);
  }
  bool embeds() const { return request->job.on_embedding != nullptr; }
  // Output rows of the prompt that are wanted, from 0 on: for its log-probabilities or its mean.
  int64_t prompt_rows() const {
    if (embeds()) return n_prompt();
    const bool logprobs = choice == 0 && request->job.request.sampling.prompt_logprobs.has_value();
    return logprobs ? n_prompt() - 1 : 0;
  }
  // The first position that is still to be computed for its own result.
  int64_t output_from() const {
    const int64_t last = n_known() - 1;
    return prompt_rows_done < prompt_rows() ? std::min(prompt_rows_done, last) : last;
  }
  SchedulerSequence view() const {
    return {.known = n_known(),
            .computed = computed,
            .output_from = output_from(),
            .pages = std::ssize(pages),
            .service_class = service_class(priority())};
  }
  // All but the last token is computed, and the next one is wanted.
  bool decodes() const {
    return n_known() - computed == 1 && prompt_rows_done >= prompt_rows() && !embeds();
  }
  // Drafted tokens that make sense: the last token of an answer needs no successor.
  int32_t most_drafted() const {
    const int64_t asked = request->job.request.sampling.num_speculative_tokens.value_or(
        std::numeric_limits<int32_t>::max());
    const int64_t left = request->max_tokens - std::ssize(taken) - 1;
    return static_cast<int32_t>(std::clamp<int64_t>(left, 0, asked));
  }
  int32_t n_drafted() const { return static_cast<int32_t>(drafts.draft.size()); }
  // Before its first step; one that waits stays small, however large n and its parameters are.
  Result<void> start(const Tokenizer& tokenizer, const EndOfSequence& end_of_sequence) {
    const GenerationRequest& asked = request->job.request;
    if (std::ranges::any_of(asked.sampling.stop, &std::string::empty)) {
      return internal_error("an empty stop string");
    }
    std::vector<TokenId> end_ids = end_of_sequence.all;
    end_ids.insert(end_ids.end(), asked.sampling.stop_token_ids.begin(),
                   asked.sampling.stop_token_ids.end());
    sampler.emplace(asked.sampling, request->job.seed, choice, std::move(end_ids), asked.prompt);
    answer.emplace(asked.sampling, request->max_tokens, tokenizer, end_of_sequence);
    if (!asked.begins_text) answer->follow(asked.prompt);
    const bool waits = request->job.grammar != nullptr && asked.structured_output->after_reasoning;
    if (waits || asked.sampling.thinking_token_budget) {
      thoughts = Thoughts(asked.sampling.thinking_token_budget, asked.prompt, tokenizer);
    }
    if (request->job.grammar != nullptr) {
      constraint.emplace(request->job.grammar,
                         Constraint::Options{.begins_text = asked.begins_text,
                                             .after_thoughts = waits,
                                             .end_ids = end_of_constrained(
                                                 asked.sampling, tokenizer, end_of_sequence),
                                             .field = asked.structured_output->field});
    }
    return {};
  }

  std::shared_ptr<ActiveRequest> request;
  int32_t choice = 0;
  std::vector<TokenId> taken;  // the answer
  int64_t computed = 0;
  std::vector<int32_t> pages;  // the first of them, as many as `path` has nodes, are the tree's
  PrefixPath path;
  int64_t prompt_rows_done = 0;  // survives a preemption
  std::optional<Sampler> sampler;
  std::optional<Answer> answer;
  Thoughts thoughts;
  std::optional<Constraint> constraint;
  std::vector<double> hidden_sum;
  std::optional<double> last_token_at;
  DraftMemory drafts;
  bool ended = false;      // its last event is told, or will be
  int32_t rows = 0;        // of the step under way
  int32_t n_accepted = 0;  // of its draft
};

}  // namespace autoglm
