// A bounded memory of pieces and their ids: text repeats its words. Each slot holds one short piece
// with few ids and is overwritten by the next that hashes to it, so that nothing ever grows.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "autoglm/generation.h"

namespace autoglm {

class WordCache {
 public:
  static constexpr size_t kMaxBytes = 23;
  static constexpr size_t kMaxIds = 6;

  // Appends the ids of `piece` and returns true if it is remembered. Safe from any thread.
  bool find(std::string_view piece, std::vector<TokenId>& ids) {
    if (piece.size() > kMaxBytes) return false;
    const size_t i = index_of(piece);
    const std::lock_guard lock(locks_[i % kLocks]);
    const Slot& slot = (*slots_)[i];
    if (slot.n_ids == 0 || slot.length != piece.size() ||
        std::memcmp(slot.bytes.data(), piece.data(), piece.size()) != 0) {
      return false;
    }
    ids.insert(ids.end(), slot.ids.begin(), slot.ids.begin() + slot.n_ids);
    return true;
  }

  void remember(std::string_view piece, const TokenId* ids, size_t n_ids) {
    if (piece.size() > kMaxBytes || n_ids > kMaxIds || n_ids == 0) return;
    const size_t i = index_of(piece);
    const std::lock_guard lock(locks_[i % kLocks]);
    Slot& slot = (*slots_)[i];
    std::memcpy(slot.bytes.data(), piece.data(), piece.size());
    slot.length = static_cast<uint8_t>(piece.size());
    slot.n_ids = static_cast<uint8_t>(n_ids);
    std::copy(ids, ids + n_ids, slot.ids.begin());
  }

 private:
  struct Slot {
    std::array<TokenId, kMaxIds> ids{};
    std::array<char, kMaxBytes> bytes{};
    uint8_t length = 0;
    uint8_t n_ids = 0;
  };
  static constexpr size_t kSlots = size_t{1} << 15;  // 1.6 MB: the words of a few books
  static constexpr size_t kLocks = 16;

  static size_t index_of(std::string_view piece) {
    return std::hash<std::string_view>{}(piece) % kSlots;
  }

  std::unique_ptr<std::array<Slot, kSlots>> slots_ = std::make_unique<std::array<Slot, kSlots>>();
  std::array<std::mutex, kLocks> locks_;
};

}  // namespace autoglm
