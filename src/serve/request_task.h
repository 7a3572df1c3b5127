// What is done for one request, on whatever thread: whose it is, whether it is still wanted (until
// its client leaves or the server stops), and who is told what becomes of it. Work is bound to
// this, not to the connection, which may be gone long before.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "autoglm/result.h"
#include "guard/quotas.h"
#include "observe/request_observer.h"

namespace autoglm::serve {

using RequestObservers = std::vector<observe::RequestObserver*>;

class RequestTask {
 public:
  // The observers live as long as anybody tells them of the task.
  explicit RequestTask(observe::RequestContext context = {}, RequestObservers observers = {},
                       std::shared_ptr<guard::QuotaTicket> ticket = nullptr)
      : context_(std::move(context)),
        observers_(std::move(observers)),
        ticket_(std::move(ticket)) {}

  const observe::RequestContext& context() const { return context_; }
  // What it may use, settled at its end; nullptr: nobody counts.
  guard::QuotaTicket* ticket() const { return ticket_.get(); }

  // From any thread.
  bool wanted() const { return !cancelled_; }
  void cancel();
  // Called once when the task is cancelled; at once where it already is. Replaces an earlier one.
  void on_cancel(std::function<void()> function);

  // What has become of it, told to the observers; of its end only the first.
  void started() const;
  void first_token() const;
  void finished(const Usage& usage);
  void failed(const observe::RequestFailure& failure);

 private:
  void settle(const Usage& usage);

  const observe::RequestContext context_;
  const RequestObservers observers_;
  const std::shared_ptr<guard::QuotaTicket> ticket_;
  std::atomic<bool> cancelled_ = false;
  std::atomic<bool> told_end_ = false;
  std::mutex mutex_;
  std::function<void()> on_cancel_;
};

// What a task that is not wanted any more ends with.
Error not_wanted();

// All tasks of a service.
class RequestTasks {
 public:
  std::shared_ptr<RequestTask> begin(observe::RequestContext context, RequestObservers observers,
                                     std::shared_ptr<guard::QuotaTicket> ticket = nullptr);
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
