#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <new>
#include <numeric>

#include "base/node_shares.h"

namespace autoglm {
namespace {

TEST(ThreadPool, RunsEveryIndexOnceInEveryRegion) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    std::vector<int> calls(static_cast<size_t>(threads), 0);
    for (int region = 0; region < 1000; ++region) {
      pool.run([&](int index) { ++calls[static_cast<size_t>(index)]; });
    }
    for (const int n : calls) EXPECT_EQ(n, 1000);
  }
}

TEST(ThreadPool, PartsCoverTheRangeOnceWithEdgesAtTheGrain) {
  ThreadPool pool(3);
  for (const int64_t n : {0, 1, 15, 16, 17, 100, 1000}) {
    std::vector<int> seen(static_cast<size_t>(n), 0);
    pool.parallel_for(n, 16, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(begin % 16, 0);
      EXPECT_TRUE(end % 16 == 0 || end == n);
      for (int64_t i = begin; i < end; ++i) ++seen[static_cast<size_t>(i)];
    });
    for (const int count : seen) ASSERT_EQ(count, 1);
  }
}

TEST(ThreadPool, WorksAfterItsWorkersHaveParked) {
  ThreadPool pool(2);
  std::vector<int> calls(2, 0);
  for (int i = 0; i < 3; ++i) {
    // Longer than workers spin: they sleep, and must be woken.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    pool.run([&](int index) { ++calls[static_cast<size_t>(index)]; });
  }
  EXPECT_EQ(calls, (std::vector<int>{3, 3}));
}

double processor_seconds() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

TEST(ThreadPool, AnIdleSecondCostsNoProcessorTime) {
  ThreadPool pool(4);
  pool.run([](int) {});
  const double before = processor_seconds();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  // Workers that went on spinning would take a second each.
  EXPECT_LT(processor_seconds() - before, 0.05);
}

TEST(ThreadPool, MoreThreadsThanProcessorsStillMeetSoon) {
  ThreadPool pool(32);
  int64_t calls = 0;
  std::atomic<int64_t> sum{0};
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(200)) {
    pool.run([&](int) { sum.fetch_add(1, std::memory_order_relaxed); });
    ++calls;
  }
  EXPECT_EQ(sum.load(), 32 * calls);
  EXPECT_GT(calls, 10);  // 20 ms each would be threads that spin their time slices away
}

TEST(ThreadPool, WhatOneRegionWroteTheNextOneReads) {
  ThreadPool pool(4);
  std::vector<int64_t> values(4, 0);
  for (int round = 0; round < 5000; ++round) {
    pool.run([&](int i) { values[static_cast<size_t>(i)] = round + i; });
    int64_t sums[4] = {};
    pool.run([&](int i) { sums[i] = std::accumulate(values.begin(), values.end(), int64_t{0}); });
    for (const int64_t sum : sums) ASSERT_EQ(sum, 4 * round + 6);
  }
}

TEST(ThreadPool, ThreadsOfANodeAreNeighbours) {
  const ProcessorsByNode nodes{{0, 1}, {0}, {1, 0, 1}};
  ThreadPool all(0, nodes);
  ASSERT_EQ(all.size(), 6);
  ASSERT_EQ(all.n_nodes(), 3);
  EXPECT_EQ(all.first_thread(1), 2);
  EXPECT_EQ(all.first_thread(2), 3);
  EXPECT_EQ(all.first_thread(3), 6);
  EXPECT_EQ(all.node_of(1), 0);
  EXPECT_EQ(all.node_of(2), 1);
  EXPECT_EQ(all.node_of(5), 2);

  ThreadPool fewer(3, nodes);
  EXPECT_EQ(fewer.n_nodes(), 2);
  EXPECT_EQ(fewer.first_thread(2), 3);

  ThreadPool more(9, nodes);
  EXPECT_EQ(more.n_nodes(), 1);
  EXPECT_EQ(more.node_of(8), 0);
}

TEST(ThreadPool, CountsManyNodesAsSixteen) {
  ThreadPool pool(0, ProcessorsByNode(20, {0}));
  EXPECT_EQ(pool.size(), 20);
  EXPECT_EQ(pool.n_nodes(), ThreadPool::kMaxNodes);
  EXPECT_EQ(pool.first_thread(ThreadPool::kMaxNodes), 20);
  EXPECT_EQ(pool.node_of(19), ThreadPool::kMaxNodes - 1);
}

TEST(NodeShares, GiveEveryItemOnceInEveryRound) {
  ThreadPool pool(0, {{0}, {0, 1}, {1}});
  for (const int64_t n : {0, 1, 3, 4, 17, 100}) {
    std::vector<std::atomic<int>> taken(static_cast<size_t>(3 * n));
    NodeShares shares(pool, n, 3);
    pool.run([&](int index) {
      shares.take(index, [&](int64_t item, int64_t round) {
        taken[static_cast<size_t>(round * n + item)].fetch_add(1);
      });
    });
    for (const std::atomic<int>& times : taken) ASSERT_EQ(times.load(), 1);
  }
}

TEST(NodeShares, GiveAThreadTheItemsThatItsNodePackedBeforeThoseOfOthers) {
  ThreadPool pool(0, {{0}, {1, 0}, {1}});
  constexpr int64_t kItems = 40;
  std::vector<int> packed_by(kItems);
  pool.run([&](int index) {
    for (int64_t i = kItems * index / 4; i < kItems * (index + 1) / 4; ++i) {
      packed_by[static_cast<size_t>(i)] = pool.node_of(index);
    }
  });
  for (int thread = 0; thread < pool.size(); ++thread) {
    NodeShares shares(pool, kItems, 2);
    std::vector<int> nodes;  // in the order that one thread gets them in when it is alone
    shares.take(thread, [&](int64_t item, int64_t) {
      nodes.push_back(packed_by[static_cast<size_t>(item)]);
    });
    ASSERT_EQ(std::ssize(nodes), 2 * kItems);
    const int own = pool.node_of(thread);
    const auto rest = std::ranges::find_if(nodes, [&](int node) { return node != own; });
    EXPECT_EQ(rest - nodes.begin(), std::ranges::count(nodes, own)) << "thread " << thread;
  }
}

TEST(ThreadPool, WhatABodyThrowsIsThrownWhenAllHaveReturned) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    for (int thrower = 0; thrower < threads; ++thrower) {
      std::atomic<int> n_returned = 0;
      const auto body = [&](int index) {
        if (index == thrower) throw std::bad_alloc();
        ++n_returned;
      };
      EXPECT_THROW(pool.run(body), std::bad_alloc);
      EXPECT_EQ(n_returned, threads - 1);
      std::atomic<int> n_calls = 0;
      pool.run([&](int) { ++n_calls; });
      EXPECT_EQ(n_calls, threads);
    }
  }
}

}  // namespace
}  // namespace autoglm
