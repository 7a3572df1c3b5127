// One hash table over one string.
#include "text/tokenizer/vocabulary.h"

#include <fmt/format.h>

#include <functional>
#include <limits>

namespace autoglm {
namespace {

uint32_t hash_of(std::string_view s) {
  const size_t h = std::hash<std::string_view>{}(s);
  return static_cast<uint32_t>(h ^ h >> 32);
}

}  // namespace

void Vocabulary::reserve(size_t n_tokens, size_t n_bytes) {
  bytes_.reserve(n_bytes);
  entries_.reserve(n_tokens);
  size_t n_slots = 16;
  while (n_slots < 2 * n_tokens) n_slots *= 2;
  if (slots_.empty()) slots_.resize(n_slots);
}

Vocabulary::Slot* Vocabulary::slot_of(std::string_view spelling, uint32_t hash) {
  for (size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
    Slot& slot = slots_[i];
    if (slot.id < 0 || (slot.hash == hash && slot.length == spelling.size() &&
                        std::string_view(bytes_).substr(slot.begin, slot.length) == spelling)) {
      return &slot;
    }
  }
}

void Vocabulary::grow() {
  std::vector<Slot> old(slots_.empty() ? 16 : 2 * slots_.size());
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    *slot_of(std::string_view(bytes_).substr(slot.begin, slot.length), slot.hash) = slot;
  }
}

Result<void> Vocabulary::add(std::string_view spelling, int64_t id, std::string_view where) {
  if (id < 0 || id >= kMaxVocabulary) {
    return Error{ErrorCode::kCorrupt, "token id is out of range",
                 fmt::format("{}: \"{}\"", where, spelling.substr(0, 60)),
                 fmt::format("0 to {}", kMaxVocabulary - 1), std::to_string(id)};
  }
  if (bytes_.size() + spelling.size() > std::numeric_limits<int32_t>::max()) {
    return Error{ErrorCode::kTooLarge,
                 "vocabulary is too large",
                 std::string(where),
                 "at most 2 GiB of spellings",
                 {}};
  }
  if (2 * (n_spellings_ + 1) > slots_.size()) grow();
  const uint32_t hash = hash_of(spelling);
  Slot* slot = slot_of(spelling, hash);
  if (slot->id < 0) {
    ++n_spellings_;
    slot->hash = hash;
    slot->begin = static_cast<uint32_t>(bytes_.size());
    slot->length = static_cast<uint32_t>(spelling.size());
    bytes_ += spelling;
  }
  slot->id = static_cast<int32_t>(id);
  if (static_cast<size_t>(id) >= entries_.size()) entries_.resize(static_cast<size_t>(id) + 1);
  entries_[static_cast<size_t>(id)] = {slot->begin, static_cast<int32_t>(slot->length)};
  return {};
}

std::optional<int32_t> Vocabulary::find(std::string_view spelling) const {
  if (slots_.empty()) return std::nullopt;
  const uint32_t hash = hash_of(spelling);
  for (size_t i = hash & (slots_.size() - 1);; i = (i + 1) & (slots_.size() - 1)) {
    const Slot& slot = slots_[i];
    if (slot.id < 0) return std::nullopt;
    if (slot.hash == hash && slot.length == spelling.size() &&
        std::string_view(bytes_).substr(slot.begin, slot.length) == spelling) {
      return slot.id;
    }
  }
}

bool Vocabulary::contains(int64_t id) const {
  return id >= 0 && id < static_cast<int64_t>(entries_.size()) &&
         entries_[static_cast<size_t>(id)].length >= 0;
}

std::string_view Vocabulary::spelling(int64_t id) const {
  if (!contains(id)) return {};
  const Entry& entry = entries_[static_cast<size_t>(id)];
  return std::string_view(bytes_).substr(entry.begin, static_cast<size_t>(entry.length));
}

}  // namespace autoglm
