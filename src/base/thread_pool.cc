#include "base/thread_pool.h"

#include <immintrin.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

namespace autoglm {
namespace {

// About 50 microseconds of spinning: longer than the gap between two regions of a step, shorter
// than anything a person or a power meter would notice.
constexpr int kSpins = 2000;

int count(const ProcessorsByNode& processors) {
  size_t n = 0;
  for (const std::vector<int>& node : processors) n += node.size();
  return static_cast<int>(n);
}

}  // namespace

void name_thread(const char* name) { ::pthread_setname_np(::pthread_self(), name); }

ThreadPool::ThreadPool(int n_threads, const ProcessorsByNode& processors)
    : n_threads_(n_threads > 0 ? n_threads : count(processors)) {
  const bool crowded = n_threads_ > count(processors);
  spins_ = crowded ? 0 : kSpins;
  std::vector<int> places;  // processors, node by node
  first_threads_.push_back(0);
  for (const std::vector<int>& node : processors) {
    places.insert(places.end(), node.begin(), node.end());
    const int end = std::min(static_cast<int>(places.size()), n_threads_);
    if (crowded || end == first_threads_.back()) continue;
    if (n_nodes() == kMaxNodes) first_threads_.pop_back();
    first_threads_.push_back(end);
  }
  if (crowded) first_threads_.push_back(n_threads_);
  for (int i = 1; i < n_threads_; ++i) {
    workers_.emplace_back([this, i] { work(i); });
    if (crowded) continue;  // they float
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(places[static_cast<size_t>(i)], &set);
    ::pthread_setaffinity_np(workers_.back().native_handle(), sizeof set, &set);
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    generation_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::region(Function function, void* argument) {
  if (n_threads_ == 1) {
    function(argument, 0);
    return;
  }
  function_ = function;
  argument_ = argument;
  unfinished_.store(n_threads_ - 1, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_seq_cst);
  if (parked_.load(std::memory_order_seq_cst) > 0) {
    const std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  std::exception_ptr thrown;
  try {
    function(argument, 0);
  } catch (...) {  // the workers still use what the argument points to
    thrown = std::current_exception();
  }
  for (int spins = 0; unfinished_.load(std::memory_order_acquire) > 0; ++spins) {
    if (spins < spins_) {
      _mm_pause();
    } else {
      std::this_thread::yield();
    }
  }
  if (has_thrown_.exchange(false)) {
    const std::lock_guard lock(mutex_);
    thrown = std::exchange(thrown_, nullptr);
  }
  if (thrown) std::rethrow_exception(thrown);
}

// Returns false when the pool stops.
bool ThreadPool::wait_for_region(uint64_t seen) {
  for (int spins = 0; spins < spins_; ++spins) {
    if (generation_.load(std::memory_order_acquire) != seen) return !stopping_;
    _mm_pause();
  }
  std::unique_lock lock(mutex_);
  parked_.fetch_add(1, std::memory_order_seq_cst);
  wake_.wait(lock, [&] { return generation_.load(std::memory_order_seq_cst) != seen; });
  parked_.fetch_sub(1, std::memory_order_seq_cst);
  return !stopping_;
}

void ThreadPool::work(int index) {
  name_thread("worker");
  uint64_t seen = 0;
  while (wait_for_region(seen)) {
    ++seen;
    try {
      function_(argument_, index);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      thrown_ = std::current_exception();
      has_thrown_ = true;
    }
    unfinished_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace autoglm
