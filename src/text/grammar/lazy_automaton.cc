#include "text/grammar/lazy_automaton.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace autoglm::grammar {
namespace {

// Before the same places are found to be one.
constexpr size_t kMaxPlaces = 16 * LazyAutomaton::kMaxItems;

// Steps (work.h). A state has a table of a kilobyte; a place is sorted, compared and kept.
constexpr uint64_t kStepsOfState = 300;
constexpr uint64_t kStepsOfPlace = 20;

bool before(const LazyAutomaton::Item& a, const LazyAutomaton::Item& b) {
  return a.frame != b.frame ? a.frame < b.frame : a.node < b.node;
}

void sort_unique(std::vector<LazyAutomaton::Item>& items) {
  if (items.size() < 2) return;
  std::sort(items.begin(), items.end(), before);
  items.erase(std::unique(items.begin(), items.end()), items.end());
}

}  // namespace

LazyAutomaton::LazyAutomaton(const Program& program) : program_(program) {
  states_.resize(2);  // kDead, kTooLarge
  tables_.resize(2);
  for (std::unique_ptr<Table>& table : tables_) table = std::make_unique<Table>();
  tables_[kDead]->fill(kDead);
  tables_[kTooLarge]->fill(kTooLarge);
  frames_.resize(1);  // kRootFrame: nowhere
}

int32_t LazyAutomaton::start() {
  std::vector<Item> items{{program_.rule(program_.root()).start, kRootFrame}};
  return intern(items, program_.matches_empty());
}

bool LazyAutomaton::has_moves(int32_t node) const {
  if (Program::is_counted(node)) {
    const Counted& repetition = program_.counted(node);
    return repetition.repeats(node - repetition.first_node);
  }
  const Program::Node& n = program_.node(node);
  return n.n_edges > 0 || n.n_calls > 0;
}

void LazyAutomaton::begin_step() {
  places_.clear();
  complete_ = false;
  ++step_;
}

// Adds a place that was just reached, and those to which ends of rules lead from there.
void LazyAutomaton::add_place(Item item) {
  const size_t first = places_.size();
  places_.push_back(item);
  for (size_t i = first; i < places_.size() && places_.size() <= kMaxPlaces; ++i) {
    const Item place = places_[i];
    if (Program::is_counted(place.node)) {
      const Counted& repetition = program_.counted(place.node);
      if (place.node - repetition.first_node >= repetition.least) {
        places_.push_back({repetition.exit, place.frame});
      }
      continue;
    }
    if (!program_.node(place.node).accepting) continue;
    if (place.frame == kRootFrame) {
      complete_ = true;
      continue;
    }
    // Parses that differ only in how they came here meet again: each frame ends once.
    Frame& frame = frames_[static_cast<size_t>(place.frame)];
    if (std::exchange(frame.popped_at, step_) == step_) continue;
    const auto back = frame_items_.begin() + frame.first_item;
    places_.insert(places_.end(), back, back + frame.n_items);
  }
}

int32_t LazyAutomaton::state_of(std::vector<Item> items) {
  begin_step();
  for (const Item& item : items) add_place(item);
  return intern(places_, complete_);
}

int32_t LazyAutomaton::popped(int32_t frame) {
  const Frame f = frames_[static_cast<size_t>(frame)];
  if (f.popped >= 0) return f.popped;
  const auto first = frame_items_.begin() + f.first_item;
  const int32_t state = state_of({first, first + f.n_items});
  frames_[static_cast<size_t>(frame)].popped = state;
  return state;
}

uint64_t LazyAutomaton::hash_of(const std::vector<Item>& items, uint64_t seed) {
  uint64_t hash = seed;
  for (const Item& item : items) {
    hash ^= static_cast<uint64_t>(static_cast<uint32_t>(item.node)) << 32 |
            static_cast<uint32_t>(item.frame);
    hash *= 0x9E3779B97F4A7C15;
    hash ^= hash >> 29;
  }
  return hash;
}

