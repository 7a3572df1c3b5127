// KV pages that requests share: a tree whose every node is one full page, keyed by all that the
// page depends on below all that the pages before it do. That is the tokens (docs/decisions/0001)
// and, where a prompt has parts that are not tokens, a mark of them (prompt_inputs.h); so whoever
// has the same beginning may read the same pages (docs/decisions/0101). All that holds for every
// page of an executor alike (weights, numerics class) is the spill's to check; what differs from
// request to request beside the text, such as the tenant, is the salt.
//
// A page belongs to the sequence that fills it until it is full, and then to the tree. Sequences
// hold the nodes that they read; what nobody holds stays until its page is wanted for something
// else, the longest unused first. With a spill, pages that have to go go to its file, and come back
// when somebody asks for them.
//
// Each salt has a tree of its own: nobody can learn from how long an answer takes what was asked
// under another salt.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "devices/executor.h"
#include "engine/kv_spill.h"
#include "engine/page_pool.h"
#include "engine/prompt_inputs.h"

namespace autoglm {

// The tokens of a sequence, which lie in two places, and what else its pages depend on.
struct TokenText {
  std::span<const TokenId> prompt, taken;
  const PromptRows* rows = nullptr;  // or plain

  int64_t size() const { return std::ssize(prompt) + std::ssize(taken); }
  TokenId at(int64_t position) const {
    const auto place = static_cast<size_t>(position);
    return place < prompt.size() ? prompt[place] : taken[place - prompt.size()];
  }
};

// The nodes that a sequence holds, from the first page on.
using PrefixPath = std::vector<int32_t>;

class PrefixTree {
 public:
  // All must outlive it; `spill` may be nullptr. What the spill's file holds is known from the
  // start. Precondition: the executor has its pages.
  PrefixTree(PagePool& pool, Executor& executor, KvSpill* spill);
  PrefixTree(const PrefixTree&) = delete;
  PrefixTree& operator=(const PrefixTree&) = delete;

  // Pages at the beginning of `text` that acquire() would find, at most `most_pages`; `held`: those
  // of them that somebody holds, so that they cost no page.
  struct Found {
    int64_t pages = 0;
    int64_t held = 0;
  };
  Found find(std::string_view salt, const TokenText& text, int64_t most_pages) const;

  // Holds these nodes and appends their pages. Pages of the spill's file are read: one that turns
  // out damaged ends the search. Precondition: `path` and `pages` are empty, and pages for what
  // find() said and nobody holds are free or can be.
  void acquire(std::string_view salt, const TokenText& text, int64_t most_pages, PrefixPath& path,
               std::vector<int32_t>& pages);
  // The page after those of `path` is full: it becomes the tree's. When the tree has such a page
  // already, that one takes its place, and the sequence's own is free again: true then.
  bool publish(std::string_view salt, const TokenText& text, PrefixPath& path,
               std::vector<int32_t>& pages);
  // Lets go of all of `path` and empties it.
  void release(PrefixPath& path);

  // Pages that nobody holds. allocate() takes them when no other is free.
  int64_t n_evictable() const { return n_evictable_; }
  // Appends `n` pages to `pages`. Precondition: n <= pool.n_free() + n_evictable().
  void allocate(int32_t n, std::vector<int32_t>& pages);
  // Writes what the spill's file does not hold yet, the latest used first, as far as it goes.
  void save();

  // For the draft model, which keeps its own numbers in pages of the same names: how many pages at
  // the beginning of `path` it has computed; and that it has computed so many.
  int64_t drafted_pages(const PrefixPath& path) const;
  void set_drafted(const PrefixPath& path, int64_t n_pages);

  // All pages of the tree, for PagePool::check().
  std::vector<int32_t> pages() const;
  // What is wrong, given what every sequence holds; empty: nothing. For tests.
  std::optional<std::string> check(const std::vector<const PrefixPath*>& paths) const;

