// Runs a Program byte by byte. A state is all the places at which the grammar may be: pairs of a
// node and a frame, where a frame says where to go on when the rule under way has ended (a node of
// a caller and the caller's own frame; several where callers are in doubt). States and frames with
// equal contents are one object, so that what was once worked out is looked up when a text comes
// to the same place again: a transition of a known state is one load from a table.
//
// Work and memory: a state has at most kMaxItems places; a step costs their edges. Everything made
// stays until the automaton goes; size_bytes() tells its owner when to begin a new one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "text/grammar/program.h"

namespace autoglm::grammar {

class LazyAutomaton {
 public:
  static constexpr int32_t kDead = 0;      // nothing may follow, and this is no end
  static constexpr int32_t kTooLarge = 1;  // more than kMaxItems places: like dead, but a fault
  static constexpr int32_t kRootFrame = 0;
  static constexpr size_t kMaxItems = 2048;

  struct Item {
    int32_t node = 0;
    int32_t frame = 0;
    bool operator==(const Item&) const = default;
  };

  // `program` must outlive it.
  explicit LazyAutomaton(const Program& program);
  LazyAutomaton(const LazyAutomaton&) = delete;
  LazyAutomaton& operator=(const LazyAutomaton&) = delete;

  const Program& program() const { return program_; }
  int32_t start();
  // After `byte`.
  int32_t next(int32_t state, uint8_t byte) {
    const std::array<int32_t, 256>* table = tables_[static_cast<size_t>(state)].get();
    if (table != nullptr && (*table)[byte] >= 0) return (*table)[byte];
    return compute(state, byte);
  }
  // The text may end here.
  bool complete(int32_t state) const { return states_[static_cast<size_t>(state)].complete; }
  // Something may follow.
  bool continues(int32_t state) const { return states_[static_cast<size_t>(state)].n_items > 0; }
  // Places, by frame; of each frame, nodes in order. A copy: what asks for them makes new states.
  std::vector<Item> items(int32_t state) const {
    const State& s = states_[static_cast<size_t>(state)];
    const auto first = items_.begin() + s.first_item;
    return {first, first + s.n_items};
  }
  // The state in which the rule of a frame has just ended.
  int32_t popped(int32_t frame);
  // The state of these places, of which none has an end that is not looked at yet.
  int32_t state_of(std::vector<Item> items);

  // Copies a state of another automaton of the same program.
  int32_t import(const LazyAutomaton& other, int32_t state);

  int32_t n_states() const { return static_cast<int32_t>(states_.size()); }
  size_t size_bytes() const { return size_bytes_; }
  // Steps (work.h) since the beginning; what is looked up in tables costs none.
  uint64_t work() const { return work_; }

 private:
  using Table = std::array<int32_t, 256>;
  struct State {
    uint32_t first_item = 0, n_items = 0;
    uint32_t first_move = 0, n_moves = 0;
    bool complete = false;
    bool expanded = false;  // moves are known
  };
  struct Frame {
    uint32_t first_item = 0, n_items = 0;  // where to go on
    int32_t popped = -1;
    uint64_t popped_at = 0;  // the last step at which a rule with this frame ended
  };

  int32_t compute(int32_t state, uint8_t byte);
  void expand(int32_t state);
  void predict(const Item& item, std::vector<Item>& moves);
  int32_t frame_of(std::vector<Item>& items);
  int32_t intern(std::vector<Item>& items, bool complete);
  void begin_step();
  void add_place(Item item);
  int32_t import_frame(const LazyAutomaton& other, int32_t frame,
                       std::unordered_map<int32_t, int32_t>& known);
  static uint64_t hash_of(const std::vector<Item>& items, uint64_t seed);
  bool has_moves(int32_t node) const;

  const Program& program_;
  std::vector<State> states_;
  std::vector<std::unique_ptr<Table>> tables_;  // of each state, once it was asked
  std::vector<Frame> frames_;
  std::vector<Item> items_;        // of states, one after the other
  std::vector<Item> moves_;        // of states: places with edges by bytes
  std::vector<Item> frame_items_;  // of frames
  std::unordered_multimap<uint64_t, int32_t> state_ids_, frame_ids_;
  size_t size_bytes_ = 0;
  uint64_t work_ = 0;

  // Work space of one step.
  std::vector<Item> places_;
  bool complete_ = false;
  uint64_t step_ = 0;  // number of the step
  struct PendingCall {
    int32_t rank, rule;
    Item back;
  };
  std::vector<PendingCall> pending_;
};

}  // namespace autoglm::grammar