int32_t LazyAutomaton::intern(std::vector<Item>& items, bool complete) {
  if (items.size() > kMaxPlaces) return kTooLarge;
  std::erase_if(items, [&](const Item& item) { return !has_moves(item.node); });
  sort_unique(items);
  work_ += kStepsOfState + kStepsOfPlace * items.size();
  if (items.size() > kMaxItems) return kTooLarge;
  if (items.empty() && !complete) return kDead;
  const uint64_t hash = hash_of(items, complete ? 2 : 1);
  const auto [first, last] = state_ids_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const State& s = states_[static_cast<size_t>(it->second)];
    if (s.complete == complete && s.n_items == items.size() &&
        std::equal(items.begin(), items.end(), items_.begin() + s.first_item)) {
      return it->second;
    }
  }
  const int32_t id = n_states();
  states_.push_back({.first_item = static_cast<uint32_t>(items_.size()),
                     .n_items = static_cast<uint32_t>(items.size()),
                     .complete = complete});
  tables_.emplace_back();
  items_.insert(items_.end(), items.begin(), items.end());
  state_ids_.emplace(hash, id);
  // A hash table's entry is about 40 bytes.
  size_bytes_ += sizeof(State) + sizeof(void*) + items.size() * sizeof(Item) + 40;
  return id;
}

int32_t LazyAutomaton::frame_of(std::vector<Item>& items) {
  sort_unique(items);
  work_ += kStepsOfState + kStepsOfPlace * items.size();
  const uint64_t hash = hash_of(items, 3);
  const auto [first, last] = frame_ids_.equal_range(hash);
  for (auto it = first; it != last; ++it) {
    const Frame& f = frames_[static_cast<size_t>(it->second)];
    if (f.n_items == items.size() &&
        std::equal(items.begin(), items.end(), frame_items_.begin() + f.first_item)) {
      return it->second;
    }
  }
  const auto id = static_cast<int32_t>(frames_.size());
  frames_.push_back({.first_item = static_cast<uint32_t>(frame_items_.size()),
                     .n_items = static_cast<uint32_t>(items.size())});
  frame_items_.insert(frame_items_.end(), items.begin(), items.end());
  frame_ids_.emplace(hash, id);
  size_bytes_ += sizeof(Frame) + items.size() * sizeof(Item) + 40;
  return id;
}

// Notes a place's calls; where a call is the last thing of its rule, the called rule takes the
// caller's frame over, so that a list written by recursion at its end needs no stack.
void LazyAutomaton::predict(const Item& item, std::vector<Item>& moves) {
  std::vector<Item> places{item};
  for (size_t i = 0; i < places.size(); ++i) {
    const Item place = places[i];
    work_ += kStepsOfPlace;
    const auto call = [&](int32_t rule, int32_t target, bool tail) {
      const Program::Rule& called = program_.rule(rule);
      if (tail) {
        const Item begin{called.start, place.frame};
        work_ += places.size();
        if (std::find(places.begin(), places.end(), begin) == places.end()) {
          places.push_back(begin);
        }
      } else {
        work_ += kStepsOfPlace;
        pending_.push_back({called.rank, rule, {target, place.frame}});
      }
    };
    if (Program::is_counted(place.node)) {
      const Counted& repetition = program_.counted(place.node);
      const int32_t count = place.node - repetition.first_node;
      if (!repetition.repeats(count)) continue;
      if (repetition.rule < 0) {
        moves.push_back(place);
      } else {
        call(repetition.rule, repetition.first_node + repetition.after(count), false);
      }
      continue;
    }
    const Program::Node& node = program_.node(place.node);
    if (node.n_edges > 0) moves.push_back(place);
    for (const CallEdge& edge : program_.calls(node)) call(edge.rule, edge.target, edge.tail);
  }
}

// Rules by rank: when one's turn comes, all that begin with it have been seen, and so all of its
// frame is known.
void LazyAutomaton::expand(int32_t state) {
  std::vector<Item> moves, backs;
  pending_.clear();
  for (uint32_t i = 0; i < states_[static_cast<size_t>(state)].n_items; ++i) {
    predict(items_[states_[static_cast<size_t>(state)].first_item + i], moves);
  }
  const auto later = [](const PendingCall& a, const PendingCall& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.rule > b.rule;
  };
  std::make_heap(pending_.begin(), pending_.end(), later);
  while (!pending_.empty() && moves.size() <= kMaxItems && pending_.size() <= 16 * kMaxItems) {
    const int32_t rule = pending_.front().rule;
    backs.clear();
    while (!pending_.empty() && pending_.front().rule == rule) {
      backs.push_back(pending_.front().back);
      std::pop_heap(pending_.begin(), pending_.end(), later);
      pending_.pop_back();
    }
    const int32_t frame = frame_of(backs);
    const size_t known = pending_.size();
    predict({program_.rule(rule).start, frame}, moves);
    for (size_t n = known + 1; n <= pending_.size(); ++n) {
      std::push_heap(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(n), later);
    }
  }
  State& s = states_[static_cast<size_t>(state)];
  s.expanded = true;
  if (!pending_.empty() || moves.size() > kMaxItems) {
    tables_[static_cast<size_t>(state)] = std::make_unique<Table>();
    tables_[static_cast<size_t>(state)]->fill(kTooLarge);
    return;
  }
  sort_unique(moves);
  s.first_move = static_cast<uint32_t>(moves_.size());
  s.n_moves = static_cast<uint32_t>(moves.size());
  moves_.insert(moves_.end(), moves.begin(), moves.end());
  tables_[static_cast<size_t>(state)] = std::make_unique<Table>();
  tables_[static_cast<size_t>(state)]->fill(-1);
  size_bytes_ += sizeof(Table) + moves.size() * sizeof(Item);
}

