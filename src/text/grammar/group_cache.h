// Which tokens may follow at a group of places that share a frame, as far as the frame does not
// matter; and where in the trie it begins to matter. Kept by the nodes of the group.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace autoglm::grammar {

struct GroupMask {
  // Tokens that are allowed whatever the frame: a bit for each id, or the ids where they are few.
  std::vector<uint64_t> words;
  std::vector<int32_t> ids;
  // Trie nodes one byte behind an end of the group's rule: they are allowed if the frame goes on
  // with them. Sorted by that byte; those of byte b are [offsets[b], offsets[b + 1]).
  std::vector<int32_t> escapes;
  std::array<int32_t, 257> offsets{};
  bool too_large = false;  // a state had too many places

  size_t size_bytes() const {
    return sizeof(GroupMask) + words.size() * 8 + ids.size() * 4 + escapes.size() * 4;
  }
};

// Bounded: when it is full it begins anew. Any thread may use it.
class GroupCache {
 public:
  explicit GroupCache(size_t max_bytes = size_t{32} << 20) : max_bytes_(max_bytes) {}
  std::shared_ptr<const GroupMask> find(const std::vector<int32_t>& key) const;
  void insert(const std::vector<int32_t>& key, std::shared_ptr<const GroupMask> mask);
  size_t size_bytes() const;

 private:
  const size_t max_bytes_;
  mutable std::mutex mutex_;
  std::map<std::vector<int32_t>, std::shared_ptr<const GroupMask>> masks_;
  size_t bytes_ = 0;
};

}  // namespace autoglm::grammar
