// What is done for one request, on whatever thread: wanted until its client leaves or the server
// stops. Work is bound to this, not to the connection, which may be gone long before.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "autoglm/result.h"

namespace autoglm::serve {

class RequestTask {
 public:
  // From any thread.
  bool wanted() const { return !cancelled_; }
  void cancel();
  // Called once when the task is cancelled; at once where it already is. Replaces an earlier one.
  void on_cancel(std::function<void()> function);

 private:
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;
  std::function<void()> on_cancel_;
};

// What a task that is not wanted any more ends with.
Error not_wanted();

// All tasks of a service.
class RequestTasks {
 public:
  std::shared_ptr<RequestTask> begin();
  void cancel_all();

 private:
  struct State {
    std::mutex mutex;
    std::unordered_map<RequestTask*, std::weak_ptr<RequestTask>> running;
  };
  // Tasks may outlive the service.
  const std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace autoglm::serve