// Also fills in the bytes around `byte` that all edges treat alike.
int32_t LazyAutomaton::compute(int32_t state, uint8_t byte) {
  if (!states_[static_cast<size_t>(state)].expanded) {
    expand(state);
    const int32_t known = (*tables_[static_cast<size_t>(state)])[byte];
    if (known >= 0) return known;
  }
  const State s = states_[static_cast<size_t>(state)];
  int first = 0, last = 255;
  begin_step();
  work_ += 256 + s.n_moves;
  for (uint32_t i = 0; i < s.n_moves; ++i) {
    const Item place = moves_[s.first_move + i];
    if (Program::is_counted(place.node)) {
      const Counted& repetition = program_.counted(place.node);
      const bool member = repetition.bytes[byte];
      int low = byte, high = byte;
      while (low > first && repetition.bytes[static_cast<size_t>(low - 1)] == member) --low;
      while (high < last && repetition.bytes[static_cast<size_t>(high + 1)] == member) ++high;
      first = low;
      last = high;
      if (member) {
        const int32_t count = place.node - repetition.first_node;
        add_place({repetition.first_node + repetition.after(count), place.frame});
      }
      continue;
    }
    const Program::Node& node = program_.node(place.node);
    work_ += static_cast<uint64_t>(node.n_edges);
    for (const ByteEdge& edge : program_.edges(node)) {
      if (byte < edge.first) {
        last = std::min(last, edge.first - 1);
      } else if (byte > edge.last) {
        first = std::max(first, edge.last + 1);
      } else {
        first = std::max<int>(first, edge.first);
        last = std::min<int>(last, edge.last);
        add_place({edge.target, place.frame});
      }
    }
    if (places_.size() > kMaxPlaces) break;
  }
  const int32_t target = intern(places_, complete_);
  Table& table = *tables_[static_cast<size_t>(state)];
  if (target == kTooLarge) {  // perhaps before all edges were looked at
    table[byte] = target;
  } else {
    std::fill(table.begin() + first, table.begin() + last + 1, target);
  }
  return target;
}

int32_t LazyAutomaton::import_frame(const LazyAutomaton& other, int32_t frame,
                                    std::unordered_map<int32_t, int32_t>& known) {
  // Frames point to older frames only: in order of age all that one needs is there.
  std::vector<int32_t> order, work{frame};
  std::unordered_map<int32_t, bool> seen;
  while (!work.empty()) {
    const int32_t id = work.back();
    work.pop_back();
    if (id == kRootFrame || known.contains(id) || !seen.emplace(id, true).second) continue;
    order.push_back(id);
    const Frame& f = other.frames_[static_cast<size_t>(id)];
    for (uint32_t i = 0; i < f.n_items; ++i) {
      work.push_back(other.frame_items_[f.first_item + i].frame);
    }
  }
  std::sort(order.begin(), order.end());
  known.emplace(kRootFrame, kRootFrame);
  for (const int32_t id : order) {
    const Frame& f = other.frames_[static_cast<size_t>(id)];
    std::vector<Item> items;
    for (uint32_t i = 0; i < f.n_items; ++i) {
      const Item item = other.frame_items_[f.first_item + i];
      items.push_back({item.node, known.at(item.frame)});
    }
    known.emplace(id, frame_of(items));
  }
  return known.at(frame);
}

int32_t LazyAutomaton::import(const LazyAutomaton& other, int32_t state) {
  if (state == kDead || state == kTooLarge) return state;
  std::unordered_map<int32_t, int32_t> known;
  std::vector<Item> items;
  for (const Item& item : other.items(state)) {
    items.push_back({item.node, import_frame(other, item.frame, known)});
  }
  return intern(items, other.complete(state));
}

}  // namespace autoglm::grammar
