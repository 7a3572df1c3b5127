// Three passes: pages for those that decode, places for those that wait, rows for all.
#include "engine/scheduler.h"

#include <algorithm>

#include "base/check.h"
#include "engine/page_pool.h"

namespace autoglm {
namespace {

// Rows of `sequence` when at most `rows` rows and `outputs` output rows are left. Output rows are
// those at `output_from` and after it.
int32_t prefill_rows(const SchedulerSequence& sequence, int64_t rows, int64_t outputs) {
  const int64_t silent = std::max<int64_t>(0, sequence.output_from - sequence.computed);
  return static_cast<int32_t>(
      std::min({sequence.known - sequence.computed, rows, silent + outputs}));
}

int32_t output_rows(const SchedulerSequence& sequence, int64_t rows) {
  const int64_t end = sequence.computed + rows;
  return static_cast<int32_t>(
      std::max<int64_t>(0, end - std::max(sequence.computed, sequence.output_from)));
}

}  // namespace

StepPlan plan_step(const SchedulerLimits& limits, int64_t free_pages,
                   std::span<const SchedulerSequence> running,
                   std::span<const SchedulerSequence> waiting) {
  StepPlan plan;

  // Pages, oldest first; the youngest pay. A sequence that is still in its prefill already holds
  // the pages of all its tokens.
  size_t n_running = running.size();
  for (size_t i = 0; i < n_running; ++i) {
    const SchedulerSequence& sequence = running[i];
    const int64_t wanted = pages_for(sequence.known, limits.page_tokens) - sequence.pages;
    while (free_pages < wanted && n_running > i + 1) free_pages += running[--n_running].pages;
    if (free_pages < wanted) {
      // It is the youngest itself.
      AGLM_CHECK(i > 0, "a sequence of {} tokens does not fit into the pool alone", sequence.known);
      free_pages += running[--n_running].pages;
      break;
    }
    free_pages -= wanted;
    plan.parts.push_back({0, static_cast<int32_t>(wanted)});
  }
  plan.n_preempted = static_cast<int32_t>(running.size() - n_running);

  // Places. One page for each running sequence stays free, or the newcomer would be thrown out
  // again as soon as the others grow. Nobody overtakes the head of the queue.
  std::vector<SchedulerSequence> sequences(running.begin(), running.begin() + n_running);
  if (plan.n_preempted == 0) {
    for (const SchedulerSequence& sequence : waiting) {
      if (std::ssize(sequences) >= limits.max_sequences) break;
      const int64_t wanted = pages_for(sequence.known, limits.page_tokens);
      if (wanted + std::ssize(sequences) > free_pages) break;
      free_pages -= wanted;
      sequences.push_back(sequence);
      plan.parts.push_back({0, static_cast<int32_t>(wanted)});
      ++plan.n_admitted;
    }
  }

  // Rows: first those that want one only, then the prefills, oldest first.
  int64_t rows = limits.max_rows;
  int64_t outputs = limits.max_output_rows;
  for (const bool decoding : {true, false}) {
    for (size_t i = 0; i < sequences.size(); ++i) {
      const SchedulerSequence& sequence = sequences[i];
      if ((sequence.known - sequence.computed == 1) != decoding) continue;
      plan.parts[i].rows = prefill_rows(sequence, rows, outputs);
      rows -= plan.parts[i].rows;
      outputs -= output_rows(sequence, plan.parts[i].rows);
    }
  }
  return plan;
}

}  // namespace autoglm
