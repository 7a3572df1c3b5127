// When pages are short: what goes, and to where. And what is wrong, for tests.
#include <algorithm>
#include <map>

#include "base/check.h"
#include "engine/prefix_tree.h"

namespace autoglm {

void PrefixTree::allocate(int32_t n, std::vector<int32_t>& pages) {
  while (pool_.n_free() < n) evict();
  pool_.allocate(n, pages);
}

void PrefixTree::evict() {
  AGLM_CHECK(!evictable_.empty(), "no page can be taken; {} should be", n_evictable_);
  const int32_t node = evictable_.begin()->second;
  if (spill_ != nullptr && at(node).slot == kNone) spill(node, at(node).used + 1);
  if (at(node).slot == kNone) {
    remove(node);
    return;
  }
  leave_orders(node);
  take_page(node);
  enter_orders(node);
}

void PrefixTree::give_page(int32_t node, int32_t page) {
  leave_orders(node);
  const int32_t parent = at(node).parent;
  leave_orders(parent);
  at(node).page = page;
  at(node).drafted = false;
  ++at(parent).n_resident;
  if (at(node).refs == 0) ++n_evictable_;
  enter_orders(parent);
  enter_orders(node);
}

// The orders of `node` itself are the caller's.
void PrefixTree::take_page(int32_t node) {
  const int32_t parent = at(node).parent;
  leave_orders(parent);
  std::vector<int32_t> own{at(node).page};
  pool_.release(own);
  at(node).page = kNone;
  --at(parent).n_resident;
  if (at(node).refs == 0) --n_evictable_;
  enter_orders(parent);
}

bool PrefixTree::restore(int32_t node) {
  std::vector<int32_t> page;
  allocate(1, page);
  // Making room may have taken the slot of a page that is in memory, but this one is not.
  if (!spill_->read(at(node).slot, at(node).id, page_copy_)) {
    pool_.release(page);
    return false;
  }
  executor_.write_page(page.front(), page_copy_);
  give_page(node, page.front());
  return true;
}

bool PrefixTree::spill(int32_t node, uint64_t older_than) {
  const int32_t slot = free_slot(older_than);
  if (slot == kNone) return false;
  const int32_t parent = at(node).parent;
  std::string salt;
  if (at(parent).parent == kNone) salt = at(parent).salt;
  const std::span<const TokenId> text = tokens(node);
  const SpilledPage page{.id = at(node).id,
                         .parent = at(parent).id,
                         .used = at(node).used,
                         .salt = std::move(salt),
                         .tokens = {text.begin(), text.end()}};
  executor_.read_page(at(node).page, page_copy_);
  if (!spill_->write(slot, page, page_copy_)) {
    free_slots_.push_back(slot);
    return false;
  }
  leave_orders(node);
  at(node).slot = slot;
  enter_orders(node);
  return true;
}

int32_t PrefixTree::free_slot(uint64_t older_than) {
  if (free_slots_.empty()) {
    if (slots_.empty() || slots_.begin()->first >= older_than) return kNone;
    const int32_t node = slots_.begin()->second;
    if (at(node).page == kNone) {
      remove(node);
    } else {
      drop_slot(node);
    }
  }
  const int32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

void PrefixTree::drop_slot(int32_t node) {
  leave_orders(node);
  free_slots_.push_back(at(node).slot);
  at(node).slot = kNone;
  enter_orders(node);
}

void PrefixTree::save() {
  if (spill_ == nullptr) return;
  std::vector<int32_t> nodes;
  for (int32_t node = 0; node < std::ssize(nodes_); ++node) {
    if (at(node).in_use && at(node).page != kNone && at(node).slot == kNone) nodes.push_back(node);
  }
  // A parent was used at least as lately as its children, and has the lower id.
  std::sort(nodes.begin(), nodes.end(), [&](int32_t a, int32_t b) {
    return at(a).used != at(b).used ? at(a).used > at(b).used : at(a).id < at(b).id;
  });
  for (const int32_t node : nodes) {
    if (!spill(node, at(node).used)) break;
  }
  spill_->sync();
}

void PrefixTree::remove(int32_t node) {
  // Depth first without recursion: a conversation is a thousand pages deep, and what a file says
  // may be one chain of all its pages.
  int32_t last = node;
  while (true) {
    while (at(last).first_child != kNone) last = at(last).first_child;
    const int32_t parent = at(last).parent;
    unlink(last);
    if (last == node) return;
    last = parent;
  }
}

void PrefixTree::unlink(int32_t node) {
  AGLM_CHECK(at(node).refs == 0, "node {} removed, but held", node);
  leave_orders(node);
  if (at(node).page != kNone) take_page(node);
  if (at(node).slot != kNone) free_slots_.push_back(at(node).slot);
  const int32_t parent = at(node).parent;
  if (parent == kNone) {
    roots_.erase(at(node).salt);
  } else {
    by_key_.erase(node);
    const Node gone = at(node);
    if (gone.next != kNone) at(gone.next).previous = gone.previous;
    (gone.previous != kNone ? at(gone.previous).next : at(parent).first_child) = gone.next;
  }
  at(node) = {};
  free_nodes_.push_back(node);
  if (parent == kNone) return;
  leave_orders(parent);
  enter_orders(parent);
  const bool empty_root = at(parent).parent == kNone && at(parent).first_child == kNone;
  if (empty_root) unlink(parent);
}

void PrefixTree::leave_orders(int32_t node) {
  evictable_.erase({at(node).used, node});
  slots_.erase({at(node).used, node});
}

void PrefixTree::enter_orders(int32_t node) {
  const Node& n = at(node);
  if (n.page != kNone && n.refs == 0 && n.n_resident == 0) evictable_.insert({n.used, node});
  // A page that only the file has can go when none depends on it and nobody is about to read it.
  const bool spare = n.page != kNone || (n.first_child == kNone && n.refs == 0);
  if (n.slot != kNone && spare) slots_.insert({n.used, node});
}

std::vector<int32_t> PrefixTree::pages() const {
  std::vector<int32_t> pages;
  for (const Node& node : nodes_) {
    if (node.in_use && node.page != kNone) pages.push_back(node.page);
  }
  return pages;
}

std::optional<std::string> PrefixTree::check(const std::vector<const PrefixPath*>& paths) const {
  std::map<int32_t, int32_t> refs;
  for (const PrefixPath* path : paths) {
    for (size_t i = 0; i < path->size(); ++i) {
      const int32_t node = (*path)[i];
      if (!at(node).in_use || at(node).page == kNone) return "a node is held that has no page";
      ++refs[node];
      if (i > 0 && at(node).parent != (*path)[i - 1]) return "a path leaves its tree";
    }
  }
  int64_t n_evictable = 0;
  std::vector<bool> slots(spill_ == nullptr ? 0 : static_cast<size_t>(spill_->n_slots()), false);
  for (int32_t node = 0; node < std::ssize(nodes_); ++node) {
    const Node& n = at(node);
    if (!n.in_use) continue;
    const auto held = refs.find(node);
    if (n.refs != (held == refs.end() ? 0 : held->second)) return "a node's holders are miscounted";
    if (n.page != kNone && n.refs == 0) ++n_evictable;
    int32_t n_resident = 0;
    for (int32_t c = n.first_child; c != kNone; c = at(c).next) {
      if (at(c).parent != node) return "a child has another parent";
      if (n.parent != kNone && at(c).id <= n.id) return "a child is older than its parent";
      if (at(c).used > n.used && n.parent != kNone) return "a child was used later than its parent";
      n_resident += at(c).page != kNone ? 1 : 0;
      if (at(c).page != kNone && n.parent != kNone && n.page == kNone) {
        return "a page in memory follows one that is not";
      }
    }
    if (n.n_resident != n_resident) return "a node's children are miscounted";
    if (n.parent != kNone && n.page == kNone && n.slot == kNone) return "a node holds nothing";
    const bool evictable = n.page != kNone && n.refs == 0 && n.n_resident == 0;
    if (evictable_.contains({n.used, node}) != evictable) return "the order of eviction is wrong";
    if (n.slot != kNone) {
      if (slots[static_cast<size_t>(n.slot)]) return "two nodes have one slot";
      slots[static_cast<size_t>(n.slot)] = true;
    }
  }
  if (n_evictable != n_evictable_) return "the pages that can be taken are miscounted";
  for (const int32_t slot : free_slots_) {
    if (slots[static_cast<size_t>(slot)]) return "a slot is free and used";
    slots[static_cast<size_t>(slot)] = true;
  }
  if (std::find(slots.begin(), slots.end(), false) != slots.end()) return "a slot is lost";
  return std::nullopt;
}

}  // namespace autoglm
