// Threads of the bounded work queue.
#include "serve/work_queue.h"

#include <exception>
#include <utility>

#include "base/log.h"
#include "base/thread_pool.h"

namespace autoglm::serve {

WorkQueue::WorkQueue(int n_threads, size_t max_waiting) : max_waiting_(max_waiting) {
  for (int i = 0; i < n_threads; ++i) threads_.emplace_back([this] { work(); });
}

WorkQueue::~WorkQueue() {
  std::deque<std::function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    dropped.swap(tasks_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool WorkQueue::run(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_ || tasks_.size() >= max_waiting_) return false;
    tasks_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void WorkQueue::work() {
  name_thread("requests");
  for (;;) {
    std::function<void()> task;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    try {
      task();
    } catch (const std::exception& problem) {  // out of memory, mostly
      logger()->error("a request's work ended: {}", problem.what());
    }
  }
}

}  // namespace autoglm::serve
