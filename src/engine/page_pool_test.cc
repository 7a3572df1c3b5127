#include "engine/page_pool.h"

#include <gtest/gtest.h>

#include <set>

namespace autoglm {
namespace {

TEST(PagePool, HandsOutEveryPageOnceAndTakesThemBack) {
  PagePool pool(5);
  std::vector<int32_t> a, b;
  pool.allocate(3, a);
  pool.allocate(2, b);
  EXPECT_EQ(pool.n_free(), 0);
  std::set<int32_t> all(a.begin(), a.end());
  all.insert(b.begin(), b.end());
  EXPECT_EQ(all, (std::set<int32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(pool.check({&a, &b}), std::nullopt);
  pool.release(a);
  EXPECT_TRUE(a.empty());
  EXPECT_EQ(pool.n_free(), 3);
  EXPECT_EQ(pool.check({&b}), std::nullopt);
}

TEST(PagePool, TrimmingKeepsTheFirstPages) {
  PagePool pool(4);
  std::vector<int32_t> a;
  pool.allocate(3, a);
  const std::vector<int32_t> first(a.begin(), a.begin() + 1);
  pool.trim(5, a);
  EXPECT_EQ(a.size(), 3U);
  pool.trim(1, a);
  EXPECT_EQ(a, first);
  EXPECT_EQ(pool.n_free(), 3);
  EXPECT_EQ(pool.check({&a}), std::nullopt);
}

TEST(PagePool, CheckNamesALostAndADoublyHeldPage) {
  PagePool pool(4);
  std::vector<int32_t> a;
  pool.allocate(2, a);
  EXPECT_EQ(pool.check({}), "page 0 is lost");
  EXPECT_EQ(pool.check({&a, &a}), "page 0 held twice");
  const std::vector<int32_t> thief{3};
  EXPECT_EQ(pool.check({&a, &thief}), "page 3 is free twice, or free and held");
}

TEST(PagePoolDeathTest, AbortsWhenAPageIsGivenBackTwice) {
  PagePool pool(2);
  std::vector<int32_t> a;
  pool.allocate(1, a);
  std::vector<int32_t> copy = a;
  pool.release(a);
  EXPECT_DEATH(pool.release(copy), "not taken");
}

TEST(PagePool, CountsPagesUpwards) {
  EXPECT_EQ(pages_for(0, 16), 0);
  EXPECT_EQ(pages_for(1, 16), 1);
  EXPECT_EQ(pages_for(16, 16), 1);
  EXPECT_EQ(pages_for(17, 16), 2);
}

}  // namespace
}  // namespace autoglm
