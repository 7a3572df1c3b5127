// The items of a parallel region, each node's share apart: weights lie in the memory of the node
// whose threads packed them (parallel_for() hands out the same stretches), so a thread takes the
// items of its own node first, and then helps the others.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "base/thread_pool.h"

namespace autoglm {

class NodeShares {
 public:
  // Items [0, n), each `rounds` times: a share's items in turn, then again.
  NodeShares(const ThreadPool& pool, int64_t n, int64_t rounds)
      : pool_(pool), n_(n), rounds_(rounds) {}

  // Calls visit(item, round) for what this thread gets, until nothing is left anywhere.
  template <class Visit>
  void take(int thread, const Visit& visit) {
    const int n_nodes = pool_.n_nodes();
    for (int other = 0; other < n_nodes; ++other) {
      const int node = (pool_.node_of(thread) + other) % n_nodes;
      const int64_t begin = edge(node);
      const int64_t size = edge(node + 1) - begin;
      std::atomic<int64_t>& next = shares_[static_cast<size_t>(node)].next;
      for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < size * rounds_;
           i = next.fetch_add(1, std::memory_order_relaxed)) {
        visit(begin + i % size, i / size);
      }
    }
  }

 private:
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
  };
  // Where parallel_for() cuts between the nodes' threads.
  int64_t edge(int node) const { return n_ * pool_.first_thread(node) / pool_.size(); }

  const ThreadPool& pool_;
  const int64_t n_;
  const int64_t rounds_;
  std::array<Share, ThreadPool::kMaxNodes> shares_;
};

}  // namespace autoglm
