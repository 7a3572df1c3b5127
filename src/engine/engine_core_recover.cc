// What is left to do when memory ran out in the middle of a step, or something else was thrown:
// pages and counters may be half changed, so all requests end and the pool begins anew.
#include <exception>
#include <utility>
#include <vector>

#include "base/log.h"
#include "engine/engine_core.h"

namespace autoglm {

void EngineCore::recover(const Error& error) {
  tell_events();  // of answers that had ended
  std::vector<SequencePtr> left;
  left.reserve(running_.size() + waiting_.size());
  for (SequencePtr& sequence : running_) {
    if (sequence != nullptr && !sequence->ended) left.push_back(std::move(sequence));
  }
  for (SequencePtr& sequence : waiting_) {
    if (sequence != nullptr && !sequence->ended) left.push_back(std::move(sequence));
  }
  running_.clear();
  waiting_.clear();
  tenants_.clear();
  // Of a request that was being added, some sequences may be missing.
  for (const SequencePtr& sequence : left) sequence->request->unfinished = 0;
  for (const SequencePtr& sequence : left) ++sequence->request->unfinished;
  for (const SequencePtr& sequence : left) {
    ActiveRequest& request = *sequence->request;
    request.tenant = nullptr;
    const bool last = --request.unfinished == 0;
    try {
      if (sequence->embeds()) {
        request.job.on_embedding(error);
      } else {
        request.job.on_event({.choice = sequence->choice,
                              .finish_reason = FinishReason::kError,
                              .last = last,
                              .usage = request.usage,
                              .error = error});
      }
    } catch (const std::exception& problem) {
      logger()->error("an event was not taken: {}", problem.what());
    }
  }
  pages_.reset();
}

}  // namespace autoglm
