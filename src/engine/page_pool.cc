// The stack of free pages and the bit of every page, which catches a page given back twice.
#include "engine/page_pool.h"

#include "base/check.h"

namespace autoglm {

PagePool::PagePool(int32_t n_pages) : taken_(static_cast<size_t>(n_pages), false) {
  AGLM_CHECK(n_pages > 0, "{} pages", n_pages);
  free_.reserve(taken_.size());
  for (int32_t page = n_pages - 1; page >= 0; --page) free_.push_back(page);
}

void PagePool::allocate(int32_t n, std::vector<int32_t>& pages) {
  AGLM_CHECK(n >= 0 && n <= n_free(), "{} pages wanted, {} free", n, n_free());
  for (int32_t i = 0; i < n; ++i) {
    const int32_t page = free_.back();
    free_.pop_back();
    taken_[static_cast<size_t>(page)] = true;
    pages.push_back(page);
  }
}

void PagePool::release(std::vector<int32_t>& pages) { trim(0, pages); }

void PagePool::trim(int64_t n_kept, std::vector<int32_t>& pages) {
  while (std::ssize(pages) > n_kept) {
    const int32_t page = pages.back();
    pages.pop_back();
    AGLM_CHECK(page >= 0 && page < size() && taken_[static_cast<size_t>(page)],
               "page {} of {} given back, but not taken", page, size());
    taken_[static_cast<size_t>(page)] = false;
    free_.push_back(page);
  }
}

std::optional<std::string> PagePool::check(
    const std::vector<const std::vector<int32_t>*>& owners) const {
  std::vector<int32_t> holders(taken_.size(), 0);
  for (const auto* pages : owners) {
    for (const int32_t page : *pages) {
      if (page < 0 || page >= size()) return fmt::format("page {} is not in the pool", page);
      if (++holders[static_cast<size_t>(page)] > 1) return fmt::format("page {} held twice", page);
    }
  }
  for (const int32_t page : free_) {
    if (++holders[static_cast<size_t>(page)] > 1) {
      return fmt::format("page {} is free twice, or free and held", page);
    }
  }
  for (size_t page = 0; page < holders.size(); ++page) {
    if (holders[page] == 0) return fmt::format("page {} is lost", page);
  }
  return std::nullopt;
}

}  // namespace autoglm