 private:
  static constexpr int32_t kNone = -1;
  struct Node {
    uint64_t id = 0;  // never used again; a parent's is less than its children's
    int32_t parent = kNone;
    int32_t first_child = kNone, next = kNone, previous = kNone;  // siblings
    int32_t page = kNone;                                         // kNone: only in the file
    int32_t slot = kNone;                                         // in the file
    int32_t refs = 0;
    int32_t n_resident = 0;  // children with a page
    uint64_t used = 0;
    bool drafted = false;
    bool in_use = false;
    std::string salt;  // of roots, which have no page
  };
  // A node by its parent and the tokens of its page.
  struct Key {
    int32_t parent;
    std::span<const TokenId> tokens;
  };
  struct KeyHash {
    using is_transparent = void;
    const PrefixTree* tree;
    size_t operator()(const Key& key) const;
    size_t operator()(int32_t node) const { return (*this)(tree->key(node)); }
  };
  struct KeyEqual {
    using is_transparent = void;
    const PrefixTree* tree;
    bool operator()(const auto& a, const auto& b) const { return tree->same(of(a), of(b)); }
    Key of(const Key& key) const { return key; }
    Key of(int32_t node) const { return tree->key(node); }
  };
  using Order = std::set<std::pair<uint64_t, int32_t>>;  // by last use

  Node& at(int32_t node) { return nodes_[static_cast<size_t>(node)]; }
  const Node& at(int32_t node) const { return nodes_[static_cast<size_t>(node)]; }
  std::span<const TokenId> tokens(int32_t node) const;
  Key key(int32_t node) const { return {at(node).parent, tokens(node)}; }
  bool same(const Key& a, const Key& b) const;
  // The page's tokens of `text` in page_text_; of a page that has a mark the first of them make way
  // for a digest of tokens and mark, whose words are no tokens.
  std::span<const TokenId> page_text(const TokenText& text, int64_t page) const;
  int32_t child(int32_t parent, std::span<const TokenId> tokens) const;

  int32_t new_node();
  int32_t add_root(std::string_view salt);
  int32_t add_child(int32_t parent, std::span<const TokenId> tokens, uint64_t id);
  void remove(int32_t node);  // and all below; none has a page that somebody holds
  void unlink(int32_t node);
  void load_entries();

  void hold(int32_t node, uint64_t now);
  void let_go(int32_t node);
  void give_page(int32_t node, int32_t page);
  void take_page(int32_t node);  // back to the pool
  // Puts the node where it belongs in the two orders, or takes it out.
  void leave_orders(int32_t node);
  void enter_orders(int32_t node);

  void evict();                                   // one page
  bool restore(int32_t node);                     // false: the file's page is damaged
  bool spill(int32_t node, uint64_t older_than);  // into a slot last used before that
  int32_t free_slot(uint64_t older_than);         // kNone: there is none
  void drop_slot(int32_t node);

  PagePool& pool_;
  Executor& executor_;
  KvSpill* const spill_;
  const size_t page_tokens_;
  const uint64_t hash_key_;  // so that nobody can choose prompts that collide
  std::vector<Node> nodes_;
  std::vector<TokenId> tokens_;  // page_tokens_ for each of nodes_
  std::vector<int32_t> free_nodes_;
  std::vector<int32_t> free_slots_;
  std::map<std::string, int32_t, std::less<>> roots_;  // salts are the clients'
  std::unordered_set<int32_t, KeyHash, KeyEqual> by_key_;
  Order evictable_;  // nodes with a page that nobody holds, and no such children
  Order slots_;      // nodes whose place in the file may be given to others
  int64_t n_evictable_ = 0;
  uint64_t clock_ = 0;
  uint64_t last_id_ = 0;
  mutable std::vector<TokenId> page_text_;
  std::vector<std::byte> page_copy_;  // on its way to the file or from it
};

}  // namespace autoglm
