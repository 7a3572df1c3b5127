// Spellings and their ids, both ways. Ids need not be dense; how large they may be is bounded,
// because the table of spellings is as long as the largest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"

namespace autoglm {

// Over ten times the largest vocabulary in use (262,144).
inline constexpr int64_t kMaxVocabulary = int64_t{1} << 22;

class Vocabulary {
 public:
  void reserve(size_t n_tokens, size_t n_bytes);
  // A spelling met again takes the later id; an id met again takes the later spelling.
  Result<void> add(std::string_view spelling, int64_t id, std::string_view where);

  std::optional<int32_t> find(std::string_view spelling) const;
  bool contains(int64_t id) const;
  std::string_view spelling(int64_t id) const;  // "" for an id without token
  int32_t end_id() const { return static_cast<int32_t>(entries_.size()); }
  size_t size() const { return n_spellings_; }

 private:
  struct Entry {
    uint32_t begin = 0;
    int32_t length = -1;  // -1: no token
  };
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
    uint32_t begin = 0;
    uint32_t length = 0;
  };
  void grow();
  Slot* slot_of(std::string_view spelling, uint32_t hash);

  std::string bytes_;           // all spellings, end to end
  std::vector<Entry> entries_;  // by id
  std::vector<Slot> slots_;     // open addressing, a power of two, at most half full
  size_t n_spellings_ = 0;
};

}  // namespace autoglm
