#include "text/grammar/dfa.h"

#include <fmt/format.h>

#include <map>
#include <utility>

#include "base/utf8.h"
#include "text/grammar/lazy_automaton.h"

namespace autoglm::grammar {
namespace {

// A state's 256 bytes, each looked up in a tree.
constexpr int64_t kStepsOfState = 256 * 4;

}  // namespace

Error Dfa::too_large(std::string_view where) {
  return {.code = ErrorCode::kTooLarge,
          .what = "patterns and lengths together are too complex",
          .where = std::string(where),
          .expected = fmt::format("an automaton of at most {} states", kMaxStates)};
}

Result<Dfa> Dfa::of(const Expression& e, std::string_view where, Work& work) {
  Dfa dfa;
  GrammarBuilder builder(work);
  const int32_t rule = builder.add_rule("");
  builder.expression(builder.begin(rule), e, builder.end(rule));
  const auto program = builder.finish(rule, where);
  if (!program) {
    if (program.error().code != ErrorCode::kInvalidArgument) return program.error();
    dfa.states_.emplace_back().next.fill(kNone);  // it matches nothing
    return dfa;
  }
  LazyAutomaton automaton(*program);
  std::map<int32_t, int32_t> numbers;
  std::vector<int32_t> states;
  const auto number = [&](int32_t state) {
    if (state == LazyAutomaton::kDead) return kNone;
    const auto [found, is_new] = numbers.emplace(state, static_cast<int32_t>(states.size()));
    if (is_new) states.push_back(state);
    return found->second;
  };
  number(automaton.start());
  for (size_t i = 0; i < states.size(); ++i) {
    if (std::ssize(states) > kMaxStates) return too_large(where);
    const uint64_t before = automaton.work();
    State state;
    state.accepting = automaton.complete(states[i]);
    for (int byte = 0; byte < 256; ++byte) {
      const int32_t next = automaton.next(states[i], static_cast<uint8_t>(byte));
      if (next == LazyAutomaton::kTooLarge) return too_large(where);
      state.next[static_cast<size_t>(byte)] = number(next);
    }
    AGLM_TRY(work.charge(kStepsOfState + static_cast<int64_t>(automaton.work() - before), where));
    dfa.states_.push_back(state);
  }
  return dfa;
}

Result<Dfa> Dfa::product(const Dfa& a, const Dfa& b, bool alone,
                         const std::function<bool(bool, bool)>& accept, std::string_view where,
                         Work& work) {
  Dfa dfa;
  std::map<std::pair<int32_t, int32_t>, int32_t> numbers;
  std::vector<std::pair<int32_t, int32_t>> pairs;
  const auto number = [&](int32_t i, int32_t j) {
    if (i == kNone || (j == kNone && !alone)) return kNone;
    const auto [found, is_new] =
        numbers.emplace(std::pair{i, j}, static_cast<int32_t>(pairs.size()));
    if (is_new) pairs.emplace_back(i, j);
    return found->second;
  };
  number(0, 0);
  for (size_t k = 0; k < pairs.size(); ++k) {
    if (std::ssize(pairs) > kMaxStates) return too_large(where);
    AGLM_TRY(work.charge(kStepsOfState, where));
    const auto [i, j] = pairs[k];
    const State& first = a.states_[static_cast<size_t>(i)];
    const State* second = j == kNone ? nullptr : &b.states_[static_cast<size_t>(j)];
    State state;
    state.accepting = accept(first.accepting, second != nullptr && second->accepting);
    for (size_t byte = 0; byte < 256; ++byte) {
      state.next[byte] = number(first.next[byte], second == nullptr ? kNone : second->next[byte]);
    }
    dfa.states_.push_back(state);
  }
  return dfa;
}

Result<Dfa> Dfa::intersection(const Dfa& a, const Dfa& b, std::string_view where, Work& work) {
  return product(
      a, b, false, [](bool x, bool y) { return x && y; }, where, work);
}

Result<Dfa> Dfa::difference(const Dfa& a, const Dfa& b, std::string_view where, Work& work) {
  return product(
      a, b, true, [](bool x, bool y) { return x && !y; }, where, work);
}

Result<Dfa> Dfa::of_length(int64_t least, int64_t most, std::string_view where, Work& work) const {
  // A counter of characters: bytes that continue one do not count. It stops where it stops
  // mattering.
  const int64_t top = most >= 0 ? most : least;
  if (top >= kMaxStates) return too_large(where);
  Dfa counter;
  for (int64_t n = 0; n <= top; ++n) {
    State state;
    state.accepting = n >= least;
    const auto here = static_cast<int32_t>(n);
    const int32_t next = n < top ? here + 1 : most >= 0 ? kNone : here;
    for (size_t byte = 0; byte < 256; ++byte) {
      state.next[byte] = is_continuation(static_cast<char>(byte)) ? here : next;
    }
    counter.states_.push_back(state);
  }
  return intersection(*this, counter, where, work);
}

bool Dfa::matches(std::string_view text) const {
  int32_t state = 0;
  for (const char c : text) {
    state = states_[static_cast<size_t>(state)].next[static_cast<uint8_t>(c)];
    if (state == kNone) return false;
  }
  return states_[static_cast<size_t>(state)].accepting;
}

bool Dfa::empty() const {
  // Every state can be reached.
  for (const State& state : states_) {
    if (state.accepting) return false;
  }
  return true;
}

void Dfa::build(GrammarBuilder& builder, int32_t from, int32_t to, Spelling spelling) const {
  const int32_t rule = builder.rule_of(from);
  std::vector<int32_t> nodes;
  for (size_t i = 0; i < states_.size() && !builder.failed(); ++i) {
    nodes.push_back(builder.add_node(rule));
  }
  if (builder.failed()) return;
  builder.empty(from, nodes[0]);
  for (size_t i = 0; i < states_.size(); ++i) {
    const State& state = states_[i];
    if (state.accepting) builder.empty(nodes[i], to);
    for (int first = 0; first < 256; ++first) {
      const int32_t next = state.next[static_cast<size_t>(first)];
      if (next == kNone) continue;
      const auto special = [&](int byte) {
        return spelling == Spelling::kJsonString && (byte < 0x20 || byte == '"' || byte == '\\');
      };
      const int32_t target = nodes[static_cast<size_t>(next)];
      if (special(first)) {
        const std::string one(1, static_cast<char>(first));
        builder.expression(nodes[i], *text_of(one), target, spelling);
        continue;
      }
      int last = first;
      while (last < 255 && state.next[static_cast<size_t>(last + 1)] == next &&
             !special(last + 1)) {
        ++last;
      }
      builder.bytes(nodes[i], static_cast<uint8_t>(first), static_cast<uint8_t>(last), target);
      first = last;
    }
  }
}

}  // namespace autoglm::grammar
