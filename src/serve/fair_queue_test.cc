// The queue of owners: who waits for whom.
#include "serve/fair_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <new>

namespace autoglm::serve {
namespace {

TEST(FairQueue, OneOwnersTasksHoldNoOtherUp) {
  FairQueue queue({.n_threads = 2});
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::promise<void> other_ran;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(queue.run("busy", [released] { released.wait(); }));
  ASSERT_TRUE(queue.run("other", [&] { other_ran.set_value(); }));
  other_ran.get_future().wait();  // although none of the first owner's has ended
  release.set_value();
}

TEST(FairQueue, AnOwnersTasksRunOneAfterTheOtherInOrder) {
  std::vector<int> order;
  {
    FairQueue queue({.n_threads = 4});
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(queue.run("a", [&order, i] { order.push_back(i); }));
    }
  }  // runs what is waiting
  ASSERT_EQ(order.size(), 60U);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(FairQueue, AnOwnerHasSomeThreadsAndNeverAll) {
  std::promise<void> release;
  const std::shared_future<void> released = release.get_future().share();
  std::promise<void> first_ran, second_ran, other_ran;
  std::atomic<int> n_begun = 0;
  FairQueue queue({.n_threads = 3, .running_of_owner = 2});  // ends first: its tasks use the rest
  for (int i = 0; i < 9; ++i) {
    ASSERT_TRUE(queue.run("busy", [&, i] {
      ++n_begun;
      if (i == 0) first_ran.set_value();
      if (i == 1) second_ran.set_value();
      released.wait();
    }));
  }
  first_ran.get_future().wait();
  second_ran.get_future().wait();
  ASSERT_TRUE(queue.run("other", [&] { other_ran.set_value(); }));
  other_ran.get_future().wait();
  EXPECT_EQ(n_begun, 2);
  release.set_value();
}

TEST(FairQueue, WhatATaskThrowsEndsWithIt) {
  std::promise<void> ran;
  FairQueue queue({.n_threads = 1});
  ASSERT_TRUE(queue.run("a", [] { throw std::bad_alloc(); }));
  ASSERT_TRUE(queue.run("a", [&] { ran.set_value(); }));
  ran.get_future().wait();
}

TEST(FairQueue, OwnersTakeTurns) {
  std::vector<char> order;
  {
    FairQueue queue({.n_threads = 1});
    std::promise<void> begin;
    const std::shared_future<void> begun = begin.get_future().share();
    queue.run("first", [begun] { begun.wait(); });
    for (int i = 0; i < 3; ++i) queue.run("a", [&] { order.push_back('a'); });
    for (int i = 0; i < 3; ++i) queue.run("b", [&] { order.push_back('b'); });
    begin.set_value();
  }
  EXPECT_EQ(std::string(order.begin(), order.end()), "ababab");
}

TEST(FairQueue, RefusesWhatIsTooMuch) {
  FairQueue queue({.n_threads = 1, .waiting_of_owner = 2, .owners = 2});
  std::promise<void> begin, begun;
  const std::shared_future<void> released = begin.get_future().share();
  ASSERT_TRUE(queue.run("a", [&, released] {
    begun.set_value();
    released.wait();
  }));
  begun.get_future().wait();
  EXPECT_TRUE(queue.run("a", [] {}));
  EXPECT_TRUE(queue.run("a", [] {}));
  EXPECT_FALSE(queue.run("a", [] {}));  // of one owner
  EXPECT_TRUE(queue.run("b", [] {}));
  EXPECT_FALSE(queue.run("c", [] {}));  // of owners
  begin.set_value();
}

}  // namespace
}  // namespace autoglm::serve
