#include "text/grammar/group_cache.h"

#include <utility>

namespace autoglm::grammar {

std::shared_ptr<const GroupMask> GroupCache::find(const std::vector<int32_t>& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = masks_.find(key);
  return found == masks_.end() ? nullptr : found->second;
}

void GroupCache::insert(const std::vector<int32_t>& key, std::shared_ptr<const GroupMask> mask) {
  const size_t size = mask->size_bytes() + key.size() * 4 + 64;
  const std::lock_guard lock(mutex_);
  if (bytes_ + size > max_bytes_) {
    masks_.clear();
    bytes_ = 0;
  }
  if (masks_.emplace(key, std::move(mask)).second) bytes_ += size;
}

size_t GroupCache::size_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

}  // namespace autoglm::grammar
