// What the next step computes: a pure function of the queue and the pool. It owns nothing and
// remembers nothing; the engine core carries the plan out.
//
// Order (docs/decisions/0010-preempt-by-recompute.md): first in, first out. Running sequences are
// older than waiting ones, always. A sequence is admitted when pages for all tokens it knows are
// free; while it decodes it takes a page at a time, and when none is left the youngest running
// sequence gives its pages up and goes back to the head of the queue, to be computed again. The
// oldest is never the victim unless it is alone, and alone everything accepted fits: so everything
// accepted ends.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace autoglm {

struct SchedulerLimits {
  int32_t max_sequences = 1;    // running together
  int32_t max_rows = 1;         // of one step; at least max_sequences
  int32_t max_output_rows = 1;  // of one step; at least max_sequences
  int32_t page_tokens = 1;
};

struct SchedulerSequence {
  int64_t known = 0;        // tokens of prompt and answer so far
  int64_t computed = 0;     // of these, in the KV pool; less than `known`
  int64_t output_from = 0;  // the first position whose output row is wanted; at most known - 1
  int64_t pages = 0;        // held
};

struct StepPlan {
  int32_t n_preempted = 0;  // the last so many of `running` give their pages back and wait again
  int32_t n_admitted = 0;   // the first so many of `waiting` run
  // One entry for each sequence that runs after that, oldest first.
  struct Part {
    int32_t rows = 0;       // tokens of it computed in this step; may be 0
    int32_t new_pages = 0;  // taken before the step
  };
  std::vector<Part> parts;
};

// `running` and `waiting` oldest first. Precondition: each sequence fits into the pool when it is
// alone, up to the last token it may get.
StepPlan plan_step(const SchedulerLimits& limits, int64_t free_pages,
                   std::span<const SchedulerSequence> running,
                   std::span<const SchedulerSequence> waiting);

}  // namespace autoglm
