// plan_step() in three passes: pages for those that run, places for those that wait, rows for all.
#include "engine/scheduler.h"

#include <algorithm>
#include <tuple>

#include "engine/page_pool.h"

namespace autoglm {
namespace {

// A prompt moves by so many rows however long the step already is: it must end some time.
constexpr int64_t kLeastPromptRows = 8;

bool offline(const SchedulerSequence& s) { return s.service_class == ServiceClass::kOffline; }
bool one_row(const SchedulerSequence& s) { return s.known - s.computed == 1; }

int64_t missing_pages(const SchedulerSequence& s, const SchedulerLimits& limits) {
  return std::max<int64_t>(0, pages_for(s.known, limits.page_tokens) - s.pages);
}

// Deals rows out. Output rows are those at `output_from` and after it.
struct Rows {
  int64_t rows, outputs;
  int64_t taken = 0;

  int32_t take(const SchedulerSequence& s, int64_t most) {
    const int64_t silent = std::max<int64_t>(0, s.output_from - s.computed);
    const int64_t n =
        std::max<int64_t>(0, std::min({s.known - s.computed, rows, most, silent + outputs}));
    rows -= n;
    taken += n;
    outputs -= std::max<int64_t>(0, s.computed + n - std::max(s.computed, s.output_from));
    return static_cast<int32_t>(n);
  }
};

// Whether preempting those that are less urgent than `wanting` would give it what it lacks. Pages
// that victims share are counted for each: then one too many may go, and soon comes back.
bool preemption_helps(const SchedulerSequence& wanting, int64_t lacking_pages, bool lacks_place,
                      std::span<const SchedulerSequence> running) {
  int64_t pages = 0;
  bool place = false;
  for (const SchedulerSequence& s : running) {
    if (s.service_class <= wanting.service_class) continue;
    pages += s.pages + 1;  // and the page kept free for it
    place = true;
  }
  return pages >= lacking_pages && (place || !lacks_place);
}

}  // namespace

StepPlan plan_step(const SchedulerLimits& limits, const StepBudget& budget, int64_t free_pages,
                   std::span<const SchedulerSequence> running,
                   std::span<const SchedulerSequence> waiting) {
  StepPlan plan;

  // Pages. A sequence that is still in its prompt already holds the pages of all its tokens.
  for (const SchedulerSequence& s : running) free_pages -= missing_pages(s, limits);
  if (free_pages < 0) {
    plan.preempt = running.size() > 1 ? StepPlan::Preempt::kForPages : StepPlan::Preempt::kForGood;
    return plan;
  }

  // Places. One page for each running sequence stays free, or the newcomer would be thrown out
  // again as soon as the others grow. Nobody overtakes the first of the queue.
  std::vector<SchedulerSequence> sequences(running.begin(), running.end());
  for (const SchedulerSequence& s : waiting) {
    const bool full = std::ssize(sequences) >= limits.max_sequences;
    const int64_t lacking = missing_pages(s, limits) + std::ssize(sequences) - free_pages;
    if (full || lacking > 0) {
      if (preemption_helps(s, lacking, full, running)) {
        return {.preempt = StepPlan::Preempt::kForUrgent, .n_admitted = 0, .rows = {}};
      }
      break;
    }
    free_pages -= missing_pages(s, limits);
    sequences.push_back(s);
    ++plan.n_admitted;
  }

  // Rows: first those that wait for a next token, then the prompts, by rank; then offline work,
  // where no prompt of others is left.
  plan.rows.assign(sequences.size(), 0);
  Rows rows{.rows = limits.max_rows, .outputs = limits.max_output_rows};
  const auto deal = [&](bool of_offline, bool decoding, auto most) {
    for (size_t i = 0; i < sequences.size(); ++i) {
      const SchedulerSequence& s = sequences[i];
      if (offline(s) == of_offline && one_row(s) == decoding) plan.rows[i] = rows.take(s, most());
    }
  };
  const bool only_offline = std::all_of(sequences.begin(), sequences.end(), offline);
  deal(false, true, [] { return int64_t{1}; });
  const int64_t decoding = rows.taken;
  const int64_t prompts_end = decoding > 0
                                  ? std::max<int64_t>(budget.rows, decoding + kLeastPromptRows)
                                  : budget.rows_of_prompts;
  deal(false, false, [&] { return prompts_end - rows.taken; });
  if (rows.taken > decoding) return plan;
  const int64_t end = only_offline ? INT32_MAX : budget.rows_with_offline;
  deal(true, true, [&] { return std::min<int64_t>(1, end - rows.taken); });
  const int64_t offline_end =
      only_offline ? std::max<int64_t>(budget.rows_with_offline, rows.taken + kLeastPromptRows)
                   : budget.rows_with_offline;
  deal(true, false, [&] { return offline_end - rows.taken; });
  return plan;
}

}  // namespace autoglm
