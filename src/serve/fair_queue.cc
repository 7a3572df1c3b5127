// Threads of the queue of owners.
#include "serve/fair_queue.h"

#include <algorithm>
#include <utility>

#include "base/thread_pool.h"

namespace autoglm::serve {

FairQueue::FairQueue(int n_threads, size_t max_waiting_of_owner, size_t max_owners)
    : max_waiting_(max_waiting_of_owner), max_owners_(max_owners) {
  for (int i = 0; i < n_threads; ++i) threads_.emplace_back([this] { work(); });
}

FairQueue::~FairQueue() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool FairQueue::run(const std::string& owner, std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    auto found = std::ranges::find(owners_, owner, &Owner::name);
    const bool full = found == owners_.end() ? owners_.size() >= max_owners_
                                             : found->tasks.size() >= max_waiting_;
    if (stopping_ || full) return false;
    if (found == owners_.end()) found = owners_.insert(found, Owner{.name = owner});
    found->tasks.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

FairQueue::Owners::iterator FairQueue::ready() {
  return std::ranges::find_if(owners_, [](const Owner& o) { return !o.busy && !o.tasks.empty(); });
}

void FairQueue::work() {
  name_thread("tenants");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return ready() != owners_.end() || (stopping_ && owners_.empty()); });
    const auto owner = ready();
    if (owner == owners_.end()) return;
    std::function<void()> task = std::move(owner->tasks.front());
    owner->tasks.pop_front();
    owner->busy = true;
    owners_.splice(owners_.end(), owners_, owner);  // the others come first next time
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
    owner->busy = false;
    if (owner->tasks.empty()) owners_.erase(owner);
    wake_.notify_all();
  }
}

}  // namespace autoglm::serve
