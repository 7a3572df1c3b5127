// Finding, holding, publishing. What is done when pages are short stands in prefix_tree_room.cc.
#include "engine/prefix_tree.h"

#include <algorithm>
#include <charconv>
#include <random>

#include "base/check.h"
#include "base/digest.h"

namespace autoglm {
namespace {

uint64_t random_key() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

// 31 bits of a SHA-256 a word, negative, so that no text's tokens are the same.
void put_digest(const std::string& mark, std::vector<TokenId>& tokens) {
  Sha256 sum;
  sum.add(std::as_bytes(std::span(tokens)));
  sum.add(mark);
  const std::string digits = sum.finish();
  const size_t n = std::min(tokens.size(), digits.size() / 8);
  for (size_t i = 0; i < n; ++i) {
    uint32_t word = 0;
    std::from_chars(digits.data() + 8 * i, digits.data() + 8 * (i + 1), word, 16);
    tokens[i] = static_cast<TokenId>(word | 0x80000000U);
  }
}

}  // namespace

PrefixTree::PrefixTree(PagePool& pool, Executor& executor, KvSpill* spill)
    : pool_(pool),
      executor_(executor),
      spill_(spill),
      page_tokens_(static_cast<size_t>(executor.limits().page_tokens)),
      hash_key_(random_key()),
      by_key_(0, KeyHash{this}, KeyEqual{this}) {
  if (spill_ == nullptr) return;
  page_copy_.resize(static_cast<size_t>(executor.limits().page_bytes));
  load_entries();
}

// A parent's id is less than its children's, so it comes first. What came from the file a second
// time, or lost its parent, goes: its slot is then free.
void PrefixTree::load_entries() {
  std::vector<KvSpill::Entry> entries = spill_->take_entries();
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.page.id < b.page.id; });
  // Numbers come from the file: in a hash table somebody could make them collide.
  std::vector<std::pair<uint64_t, int32_t>> by_id;  // ascending
  const auto node_of = [&](uint64_t id) {
    const auto place =
        std::ranges::lower_bound(by_id, id, {}, &std::pair<uint64_t, int32_t>::first);
    return place == by_id.end() || place->first != id ? kNone : place->second;
  };
  std::vector<bool> taken(static_cast<size_t>(spill_->n_slots()), false);
  for (const KvSpill::Entry& entry : entries) {
    const SpilledPage& page = entry.page;
    last_id_ = std::max(last_id_, page.id);
    clock_ = std::max(clock_, page.used);
    const int32_t parent = page.parent == 0 ? add_root(page.salt) : node_of(page.parent);
    if (parent == kNone || node_of(page.id) != kNone || child(parent, page.tokens) != kNone)
      continue;
    const int32_t node = add_child(parent, page.tokens, page.id);
    by_id.emplace_back(page.id, node);
    // A parent was used as lately as its children, whatever the file says.
    at(node).used = page.parent == 0 ? page.used : std::min(page.used, at(parent).used);
    at(node).slot = entry.slot;
    leave_orders(parent);
    enter_orders(parent);
    enter_orders(node);
    taken[static_cast<size_t>(entry.slot)] = true;
  }
  for (int32_t slot = spill_->n_slots() - 1; slot >= 0; --slot) {
    if (!taken[static_cast<size_t>(slot)]) free_slots_.push_back(slot);
  }
}

size_t PrefixTree::KeyHash::operator()(const Key& key) const {
  uint64_t hash = tree->hash_key_;
  // The parent is mixed in like a token: beside the first one it would cancel against it.
  const auto mix = [&hash](uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15;
    hash ^= hash >> 32;
  };
  mix(static_cast<uint64_t>(key.parent));
  for (const TokenId token : key.tokens) mix(static_cast<uint64_t>(token));
  return hash;
}

bool PrefixTree::same(const Key& a, const Key& b) const {
  return a.parent == b.parent && std::ranges::equal(a.tokens, b.tokens);
}

std::span<const TokenId> PrefixTree::tokens(int32_t node) const {
  return {tokens_.data() + static_cast<size_t>(node) * page_tokens_, page_tokens_};
}

std::span<const TokenId> PrefixTree::page_text(const TokenText& text, int64_t page) const {
  page_text_.clear();
  const int64_t begin = page * static_cast<int64_t>(page_tokens_);
  for (size_t i = 0; i < page_tokens_; ++i) {
    page_text_.push_back(text.at(begin + static_cast<int64_t>(i)));
  }
  if (text.rows != nullptr && !text.rows->mark(page).empty()) {
    put_digest(text.rows->mark(page), page_text_);
  }
  return page_text_;
}

int32_t PrefixTree::child(int32_t parent, std::span<const TokenId> tokens) const {
  const auto found = by_key_.find(Key{parent, tokens});
  return found == by_key_.end() ? kNone : *found;
}

