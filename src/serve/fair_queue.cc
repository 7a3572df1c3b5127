// Threads of the queue of owners.
#include "serve/fair_queue.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace autoglm::serve {

FairQueue::FairQueue(FairQueueLimits limits) : limits_(limits) {
  for (int i = 0; i < limits_.n_threads; ++i) threads_.emplace_back([this] { work(); });
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
    const bool full = found == owners_.end() ? owners_.size() >= limits_.owners
                                             : found->tasks.size() >= limits_.waiting_of_owner;
    if (stopping_ || full) return false;
    if (found == owners_.end()) found = owners_.insert(found, Owner{.name = owner});
    found->tasks.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

FairQueue::Owners::iterator FairQueue::ready() {
  return std::ranges::find_if(owners_, [this](const Owner& o) {
    return o.n_running < limits_.running_of_owner && !o.tasks.empty();
  });
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
    ++owner->n_running;
    owners_.splice(owners_.end(), owners_, owner);  // the others come first next time
    lock.unlock();
    try {
      task();
    } catch (const std::exception& problem) {  // out of memory, mostly
      logger()->error("a tenant's work ended: {}", problem.what());
    }
    task = nullptr;
    lock.lock();
    --owner->n_running;
    if (owner->tasks.empty() && owner->n_running == 0) owners_.erase(owner);
    wake_.notify_all();
  }
}

}  // namespace autoglm::serve
