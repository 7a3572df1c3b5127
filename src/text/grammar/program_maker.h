// The steps from a builder's rules to a Program: drop what cannot end, remove empty edges, remove
// left recursion, rank the rules, number what is left.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/grammar/builder.h"
#include "text/grammar/program.h"

namespace autoglm::grammar {

class ProgramMaker {
 public:
  ProgramMaker(const GrammarBuilder& builder, int32_t root, std::string_view where)
      : builder_(builder), root_(root), where_(where) {}
  Result<Program> run();

 private:
  // A node without empty edges. Targets are nodes of the builder, or counted ones.
  struct Flat {
    int32_t rule = -1;
    bool wanted = false;
    bool accepting = false;
    std::vector<ByteEdge> edges;
    std::vector<CallEdge> calls;
    bool only_ends() const { return accepting && edges.empty() && calls.empty(); }
  };

  // Nodes from which their rule can end; by reading bytes, or without.
  std::vector<char> nodes_that_end(bool by_bytes) const;
  void number_repetitions();
  Result<void> flatten();
  Result<void> flatten_node(int32_t id);
  void enter_repetition(Flat& flat, const Counted& repetition) const;
  void want(int32_t id);

  // left_recursion.cc
  Result<void> remove_left_recursion();
  std::vector<int32_t> rules_in_cycles() const;
  Result<void> substitute_start(int32_t rule, const std::vector<int32_t>& earlier);
  Result<int32_t> continuation(int32_t rule, int32_t called, int32_t node, int32_t target);
  Result<void> remove_direct_recursion(int32_t rule);
  Result<void> merge(const Flat& from, Flat& into) const;
  Error left_recursion(int32_t rule) const;

  Result<std::vector<int32_t>> ranks() const;
  Program number_nodes(const std::vector<int32_t>& ranks);
  std::vector<char> reachable(bool prelude) const;

  const std::string& name(int32_t rule) const;
  Error fault(ErrorCode code, std::string what, std::string expected = {}) const;

  const GrammarBuilder& builder_;
  const int32_t root_;
  const std::string_view where_;
  std::vector<char> productive_, empties_;
  std::vector<Counted> counted_;
  std::vector<Flat> flat_;
  std::vector<int32_t> starts_;  // of each rule, and of rules made here
  std::vector<int32_t> pending_;
  std::vector<std::pair<std::pair<int32_t, int32_t>, int32_t>> derived_;
  std::vector<char> scratch_;  // a mark for each node
  size_t n_visits_ = 0;
  size_t n_edges_ = 0;
};

}  // namespace autoglm::grammar
