// Work that one owner's must not hold up another's: compiling grammars, embeddings. A few threads;
// each owner has at most one of them at a time, and owners take turns. Bounded for each owner: one
// task too many is refused, not kept.
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

class FairQueue {
 public:
  FairQueue(int n_threads, size_t max_waiting_of_owner, size_t max_owners);
  ~FairQueue();  // runs what is waiting, then joins
  FairQueue(const FairQueue&) = delete;
  FairQueue& operator=(const FairQueue&) = delete;

  // False when the owner's queue is full, or there are too many owners.
  bool run(const std::string& owner, std::function<void()> task);

 private:
  struct Owner {
    std::string name;
    std::deque<std::function<void()>> tasks;
    bool busy = false;  // one of its tasks runs
  };
  using Owners = std::list<Owner>;  // that have tasks, or one that runs; whose turn is next first

  void work();
  Owners::iterator ready();  // with the mutex held

  const size_t max_waiting_, max_owners_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Owners owners_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace autoglm::serve
