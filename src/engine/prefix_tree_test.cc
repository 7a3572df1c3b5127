// The tree by itself: what is found, what goes first. That answers stay what they are is
// engine_core_simulation_test.cc's matter.
#include "engine/prefix_tree.h"

#include <gtest/gtest.h>

#include "engine/testing/fakes.h"

namespace autoglm {
namespace {

constexpr ExecutorLimits kLimits{.max_rows = 8,
                                 .max_output_rows = 8,
                                 .vocab_size = 26,
                                 .hidden_size = 4,
                                 .max_context = 400,
                                 .page_tokens = 2,
                                 .page_bytes = 8};

struct Reader {
  std::vector<TokenId> text;
  PrefixPath path;
  std::vector<int32_t> pages;
  TokenText all() const { return {text, {}}; }
};

class PrefixTreeTest : public testing::Test {
 protected:
  PrefixTreeTest() { EXPECT_TRUE(executor_.reserve_pages(kPages)); }
  void TearDown() override { EXPECT_EQ(tree_.check({}), std::nullopt); }

  static Reader reader(const std::string& letters) {
    Reader r;
    for (const char c : letters) r.text.push_back(TokenId{c - 'a'});
    return r;
  }
  // Computes `letters` as a sequence would, and leaves its pages behind.
  void leave(const std::string& letters, const std::string& salt = "") {
    Reader r = reader(letters);
    compute(r, salt);
    tree_.release(r.path);
  }
  void compute(Reader& r, const std::string& salt = "") {
    tree_.acquire(salt, r.all(), 100, r.path, r.pages);
    const auto n_pages = static_cast<int32_t>(r.text.size() / 2);
    tree_.allocate(n_pages - static_cast<int32_t>(r.pages.size()), r.pages);
    while (std::ssize(r.path) < n_pages) tree_.publish(salt, r.all(), r.path, r.pages);
  }
  int64_t found(const std::string& letters, const std::string& salt = "") const {
    return tree_.find(salt, reader(letters).all(), 100).pages;
  }

  static constexpr int32_t kPages = 6;
  FakeExecutor executor_{kLimits};
  PagePool pool_{kPages};
  PrefixTree tree_{pool_, executor_, nullptr};
};

TEST_F(PrefixTreeTest, FindsTheLongestBeginningInWholePages) {
  leave("abcdef");
  EXPECT_EQ(found("abcdefgh"), 3);
  EXPECT_EQ(found("abcdxx"), 2);
  EXPECT_EQ(found("abcxx"), 1);
  EXPECT_EQ(found("cdef"), 0) << "a page is worth something only after the pages before it";
  EXPECT_EQ(found("abcdef", "salt"), 0);
}

TEST_F(PrefixTreeTest, TheLongestUnusedGoesFirstAndEndsBeforeBeginnings) {
  leave("abcd");
  leave("efgh");
  leave("ab");  // now the beginning of the first is the newest
  std::vector<int32_t> pages;
  tree_.allocate(3, pages);
  EXPECT_EQ(found("abcd"), 1);
  EXPECT_EQ(found("efgh"), 2);
  tree_.allocate(1, pages);
  EXPECT_EQ(found("efgh"), 1);
  tree_.allocate(2, pages);
  EXPECT_EQ(found("abcd") + found("efgh"), 0);
  EXPECT_EQ(tree_.n_evictable(), 0);
  pool_.release(pages);
}

TEST_F(PrefixTreeTest, WhatSomebodyHoldsStays) {
  leave("abcd");
  Reader holder = reader("abxx");
  compute(holder);
  EXPECT_EQ(tree_.n_evictable(), 1);
  EXPECT_EQ(tree_.find("", reader("abcd").all(), 100).held, 1);
  std::vector<int32_t> pages;
  tree_.allocate(4, pages);
  EXPECT_EQ(found("abcd"), 1);
  EXPECT_EQ(found("abxx"), 2);
  pool_.release(pages);
  tree_.release(holder.path);
}

TEST_F(PrefixTreeTest, APageComputedTwiceIsKeptOnce) {
  Reader first = reader("abcd");
  Reader second = reader("abcd");
  for (Reader* r : {&first, &second}) tree_.allocate(2, r->pages);
  EXPECT_FALSE(tree_.publish("", first.all(), first.path, first.pages));
  EXPECT_TRUE(tree_.publish("", second.all(), second.path, second.pages));
  EXPECT_EQ(first.pages[0], second.pages[0]);
  EXPECT_EQ(pool_.n_free(), kPages - 3);
  for (Reader* r : {&first, &second}) {
    pool_.trim(1, r->pages);
    tree_.release(r->path);
  }
}

TEST_F(PrefixTreeTest, KnowsWhatTheDraftModelHasComputedUntilThePageIsAnothers) {
  Reader r = reader("abcdef");
  compute(r);
  tree_.set_drafted(r.path, 2);
  EXPECT_EQ(tree_.drafted_pages(r.path), 2);
  tree_.release(r.path);
  std::vector<int32_t> pages;
  tree_.allocate(5, pages);
  pool_.release(pages);
  Reader again = reader("abcdef");
  compute(again);
  EXPECT_EQ(tree_.drafted_pages(again.path), 1);
  tree_.release(again.path);
}

}  // namespace
}  // namespace autoglm
