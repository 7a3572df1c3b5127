// Work that one owner's must not hold up another's: templates and tokenizing, compiling grammars,
// embeddings. A few threads; each owner has at most some of them at a time, and owners take turns.
// Bounded for each owner: one task too many is refused, not kept. What a task throws ends with it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace autoglm::serve {

struct FairQueueLimits {
  int n_threads = 1;
  int running_of_owner = 1;  // fewer than n_threads, or an owner's work holds up all others'
  size_t waiting_of_owner = 64;
  size_t owners = 1024;
};

class FairQueue {
 public:
  explicit FairQueue(FairQueueLimits limits);
  ~FairQueue();  // runs what is waiting, then joins
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // False when the owner's queue is full, or there are too many owners.
  bool run(const std::string& owner, std::function<void()> task);

 private:
  struct Owner {
    std::string name;
    std::deque<std::function<void()>> tasks;
    int n_running = 0;
  };
  using Owners = std::list<Owner>;  // that have tasks, waiting or running; whose turn is next first

  void work();
  Owners::iterator ready();  // with the mutex held

  const FairQueueLimits limits_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Owners owners_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace autoglm::serve
