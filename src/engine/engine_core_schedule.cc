// Who runs in the coming step, and with how many rows.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "engine/engine_core.h"

namespace autoglm {
namespace {

// How long a step should take at most, when nobody has said: so many times as long as it takes
// until a full batch has decoded. Three quarters of a step are then left to prompts, and who reads
// an answer as it comes still gets several words a second.
constexpr double kFullBatches = 4;
constexpr double kLeastSeconds = 0.05;
constexpr double kMostSeconds = 1;
// Where nobody waits for a next token, prompts are computed in larger pieces; a newcomer then waits
// for one of these.
constexpr double kOnlyPrompts = 2;
// Of the very first step, from which the rest is learnt.
constexpr int32_t kFirstRows = 32;
// Offline work leaves half, so that what is urgent need not wait long for its step to end.
constexpr double kOffline = 0.5;

}  // namespace

StepBudget EngineCore::budget() const {
  if (!pace_.known()) {
    return {.rows = kFirstRows, .rows_of_prompts = kFirstRows, .rows_with_offline = kFirstRows};
  }
  double seconds = options_.max_inter_token_seconds;
  if (seconds == 0) {
    seconds = std::clamp(kFullBatches * pace_.seconds(options_.max_batch_size), kLeastSeconds,
                         kMostSeconds);
  }
  return {.rows = pace_.rows_within(seconds),
          .rows_of_prompts = pace_.rows_within(kOnlyPrompts * seconds),
          .rows_with_offline = pace_.rows_within(kOffline * seconds)};
}

double EngineCore::seconds_per_row() const {
  if (!pace_.known()) return 0;
  const double rows = std::min(budget().rows, options_.max_batched_tokens);
  return pace_.seconds(rows) / rows;
}

EngineCore::Queue EngineCore::queue() const {
  Queue queue;
  const ActiveRequest* last = nullptr;
  int32_t n_of_request = 0;
  for (size_t i = 0; i < waiting_.size(); ++i) {
    const Sequence& sequence = *waiting_[i];
    if (std::exchange(last, sequence.request.get()) != sequence.request.get()) n_of_request = 0;
    // More of one request could not run in this step.
    if (n_of_request++ >= options_.max_batch_size) continue;
    queue.sequences.push_back({.priority = sequence.priority(),
                               .tenant = sequence.request->tenant->index,
                               .arrived = sequence.request->job.accepted_at,
                               .cost = sequence.n_known(),
                               .has_run = sequence.answer.has_value()});
    queue.places.push_back(i);
  }
  return queue;
}

std::optional<double> EngineCore::resting_until() const {
  if (!running_.empty() || waiting_.empty()) return std::nullopt;
  const double time = admission_time(options_.window, queue().sequences);
  if (time <= options_.clock()) return std::nullopt;
  return time;
}

void EngineCore::find_candidates(double now) {
  waiting_views_.clear();
  waiting_places_.clear();
  const std::vector<TenantShare> shares = tenants_.shares();
  const Queue queued = queue();
  const bool full = std::ssize(running_) >= options_.max_batch_size;
  for (const int32_t next :
       admission_order(options_.window, now, queued.sequences, shares, options_.max_batch_size)) {
    const size_t place = queued.places[static_cast<size_t>(next)];
    const Sequence& sequence = *waiting_[place];
    SchedulerSequence seen = sequence.view();
    if (full && seen.service_class >= service_class(running_.back()->priority())) break;
    if (pages_.shares()) {
      const PrefixTree::Found found = pages_.find(sequence);
      seen.computed = found.pages * scheduler_limits_.page_tokens;
      seen.pages = found.held;
      if (pages_are_coming(sequence, found.pages)) continue;
    }
    waiting_views_.push_back(seen);
    waiting_places_.push_back(place);
  }
}

// Whether somebody is computing more of this sequence's beginning than can be found yet: to wait
// for it is quicker than to compute it a second time.
bool EngineCore::pages_are_coming(const Sequence& sequence, int64_t found_pages) const {
  const int64_t most = sequence.output_from() / scheduler_limits_.page_tokens;
  const std::vector<TokenId>& prompt = sequence.request->job.request.prompt;
  const auto computes = [&](const Sequence& other) {
    if (service_class(other.priority()) > service_class(sequence.priority()) ||
        other.request->salt != sequence.request->salt) {
      return false;
    }
    if (!other.request->job.rows.plain() || !sequence.request->job.rows.plain()) return false;
    const std::vector<TokenId>& its = other.request->job.request.prompt;
    const auto same = std::mismatch(prompt.begin(), prompt.end(), its.begin(), its.end()).first;
    const int64_t common = std::min((same - prompt.begin()) / scheduler_limits_.page_tokens, most);
    return common > found_pages && other.computed < common * scheduler_limits_.page_tokens;
  };
  return std::any_of(running_.begin(), running_.end(),
                     [&](const auto& s) { return computes(*s); }) ||
         std::any_of(waiting_places_.begin(), waiting_places_.end(),
                     [&](size_t place) { return computes(*waiting_[place]); });
}

void EngineCore::schedule(double now) {
  bool admits = true;
  while (true) {
    waiting_views_.clear();
    waiting_places_.clear();
    if (admits) find_candidates(now);
    running_views_.clear();
    for (const SequencePtr& sequence : running_) running_views_.push_back(sequence->view());
    const StepPlan plan =
        plan_step(scheduler_limits_, budget(), pages_.n_free(), running_views_, waiting_views_);
    if (plan.preempt == StepPlan::Preempt::kNobody) {
      if (running_.empty() && plan.n_admitted == 0 && !waiting_views_.empty()) {
        end_too_long(*waiting_[waiting_places_.front()]);
        continue;
      }
      for (size_t i = 0; i < running_.size(); ++i) running_[i]->rows = plan.rows[i];
      admit(plan.n_admitted, plan);
      break;
    }
    if (plan.preempt == StepPlan::Preempt::kForGood) {
      end_too_long(*running_.front());
      continue;
    }
    preempt_last();
    if (plan.preempt == StepPlan::Preempt::kForPages) admits = false;
  }
}

// request_check.h has let a request in that the whole pool has no room for.
void EngineCore::end_too_long(const Sequence& sequence) {
  end_request(sequence.request->job.id, FinishReason::kError,
              internal_error(fmt::format("a sequence of {} tokens does not fit into the pool of {} "
                                         "pages alone",
                                         sequence.n_known(), pages_.n_pages())));
}

void EngineCore::preempt_last() {
  SequencePtr sequence = std::move(running_.back());
  running_.pop_back();
  pages_.release(*sequence);
  sequence->computed = 0;
  sequence->drafts.forget_text();
  ++sequence->request->observation.preemptions;
  ++counters_.preemptions;
  ++observation_.preemptions;
  const auto age = [](const SequencePtr& s) { return std::pair(s->request->job.id, s->choice); };
  const auto place =
      std::lower_bound(waiting_.begin(), waiting_.end(), sequence,
                       [&](const SequencePtr& a, const SequencePtr& b) { return age(a) < age(b); });
  waiting_.insert(place, std::move(sequence));
}

void EngineCore::admit(int32_t n, const StepPlan& plan) {
  const size_t n_running = running_.size();
  std::map<uint64_t, Error> faults;
  for (size_t i = 0; i < static_cast<size_t>(n); ++i) {
    SequencePtr& waiting = waiting_[waiting_places_[i]];
    Sequence& sequence = *waiting;
    sequence.rows = plan.rows[n_running + i];
    pages_.acquire(sequence);
    if (!sequence.answer) {
      ActiveRequest& request = *sequence.request;
      if (auto started = sequence.start(tokenizer_, options_.end); !started) {
        faults.emplace(request.job.id, std::move(started).error());
      }
      if (request.started++ == 0) request.started_at = options_.clock();
      if (sequence.choice == 0) request.usage.cached_tokens = sequence.computed;
      counters_.prefix_cache_queries += pages_.shares() ? sequence.n_prompt() : 0;
      counters_.prefix_cache_hits += sequence.computed;
    }
    running_.push_back(std::move(waiting));
  }
  std::erase(waiting_, nullptr);
  std::sort(running_.begin(), running_.end(),
            [](const SequencePtr& a, const SequencePtr& b) { return a->rank() < b->rank(); });
  for (const auto& [id, fault] : faults) end_request(id, FinishReason::kError, fault);
  for (const SequencePtr& sequence : running_) pages_.grow(*sequence, sequence->n_known());
}

}  // namespace autoglm
