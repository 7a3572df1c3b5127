// A few threads that do what must not hold up a connection's thread, first come, first served: long
// answers. The queue is bounded: one task too many is refused, not kept. What a
// task throws ends with it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace autoglm::serve {

class WorkQueue {
 public:
  WorkQueue(int n_threads, size_t max_waiting);
  ~WorkQueue();  // drops what is waiting, then joins
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // False when the queue is full.
  bool run(std::function<void()> task);

 private:
  void work();

  const size_t max_waiting_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace autoglm::serve
