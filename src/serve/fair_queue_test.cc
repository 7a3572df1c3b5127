// The queue of owners: who waits for whom.
#include "serve/fair_queue.h"

#include <gtest/gtest.h>

#include <future>

namespace autoglm::serve {
namespace {

TEST(FairQueue, OneOwnersTasksHoldNoOtherUp) {
  FairQueue queue(2, 100, 100);
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
    FairQueue queue(4, 100, 100);
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(queue.run("a", [&order, i] { order.push_back(i); }));
    }
  }  // runs what is waiting
  ASSERT_EQ(order.size(), 60U);
  for (int i = 0; i < 60; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(FairQueue, OwnersTakeTurns) {
  std::vector<char> order;
  {
    FairQueue queue(1, 100, 100);
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
  FairQueue queue(1, 2, 2);
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