int32_t PrefixTree::new_node() {
  if (free_nodes_.empty()) {
    free_nodes_.push_back(static_cast<int32_t>(nodes_.size()));
    nodes_.emplace_back();
    tokens_.resize(tokens_.size() + page_tokens_);
  }
  const int32_t node = free_nodes_.back();
  free_nodes_.pop_back();
  at(node).in_use = true;
  return node;
}

int32_t PrefixTree::add_root(std::string_view salt) {
  const auto [place, added] = roots_.try_emplace(std::string(salt), kNone);
  if (!added) return place->second;
  const int32_t node = new_node();
  at(node).salt = salt;
  place->second = node;
  return node;
}

int32_t PrefixTree::add_child(int32_t parent, std::span<const TokenId> tokens, uint64_t id) {
  const int32_t node = new_node();
  Node& added = at(node);
  added.id = id;
  added.parent = parent;
  added.next = at(parent).first_child;
  if (added.next != kNone) at(added.next).previous = node;
  at(parent).first_child = node;
  std::copy(
      tokens.begin(), tokens.end(),
      tokens_.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(node) * page_tokens_));
  by_key_.insert(node);
  return node;
}

PrefixTree::Found PrefixTree::find(std::string_view salt, const TokenText& text,
                                   int64_t most_pages) const {
  Found found;
  const auto root = roots_.find(salt);
  if (root == roots_.end()) return found;
  most_pages = std::min(most_pages, text.size() / static_cast<int64_t>(page_tokens_));
  int32_t node = root->second;
  while (found.pages < most_pages) {
    node = child(node, page_text(text, found.pages));
    if (node == kNone) break;
    ++found.pages;
    if (at(node).refs > 0) ++found.held;
  }
  return found;
}

void PrefixTree::acquire(std::string_view salt, const TokenText& text, int64_t most_pages,
                         PrefixPath& path, std::vector<int32_t>& pages) {
  AGLM_CHECK(path.empty() && pages.empty(), "{} pages held already", pages.size());
  const int64_t n_pages = find(salt, text, most_pages).pages;
  if (n_pages == 0) return;
  int32_t node = roots_.find(salt)->second;
  ++clock_;
  for (int64_t page = 0; page < n_pages; ++page) {
    node = child(node, page_text(text, page));
    hold(node, clock_);
    path.push_back(node);
  }
  // All are held before the first is read: room for one is never made at the cost of another.
  for (size_t i = 0; i < path.size(); ++i) {
    if (at(path[i]).page == kNone && !restore(path[i])) {
      const int32_t damaged = path[i];
      for (size_t j = path.size(); j > i; --j) {
        let_go(path[j - 1]);
        path.pop_back();
      }
      remove(damaged);
      break;
    }
    pages.push_back(at(path[i]).page);
  }
}

bool PrefixTree::publish(std::string_view salt, const TokenText& text, PrefixPath& path,
                         std::vector<int32_t>& pages) {
  const size_t place = path.size();
  AGLM_CHECK(place < pages.size(), "page {} of {} published", place, pages.size());
  const int32_t parent = path.empty() ? add_root(salt) : path.back();
  const std::span<const TokenId> tokens = page_text(text, static_cast<int64_t>(place));
  int32_t node = child(parent, tokens);
  if (node == kNone) node = add_child(parent, tokens, ++last_id_);
  // Not later than its parent, which nobody has asked for since.
  hold(node, path.empty() ? ++clock_ : at(parent).used);
  const bool replaced = at(node).page != kNone;
  if (!replaced) {
    give_page(node, pages[place]);
  } else {
    std::vector<int32_t> own{pages[place]};
    pool_.release(own);
    pages[place] = at(node).page;
  }
  path.push_back(node);
  return replaced;
}

void PrefixTree::release(PrefixPath& path) {
  // Last first: a parent is never used longer ago than its children.
  ++clock_;
  for (size_t i = path.size(); i > 0; --i) let_go(path[i - 1]);
  path.clear();
}

int64_t PrefixTree::drafted_pages(const PrefixPath& path) const {
  int64_t n = 0;
  while (n < std::ssize(path) && at(path[static_cast<size_t>(n)]).drafted) ++n;
  return n;
}

void PrefixTree::set_drafted(const PrefixPath& path, int64_t n_pages) {
  for (int64_t i = 0; i < std::min(n_pages, std::ssize(path)); ++i) {
    at(path[static_cast<size_t>(i)]).drafted = true;
  }
}

void PrefixTree::hold(int32_t node, uint64_t now) {
  leave_orders(node);
  if (at(node).refs++ == 0 && at(node).page != kNone) --n_evictable_;
  at(node).used = now;
  enter_orders(node);
}

void PrefixTree::let_go(int32_t node) {
  leave_orders(node);
  AGLM_CHECK(at(node).refs > 0, "node {} let go, but not held", node);
  if (--at(node).refs == 0 && at(node).page != kNone) ++n_evictable_;
  at(node).used = clock_;
  enter_orders(node);
}

}  // namespace autoglm
