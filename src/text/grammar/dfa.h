// A regular language as a table: for intersections and differences of what strings may be, which
// automata with alternatives cannot express. Small: made of patterns, and bounded.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "text/grammar/builder.h"
#include "text/grammar/expression.h"

namespace autoglm::grammar {

class Dfa {
 public:
  static constexpr int32_t kMaxStates = 8192;
  static constexpr int32_t kNone = -1;

  // All texts that `e` matches. Precondition: it calls no rules.
  static Result<Dfa> of(const Expression& e, std::string_view where, Work& work);
  // What both, or the first but not the second, match.
  static Result<Dfa> intersection(const Dfa& a, const Dfa& b, std::string_view where, Work& work);
  static Result<Dfa> difference(const Dfa& a, const Dfa& b, std::string_view where, Work& work);
  // Texts of so many characters only; most -1: no bound.
  Result<Dfa> of_length(int64_t least, int64_t most, std::string_view where, Work& work) const;

  // For tables made by hand: a new state, whose number is how many there were, and which goes
  // nowhere yet.
  std::array<int32_t, 256>& add_state(bool accepting) {
    State& state = states_.emplace_back();
    state.next.fill(kNone);
    state.accepting = accepting;
    return state.next;
  }

  bool matches(std::string_view text) const;
  bool empty() const;
  // Adds it between two nodes of a rule. The texts are UTF-8.
  void build(GrammarBuilder& builder, int32_t from, int32_t to, Spelling spelling) const;

 private:
  struct State {
    std::array<int32_t, 256> next;
    bool accepting = false;
  };
  // The states (i, j) that can be reached, accepting where `accept` says so. j may be kNone when
  // `alone` is set: the second has no such text.
  static Result<Dfa> product(const Dfa& a, const Dfa& b, bool alone,
                             const std::function<bool(bool, bool)>& accept, std::string_view where,
                             Work& work);
  static Error too_large(std::string_view where);

  std::vector<State> states_;  // 0: the beginning
};

}  // namespace autoglm::grammar
