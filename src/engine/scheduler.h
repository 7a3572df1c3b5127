// What the next step computes: pure functions of the queue and the pool. They own nothing and
// remember nothing; the engine core carries the plan out (docs/scheduling.md, decision 0100).
//
// Three classes: interactive work goes first, batched work gathers for a moment, offline work takes
// what is left. Among running sequences there is one order, the rank: class, priority, age. While a
// sequence decodes it takes a page at a time, and when none is left the last in rank gives its
// pages up and waits again. The first in rank is never the victim unless it is alone, and alone
// everything accepted fits: so everything accepted ends.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace autoglm {

enum class ServiceClass : uint8_t { kInteractive, kBatched, kOffline };

// As vLLM: lower is more urgent. To 0: interactive; 1: batched; from 2 on: offline.
constexpr ServiceClass service_class(int32_t priority) {
  return priority <= 0   ? ServiceClass::kInteractive
         : priority == 1 ? ServiceClass::kBatched
                         : ServiceClass::kOffline;
}

// ---- Who is next ----

struct QueuedSequence {
  int32_t priority = 0;
  int32_t tenant = 0;    // an index into the tenants
  double arrived = 0;    // seconds
  int64_t cost = 0;      // tokens that it has to compute to begin
  bool has_run = false;  // and was preempted
};

// Tenants share by weight: each pays for what is computed for it, divided by its weight, and who
// has paid least is next.
struct TenantShare {
  double paid = 0;
  double weight = 1;
};

// Batched work starts when so much of it has gathered, or waited so long.
struct BatchWindow {
  int32_t size = 8;
  double seconds = 0.05;
};

// The first `most` of `queue` (oldest first) that may run now, in the order in which they should:
// by class, then by the tenants' shares, within a tenant by priority and age.
std::vector<int32_t> admission_order(const BatchWindow& window, double now,
                                     std::span<const QueuedSequence> queue,
                                     std::span<const TenantShare> tenants, int32_t most);

// When admission_order() will say something; nothing: it never will. Precondition: the queue is not
// empty.
double admission_time(const BatchWindow& window, std::span<const QueuedSequence> queue);

// ---- What is computed ----

struct SchedulerLimits {
  int32_t max_sequences = 1;    // running together
  int32_t max_rows = 1;         // of one step; at least max_sequences
  int32_t max_output_rows = 1;  // of one step; at least max_sequences
  int32_t page_tokens = 1;
};

// Rows that keep a step as short as it should be (step_pace.h).
struct StepBudget {
  int32_t rows = INT32_MAX;               // where somebody waits for a next token
  int32_t rows_of_prompts = INT32_MAX;    // where nobody does
  int32_t rows_with_offline = INT32_MAX;  // up to which offline work may fill
};

struct SchedulerSequence {
  int64_t known = 0;        // tokens of prompt and answer so far
  int64_t computed = 0;     // of these, in the KV pool, or to be found there; less than `known`
  int64_t output_from = 0;  // the first position whose output row is wanted; at most known - 1
  int64_t pages = 0;        // running: held. Waiting: held by others, and to be shared
  ServiceClass service_class = ServiceClass::kInteractive;
};

struct StepPlan {
  // Before anything else the last of `running` gives up its pages and waits again; the rest of the
  // plan is then empty, and a new one is wanted.
  enum class Preempt : uint8_t {
    kNobody,
    kForPages,   // those before it need them; nobody is admitted in this step
    kForUrgent,  // one that waits is more urgent
    kForGood,    // it runs alone, and still the pool is too small for it: it must end
  };
  Preempt preempt = Preempt::kNobody;
  int32_t n_admitted = 0;  // the first so many of `waiting` run
  // Tokens computed of each sequence that runs after that: of `running`, then of those admitted. A
  // sequence whose tokens end up known all has pages for all of them.
  std::vector<int32_t> rows;
};

// `running` by rank, `waiting` in admission order. `free_pages`: also those that only the prefix
// tree holds.
StepPlan plan_step(const SchedulerLimits& limits, const StepBudget& budget, int64_t free_pages,
                   std::span<const SchedulerSequence> running,
                   std::span<const SchedulerSequence> waiting);

}  // namespace autoglm
