// (left id, right id) -> (rank, id of the joined token): one flat hash table, filled once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace autoglm {

struct Merge {
  int32_t rank = -1;  // negative: the pair does not merge
  int32_t id = -1;
};

class PairTable {
 public:
  explicit PairTable(size_t n_pairs = 0) {
    size_t n_slots = 16;
    while (n_slots < 2 * n_pairs) n_slots *= 2;
    slots_.resize(n_slots);
  }

  // At most the number of pairs given at construction. A pair met again takes the later merge.
  void set(int32_t left, int32_t right, Merge merge) {
    Slot& slot = slots_[find_slot(key_of(left, right))];
    slot.key = key_of(left, right);
    slot.merge = merge;
  }

  Merge find(int32_t left, int32_t right) const {
    return slots_[find_slot(key_of(left, right))].merge;
  }

 private:
  struct Slot {
    uint64_t key = ~uint64_t{0};  // no pair: ids are not negative
    Merge merge;
  };

  static uint64_t key_of(int32_t left, int32_t right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
  }

  size_t find_slot(uint64_t key) const {
    // The finalizer of MurmurHash3: every bit of the key reaches the low bits.
    uint64_t h = key;
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    size_t i = (h ^ h >> 33) & (slots_.size() - 1);
    while (slots_[i].key != key && slots_[i].key != ~uint64_t{0}) i = (i + 1) & (slots_.size() - 1);
    return i;
  }

  std::vector<Slot> slots_;
};

}  // namespace autoglm
