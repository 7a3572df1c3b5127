#include "serve/request_task.h"

#include <utility>
#include <vector>

namespace autoglm::serve {

void RequestTask::cancel() {
  std::function<void()> function;
  {
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    function = std::exchange(on_cancel_, nullptr);
  }
  if (function) function();
}

void RequestTask::on_cancel(std::function<void()> function) {
  {
    const std::lock_guard lock(mutex_);
    if (!cancelled_) {
      std::swap(on_cancel_, function);
      return;
    }
  }
  if (function) function();
}

void RequestTask::started() const {
  for (observe::RequestObserver* observer : observers_) observer->started(context_);
}
void RequestTask::first_token() const {
  for (observe::RequestObserver* observer : observers_) observer->first_token(context_);
}
void RequestTask::settle(const Usage& usage) {
  if (ticket_ == nullptr) return;
  ticket_->settle({.input_tokens = usage.prompt_tokens,
                   .cached_tokens = usage.cached_tokens,
                   .output_tokens = usage.completion_tokens});
}

void RequestTask::finished(const Usage& usage) {
  if (told_end_.exchange(true)) return;
  settle(usage);
  for (observe::RequestObserver* observer : observers_) observer->finished(context_, usage);
}
void RequestTask::failed(const observe::RequestFailure& failure) {
  if (told_end_.exchange(true)) return;
  settle(failure.usage);
  for (observe::RequestObserver* observer : observers_) observer->failed(context_, failure);
}

std::shared_ptr<RequestTask> RequestTasks::begin(observe::RequestContext context,
                                                 RequestObservers observers,
                                                 std::shared_ptr<guard::QuotaTicket> ticket) {
  std::shared_ptr<RequestTask> task(
      new RequestTask(std::move(context), std::move(observers), std::move(ticket)),
      [state = state_](RequestTask* ended) {
        {
          const std::lock_guard lock(state->mutex);
          state->running.erase(ended);
        }
        delete ended;
      });
  {
    const std::lock_guard lock(state_->mutex);
    state_->running.emplace(task.get(), task);
  }
  task->started();
  return task;
}

void RequestTasks::cancel_all() {
  std::vector<std::shared_ptr<RequestTask>> tasks;
  {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [key, task] : state_->running) {
      if (auto running = task.lock()) tasks.push_back(std::move(running));
    }
  }
  for (const auto& task : tasks) task->cancel();
}

Error not_wanted() {
  return Error{ErrorCode::kCancelled, "the server is shutting down", "", "", ""};
}

}  // namespace autoglm::serve
