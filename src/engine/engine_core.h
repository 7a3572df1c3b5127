// The engine without its thread: requests in, steps on demand, events out. Single-threaded and
// deterministic, so that tests can drive it step by step (engine.h puts a thread around it).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/model.h"
#include "devices/executor.h"
#include "engine/answer.h"
#include "engine/page_pool.h"
#include "engine/request_check.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/speculation/speculator.h"

namespace autoglm {

struct CoreOptions {
  int32_t n_pages = 1;             // what the executor has reserved
  int64_t max_model_len = 1;       // at most what the pool holds
  int32_t max_batch_size = 1;      // at most max_batched_tokens and the executor's output rows
  int32_t max_batched_tokens = 1;  // at most the executor's rows
  EndOfSequence end;
  std::function<double()> clock;  // seconds, from any beginning
  SpeculationOptions speculation;
  Executor* draft = nullptr;  // for method draft_model: with as many pages, as large
};

class EngineCore {
 public:
  // All must outlive the core. Precondition: the executors have their pages.
  EngineCore(Executor& executor, const Tokenizer& tokenizer, CoreOptions options);
  ~EngineCore();

  const RequestLimits& request_limits() const { return request_limits_; }

  void add(Job job);
  // Ends what is left of the request with `reason` (kCancelled, or kError with `error`). Unknown
  // ids are nothing: the request had ended.
  void cancel(uint64_t id);
  void cancel_all();
  bool idle() const { return running_.empty() && waiting_.empty(); }
  // Plans and computes one step and sends its events. Precondition: !idle().
  void step();

  EngineStats stats() const;
  int64_t waiting_requests() const;  // of which nothing runs yet
  int64_t n_sequences() const { return std::ssize(running_) + std::ssize(waiting_); }
  void observe(std::shared_ptr<EngineObserver> observer) { observer_ = std::move(observer); }

  // What is wrong with pages, queues and counters; empty: nothing. For tests.
  std::optional<std::string> check_invariants() const;

 private:
  using SequencePtr = std::unique_ptr<Sequence>;

  SchedulerSequence view(const Sequence& sequence) const;
  void carry_out(const StepPlan& plan);
  // Drafts for those that decode. Returns whether the step does nothing else.
  bool speculate(const StepPlan& plan);
  void build_input(const StepPlan& plan);
  void take_outputs(const StepPlan& plan);
  void learn(Sequence& sequence, int64_t n_known, bool ended);
  // Each returns whether the sequence has ended.
  bool take_output_row(Sequence& sequence, int64_t position, int32_t output_index);
  bool take_token(Sequence& sequence, int32_t output_index);
  void add_hidden_state(Sequence& sequence, int32_t output_index);
  void finish_embedding(Sequence& sequence);
  void end(Sequence& sequence, FinishReason reason, std::optional<Error> error);
  void emit(Sequence& sequence, GenerationEvent event);
  void request_ended(const ActiveRequest& request);

  Executor& executor_;
  const Tokenizer& tokenizer_;
  const CoreOptions options_;
  const RequestLimits request_limits_;
  const SchedulerLimits scheduler_limits_;
  PagePool pool_;
  std::vector<SequencePtr> running_;  // oldest first; all older than
  std::deque<SequencePtr> waiting_;   // these
  std::shared_ptr<EngineObserver> observer_;
  EngineStats counters_;
  StepObservation observation_;
  SamplerScratch scratch_;
  std::optional<Speculator> speculator_;

  // The step under way; kept to reuse their memory.
  std::vector<SchedulerSequence> running_views_, waiting_views_;
  std::vector<TokenId> tokens_;
  std::vector<StepSequence> sequences_;
  std::vector<int32_t> output_rows_;
  std::vector<DraftCandidate> candidates_;
  bool wants_logits_ = false;
};

}  // namespace autoglm
