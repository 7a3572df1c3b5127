// The KV pool's pages as numbers: which are free, which are taken. The memory behind them belongs
// to the executor. A page has one owner: a sequence, or the prefix tree, which lends it to
// sequences.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace autoglm {

class PagePool {
 public:
  explicit PagePool(int32_t n_pages);

  int32_t size() const { return static_cast<int32_t>(taken_.size()); }
  int32_t n_free() const { return static_cast<int32_t>(free_.size()); }

  // Appends `n` pages to `pages`. Precondition: n <= n_free().
  void allocate(int32_t n, std::vector<int32_t>& pages);
  // Gives all of `pages` back and empties it. Aborts on a page that is not taken.
  void release(std::vector<int32_t>& pages);
  // The same for those behind the first `n_kept`.
  void trim(int64_t n_kept, std::vector<int32_t>& pages);

  // What is wrong, given the pages that every owner holds: a page lost, held twice, or held though
  // free. Empty: nothing. For tests: linear in the pool.
  std::optional<std::string> check(const std::vector<const std::vector<int32_t>*>& owners) const;

 private:
  std::vector<int32_t> free_;  // a stack: the page given back last is warm and goes out first
  std::vector<bool> taken_;
};

// Pages that hold `tokens` positions.
constexpr int64_t pages_for(int64_t tokens, int64_t page_tokens) {
  return (tokens + page_tokens - 1) / page_tokens;
}

}  // namespace autoglm
