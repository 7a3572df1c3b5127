// A grammar ready to run: one automaton over bytes for each rule, whose edges are taken by a byte
// or by everything that another rule derives. Immutable; made by GrammarBuilder (builder.h), run by
// LazyAutomaton (lazy_automaton.h).
//
// There are no empty edges and no left recursion: what begins a rule is a byte, or a rule of higher
// rank. A counted repetition ("x{0,1000}") is not written out: its nodes are numbers that stand for
// a repetition and a count.
#pragma once

#include <bitset>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace autoglm::grammar {

using ByteSet = std::bitset<256>;

struct ByteEdge {
  uint8_t first = 0;
  uint8_t last = 0;
  int32_t target = 0;
  bool operator==(const ByteEdge&) const = default;
};

struct CallEdge {
  int32_t rule = 0;
  int32_t target = 0;
  bool tail = false;  // nothing can follow at `target`: the called rule ends the caller, too
  bool operator==(const CallEdge&) const = default;
};

// A repetition of a byte from a set or, where `rule` is not -1, of a rule. Node first_node + c: c
// of them have been read. Without an upper bound, c stops growing at `least`.
struct Counted {
  int32_t first_node = 0;
  int32_t least = 0;
  int32_t most = 0;  // -1: no bound
  ByteSet bytes;
  int32_t rule = -1;
  int32_t exit = 0;  // where it goes on after at least `least`

  int32_t n_nodes() const { return (most < 0 ? least : most) + 1; }
  bool repeats(int32_t count) const { return most < 0 || count < most; }
  int32_t after(int32_t count) const { return most < 0 && count >= least ? count : count + 1; }
};

class Program {
 public:
  static constexpr int32_t kFirstCounted = 1 << 28;

  struct Node {
    int32_t first_edge = 0, n_edges = 0;
    int32_t first_call = 0, n_calls = 0;
    bool accepting = false;  // the rule may end here
  };
  struct Rule {
    int32_t start = 0;
    int32_t rank = 0;  // rules that begin with a call of another have a lower one
  };

  static bool is_counted(int32_t node) { return node >= kFirstCounted; }
  const Node& node(int32_t id) const { return nodes_[static_cast<size_t>(id)]; }
  std::span<const ByteEdge> edges(const Node& node) const {
    return std::span(edges_).subspan(static_cast<size_t>(node.first_edge),
                                     static_cast<size_t>(node.n_edges));
  }
  std::span<const CallEdge> calls(const Node& node) const {
    return std::span(calls_).subspan(static_cast<size_t>(node.first_call),
                                     static_cast<size_t>(node.n_calls));
  }
  const Rule& rule(int32_t id) const { return rules_[static_cast<size_t>(id)]; }
  // Precondition: is_counted(node).
  const Counted& counted(int32_t node) const;
  int32_t root() const { return root_; }
  bool matches_empty() const { return matches_empty_; }
  // Nodes and repetitions that every grammar with the same prelude numbers alike: those below.
  int32_t n_prelude_nodes() const { return n_prelude_nodes_; }
  int32_t n_prelude_counted() const { return n_prelude_counted_; }
  size_t size_bytes() const;

 private:
  friend class ProgramMaker;
  std::vector<Node> nodes_;
  std::vector<ByteEdge> edges_;
  std::vector<CallEdge> calls_;
  std::vector<Rule> rules_;
  std::vector<Counted> counted_;
  int32_t root_ = 0;
  bool matches_empty_ = false;
  int32_t n_prelude_nodes_ = 0;
  int32_t n_prelude_counted_ = kFirstCounted;
};

}  // namespace autoglm::grammar
