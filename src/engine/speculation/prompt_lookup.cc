// Open addressing with linear probing; a key that finds no place takes the last one it saw.
#include "engine/speculation/prompt_lookup.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace autoglm {
namespace {

constexpr size_t kFirstSlots = 64;

// The finaliser of SplitMix64 (Steele and others, OOPSLA 2014).
uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}

}  // namespace

PromptLookup::PromptLookup(int32_t min_n, int32_t max_n, std::span<const TokenId> prediction,
                           std::span<const TokenId> prompt) {
  AGLM_CHECK(min_n >= 1 && min_n <= max_n, "n-grams of {} to {} tokens", min_n, max_n);
  for (int32_t n = max_n; n >= min_n; --n) {
    tables_.push_back({.n = n, .slots = std::vector<int32_t>(kFirstSlots)});
  }
  text_.reserve(prediction.size() + prompt.size());
  for (const TokenId token : prediction) push(token);
  for (const TokenId token : prompt) push(token);
  n_before_ = std::ssize(text_);
  if (!prediction.empty()) next_ = 0;
}

void PromptLookup::append(TokenId token) {
  const bool holds = next_ >= 0 && text_[static_cast<size_t>(next_)] == token;
  push(token);
  next_ = holds ? next_ + 1 : -1;
  match_ = holds ? match_ + 1 : 0;
}

void PromptLookup::propose(int32_t most, std::vector<TokenId>& draft) {
  draft.clear();
  if (next_ < 0 || match_ < tables_.front().n) find_longer();
  if (next_ < 0) return;
  // Where the match runs into the end, the text repeats itself: the draft goes on with the draft.
  const int64_t size = std::ssize(text_);
  for (int64_t i = next_; i < next_ + most; ++i) {
    draft.push_back(i < size ? text_[static_cast<size_t>(i)]
                             : draft[static_cast<size_t>(i - size)]);
  }
}

// N-grams enter with the token after them: the one that ends the text would only find itself.
void PromptLookup::push(TokenId token) {
  const auto end = static_cast<int32_t>(text_.size());
  for (Table& table : tables_) {
    if (end >= table.n) insert(table, end);
  }
  text_.push_back(token);
}

void PromptLookup::find_longer() {
  const auto end = static_cast<int32_t>(text_.size());
  for (Table& table : tables_) {
    if (table.n <= match_) return;
    if (end < table.n) continue;
    const int32_t found = *place(table, end);
    if (found == 0 || !same(table, found, end)) continue;
    next_ = found;
    match_ = table.n;
    return;
  }
}

bool PromptLookup::same(const Table& table, int32_t a, int32_t b) const {
  return std::equal(text_.begin() + (a - table.n), text_.begin() + a,
                    text_.begin() + (b - table.n));
}

// The slot of the n-gram that ends before `end`, or where it would go.
int32_t* PromptLookup::place(Table& table, int32_t end) const {
  uint64_t hash = 0;
  for (int32_t i = end - table.n; i < end; ++i) {
    hash = mix(hash + 0x9E3779B97F4A7C15 + static_cast<uint64_t>(text_[static_cast<size_t>(i)]));
  }
  const size_t mask = table.slots.size() - 1;
  int32_t* slot = nullptr;
  for (int32_t probe = 0; probe < kProbes; ++probe) {
    slot = &table.slots[(hash + static_cast<size_t>(probe)) & mask];
    if (*slot == 0 || same(table, *slot, end)) break;
  }
  return slot;
}

void PromptLookup::insert(Table& table, int32_t end) const {
  // At most half full, so that a miss ends soon.
  if (2 * (table.used + 1) > table.slots.size()) {
    Table larger{.n = table.n, .slots = std::vector<int32_t>(2 * table.slots.size())};
    for (const int32_t old : table.slots) {
      if (old == 0) continue;
      int32_t& slot = *place(larger, old);
      larger.used += slot == 0;
      slot = old;
    }
    table = std::move(larger);
  }
  int32_t& slot = *place(table, end);
  table.used += slot == 0;
  slot = end;
}

}  // namespace autoglm
