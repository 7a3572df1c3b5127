// The engine without its thread: requests in, steps on demand, events out. Single-threaded and
// deterministic, so that tests can drive it step by step (engine.h puts a thread around it).
// What is planned stands in engine_core_schedule.cc, what comes and goes in
// engine_core_requests.cc, what a step gives in engine_core_outputs.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/model.h"
#include "devices/executor.h"
#include "engine/answer.h"
#include "engine/engine_load.h"
#include "engine/request_check.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/sequence_pages.h"
#include "engine/speculation/speculator.h"
#include "engine/step_batch.h"
#include "engine/step_pace.h"
#include "engine/tenants.h"
#include "engine/untold_events.h"
#include "engine/waiting_requests.h"

namespace autoglm {

struct CoreOptions {
  int32_t n_pages = 1;             // what the executor has reserved
  int64_t max_model_len = 1;       // at most what the pool holds
  int32_t max_batch_size = 1;      // at most max_batched_tokens and the executor's output rows
  int32_t max_batched_tokens = 1;  // at most the executor's rows
  EndOfSequence end;
  std::function<double()> clock;       // seconds, from any beginning
  double max_inter_token_seconds = 0;  // that a step should take at most; 0: as measurements say
  BatchWindow window;
  std::map<std::string, double> tenant_weights;  // 1 where it names none
  bool prefix_caching = true;
  KvSpill* spill = nullptr;  // where the prefix tree's pages go; must outlive the core
  SpeculationOptions speculation;
  // Where given: true while an interactive request waits outside, for which a step that computes
  // none may be given up. From any thread.
  const std::atomic<bool>* urgent = nullptr;
  Executor* draft = nullptr;  // for method draft_model: with as many pages, as large
  // Called when all that a step did is counted and none of its events is told yet: whoever gets an
  // event finds it in the numbers.
  std::function<void()> before_events = [] {};
};

class EngineCore {
 public:
  // All must outlive the core. Precondition: the executors have their pages.
  EngineCore(Executor& executor, const Tokenizer& tokenizer, CoreOptions options);
  ~EngineCore();

  const RequestLimits& request_limits() const { return request_limits_; }

  // Takes the job when all that could throw is done.
  void add(Job&& job);
  // Ends what is left of the request with `reason` (kCancelled, or kError with `error`). Unknown
  // ids are nothing: the request had ended.
  void cancel(uint64_t id);
  void cancel_all();
  bool idle() const { return running_.empty() && waiting_.empty(); }
  // Plans and computes one step, then tells its events. Precondition: !idle().
  void step();
  // Steps before that time would do nothing: all that there is gathers in a batch window.
  std::optional<double> resting_until() const;
  // Writes the prefix tree's pages to the spill, where there is one.
  void save() { pages_.save(); }
  // After add(), cancel(), cancel_all() or step() has thrown: ends all there is with `error`, as
  // far as it has not ended, and begins anew, with no cached pages. May throw too; call it again
  // then.
  void recover(const Error& error);

  EngineStats stats() const;
  EngineLoad load() const;
  WaitingRequests waiting_requests() const;  // of which nothing runs yet
  void observe(std::shared_ptr<EngineObserver> observer) { observer_ = std::move(observer); }

  // What is wrong with pages, queues and counters; empty: nothing. For tests.
  std::optional<std::string> check_invariants() const;

 private:
  using SequencePtr = std::unique_ptr<Sequence>;

  // Of engine_core_schedule.cc: what runs in the coming step, and with how many rows.
  void schedule(double now);
  struct Queue {
    std::vector<QueuedSequence> sequences;
    std::vector<size_t> places;  // in waiting_
  };
  Queue queue() const;
  void find_candidates(double now);
  bool pages_are_coming(const Sequence& sequence, int64_t found_pages) const;
  void admit(int32_t n, const StepPlan& plan);
  void preempt_last();
  void end_too_long(const Sequence& sequence);
  StepBudget budget() const;
  double seconds_per_row() const;  // in a full step; 0: not known

  void compute_step();
  // Drafts for those that decode. Returns whether the step does nothing else.
  bool speculate();
  // Requests whose drafting met a fault of ours.
  void end_faulty();
  bool may_give_up() const;
  void take_outputs();
  void learn(Sequence& sequence, int64_t n_known, bool ended);
  // Each returns whether the sequence has ended.
  bool take_output_row(Sequence& sequence, int64_t position, int32_t output_index);
  bool take_token(Sequence& sequence, int32_t output_index);
  // After a token of a constrained answer: takes those that the grammar leaves no choice about, if
  // `may_jump`, and ends the answer where nothing can follow (engine_core_constraint.cc).
  Result<void> follow_constraint(Sequence& sequence, GenerationEvent& event, bool may_jump);
  void add_hidden_state(Sequence& sequence, int32_t output_index);
  void finish_embedding(Sequence& sequence);
  void end(Sequence& sequence, FinishReason reason, std::optional<Error> error);
  void end_request(uint64_t id, FinishReason reason, const std::optional<Error>& error);
  void end_overdue(double now);
  void emit(Sequence& sequence, GenerationEvent event);
  void tell_events();
  void sequence_ended(Sequence& sequence);
  void request_ended(const ActiveRequest& request);

  Executor& executor_;
  const Tokenizer& tokenizer_;
  const CoreOptions options_;
  const RequestLimits request_limits_;
  const SchedulerLimits scheduler_limits_;
  SequencePages pages_;
  Tenants tenants_;
  std::vector<SequencePtr> running_;  // by rank
  std::deque<SequencePtr> waiting_;   // by age
  UntoldEvents events_;
  std::shared_ptr<EngineObserver> observer_;
  EngineStats counters_;
  StepObservation observation_;
  SamplerScratch scratch_;
  std::optional<Speculator> speculator_;
  StepPace pace_;
  bool gave_up_ = false;  // the last step
  double recent_step_seconds_ = 0;
  double mean_answer_tokens_ = 0;

  // The step under way; kept to reuse their memory.
  std::vector<SchedulerSequence> running_views_, waiting_views_;
  std::vector<size_t> waiting_places_;  // in waiting_, of waiting_views_
  std::vector<DraftCandidate> candidates_;
  StepBatch batch_;
};

}  // namespace autoglm
