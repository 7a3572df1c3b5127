// The tree by itself: what is found, what goes first. That answers stay what they are is
// engine_core_simulation_test.cc's matter.
#include "engine/prefix_tree.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

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

// A tree put together from a file that anybody may have written.
class PrefixTreeOfAFile : public testing::Test {
 protected:
  ~PrefixTreeOfAFile() override { std::filesystem::remove(path_); }

  std::unique_ptr<KvSpill> open(int32_t n_slots) const {
    auto spill = KvSpill::open({.path = path_,
                                .size_bytes = 4096 + int64_t{n_slots} * 8192,
                                .page_bytes = kLimits.page_bytes,
                                .page_tokens = kLimits.page_tokens,
                                .identity = "a fake"});
    EXPECT_TRUE(spill) << spill.error().message();
    return *std::move(spill);
  }
  static SpilledPage page(uint64_t id, uint64_t parent, uint64_t used, int32_t token) {
    return {.id = id,
            .parent = parent,
            .used = used,
            .salt = "",
            .tokens = {TokenId{token}, TokenId{token}}};
  }

  const std::string path_ =
      testing::TempDir() + "prefix_tree_test." + std::to_string(getpid()) + ".kv";
};

TEST_F(PrefixTreeOfAFile, TakesWhatMakesSenseAndFreesTheOtherSlots) {
  const std::vector<std::byte> bytes(8);
  {
    const auto spill = open(8);
    spill->write(0, page(1, 0, 10, 1), bytes);
    spill->write(1, page(1, 0, 20, 2), bytes);   // a number a second time
    spill->write(2, page(3, 0, 30, 1), bytes);   // the same page a second time
    spill->write(3, page(9, 7, 40, 3), bytes);   // no such parent
    spill->write(5, page(5, 1, 999, 4), bytes);  // used later than its parent
    spill->write(7, page(6, 5, 1, 5), bytes);
  }
  const auto spill = open(8);
  FakeExecutor executor(kLimits);
  ASSERT_TRUE(executor.reserve_pages(4));
  PagePool pool(4);
  PrefixTree tree(pool, executor, spill.get());
  EXPECT_EQ(tree.check({}), std::nullopt);
  const std::vector<TokenId> text = {TokenId{1}, TokenId{1}, TokenId{4},
                                     TokenId{4}, TokenId{5}, TokenId{5}};
  EXPECT_EQ(tree.find("", {text, {}}, 100).pages, 3);
}

// One chain of all its pages, whose first is damaged: with it goes all that follows.
TEST_F(PrefixTreeOfAFile, ForgetsALongChainWhoseBeginningIsDamaged) {
  constexpr int32_t kSlots = 3000;
  const std::vector<std::byte> bytes(8);
  {
    const auto spill = open(kSlots);
    for (int32_t slot = 0; slot < kSlots; ++slot) {
      const auto id = static_cast<uint64_t>(slot) + 1;
      ASSERT_TRUE(spill->write(slot, page(id, id - 1, 10, slot % 26), bytes));
    }
  }
  std::fstream(path_, std::ios::in | std::ios::out | std::ios::binary).seekp(4096 + 4096) << 'x';
  const auto spill = open(kSlots);
  FakeExecutor executor(kLimits);
  ASSERT_TRUE(executor.reserve_pages(4));
  PagePool pool(4);
  PrefixTree tree(pool, executor, spill.get());
  const std::vector<TokenId> text = {TokenId{0}, TokenId{0}, TokenId{1}, TokenId{1}};
  ASSERT_EQ(tree.find("", {text, {}}, 100).pages, 2);
  PrefixPath path;
  std::vector<int32_t> pages;
  tree.acquire("", {text, {}}, 100, path, pages);
  EXPECT_TRUE(path.empty());
  EXPECT_EQ(tree.find("", {text, {}}, 100).pages, 0);
  EXPECT_EQ(tree.check({}), std::nullopt);
}

}  // namespace
}  // namespace autoglm
