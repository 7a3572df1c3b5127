// The KV pages of sequences: taken from the pool, found in the prefix tree and given to it, let go.
// Knows pages, and of a sequence what its pages hold; no queue and no step.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/page_pool.h"
#include "engine/prefix_tree.h"
#include "engine/sequence.h"

namespace autoglm {

class SequencePages {
 public:
  // `executor` has reserved `n_pages`. `shares`: pages of prompts that begin alike are shared, and
  // then `spill`, which may be nullptr, holds what the pool has no room for. All outlive this.
  SequencePages(int32_t n_pages, Executor& executor, bool shares, KvSpill* spill);

  int64_t page_tokens() const { return page_tokens_; }
  int32_t n_pages() const { return pool_.size(); }
  bool shares() const { return tree_.has_value(); }
  // Pages that can be had: free ones, and shared ones that nobody holds.
  int64_t n_free() const { return pool_.n_free() + (tree_ ? tree_->n_evictable() : 0); }

  // What acquire() would find.
  PrefixTree::Found find(const Sequence& sequence) const;
  // Before its first step: holds the pages that are there already, whose positions then count as
  // computed.
  void acquire(Sequence& sequence);
  // Makes room for `tokens` positions. Precondition: missing(...) <= n_free().
  void grow(Sequence& sequence, int64_t tokens);
  int64_t missing(const Sequence& sequence, int64_t tokens) const;
  // Full pages become the tree's, for others to find.
  void publish(Sequence& sequence);
  // Gives back what no known token needs: others may want it before this sequence does.
  void trim(Sequence& sequence);
  void release(Sequence& sequence);

  // Writes the tree's pages to the spill, where there is one.
  void save();
  // Forgets all pages and who held them, after something was thrown half-way.
  void reset();

  // What is wrong, given all sequences that may hold pages; empty: nothing. For tests.
  std::optional<std::string> check(std::span<const std::unique_ptr<Sequence>> running) const;

 private:
  int64_t most_shared(const Sequence& sequence) const;

  Executor& executor_;
  KvSpill* const spill_;
  const int64_t page_tokens_;
  const bool shares_;
  PagePool pool_;
  std::optional<PrefixTree> tree_;
};

}  // namespace autoglm
