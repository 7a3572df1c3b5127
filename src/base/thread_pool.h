// A persistent pool for parallel regions: the caller and n-1 pinned workers run one function each,
// then meet. Workers spin shortly between regions (a decode step has a hundred of them), then park;
// with more threads than processors nobody spins, since that would hold up who is waited for.
// One region at a time; regions do not nest.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "base/processors.h"

namespace autoglm {

// The calling thread's name in top, ps and debuggers; 15 letters at most.
void name_thread(const char* name);

class ThreadPool {
 public:
  static constexpr int kMaxNodes = 16;  // what is beyond counts as the last of them

  // 0 threads: one for each processor. Fewer than processors are kept on as few nodes as they fit.
  explicit ThreadPool(int n_threads, const ProcessorsByNode& processors = usable_processors());
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return n_threads_; }

  // Threads of a node are neighbours: [first_thread(node), first_thread(node + 1)). More threads
  // than processors float, and count as one node.
  int n_nodes() const { return static_cast<int>(first_threads_.size()) - 1; }
  int first_thread(int node) const { return first_threads_[static_cast<size_t>(node)]; }
  int node_of(int index) const {
    int node = 0;
    while (first_thread(node + 1) <= index) ++node;
    return node;
  }

  // Calls body(thread_index) once for every index in [0, size()), and returns when all have
  // returned. What a body throws is thrown again here, then: one of them, where there are several.
  template <class Body>
  void run(Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    region([](void* self, int index) { (*static_cast<Plain*>(self))(index); },
           const_cast<void*>(static_cast<const void*>(&body)));
  }

  // Splits [0, n) into contiguous parts, one a thread, with edges at multiples of `grain`:
  // body(begin, end), not called for empty parts. Which thread does what never changes a result.
  template <class Body>
  void parallel_for(int64_t n, int64_t grain, Body&& body) {
    const int64_t blocks = (n + grain - 1) / grain;
    if (blocks <= 1 || n_threads_ == 1) {
      if (n > 0) body(int64_t{0}, n);
      return;
    }
    run([&](int index) {
      const int64_t begin = blocks * index / n_threads_ * grain;
      const int64_t end = blocks * (index + 1) / n_threads_ * grain;
      if (begin < end) body(begin, end < n ? end : n);
    });
  }

 private:
  using Function = void (*)(void*, int);
  void region(Function function, void* argument);
  void work(int index);
  bool wait_for_region(uint64_t seen);

  const int n_threads_;
  std::vector<int> first_threads_;  // of each node, and the end
  int spins_ = 0;                   // looks at a word before a wait gives the processor up
  Function function_ = nullptr;
  void* argument_ = nullptr;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> unfinished_{0};
  std::exception_ptr thrown_;  // by a worker in this region; with mutex_
  std::atomic<bool> has_thrown_{false};
  std::atomic<bool> stopping_{false};
  std::atomic<int> parked_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> workers_;
};

}  // namespace autoglm
