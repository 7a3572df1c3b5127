// A rule that begins with itself, "sum ::= sum '+' term | term", would be predicted without end.
// Directly: what follows the inner sum may follow any sum, so "sum ::= term ('+' term)*". Through
// other rules: these are put in an order, and where a rule begins with an earlier one, what that
// one begins with takes its place (Paull's algorithm), until only direct recursion is left.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "text/grammar/program_maker.h"

namespace autoglm::grammar {
namespace {

// The order of the rules can make the substitution explode; real grammars need a few dozen nodes.
constexpr size_t kMaxMadeNodes = 20'000;

}  // namespace

Error ProgramMaker::left_recursion(int32_t rule) const {
  Error error = fault(ErrorCode::kUnsupported, "left recursion that cannot be removed");
  if (!name(rule).empty()) error.found = fmt::format("rule {}", name(rule));
  return error;
}

Result<void> ProgramMaker::merge(const Flat& from, Flat& into) const {
  AGLM_TRY(builder_.work().charge(
      static_cast<int64_t>((from.edges.size() + 1) * (from.edges.size() + into.edges.size() + 1) +
                           (from.calls.size() + 1) * (from.calls.size() + into.calls.size() + 1)),
      where_));
  for (const ByteEdge& edge : from.edges) {
    if (std::find(into.edges.begin(), into.edges.end(), edge) == into.edges.end()) {
      into.edges.push_back(edge);
    }
  }
  for (const CallEdge& call : from.calls) {
    if (std::find(into.calls.begin(), into.calls.end(), call) == into.calls.end()) {
      into.calls.push_back(call);
    }
  }
  into.accepting |= from.accepting;
  return {};
}

// Rules that begin, directly or through others, with themselves, or lie between two such.
std::vector<int32_t> ProgramMaker::rules_in_cycles() const {
  const size_t n = starts_.size();
  std::vector<std::vector<int32_t>> callers(n), called(n);
  for (size_t rule = 0; rule < n; ++rule) {
    for (const CallEdge& call : flat_[static_cast<size_t>(starts_[rule])].calls) {
      called[rule].push_back(call.rule);
      callers[static_cast<size_t>(call.rule)].push_back(static_cast<int32_t>(rule));
    }
  }
  std::vector<char> left(n, 1);
  const auto peel = [&](const auto& forward, const auto& backward) {
    std::vector<size_t> degree(n), work;
    for (size_t rule = 0; rule < n; ++rule) {
      degree[rule] = static_cast<size_t>(
          std::count_if(backward[rule].begin(), backward[rule].end(),
                        [&](int32_t other) { return left[static_cast<size_t>(other)] != 0; }));
      if (left[rule] && degree[rule] == 0) work.push_back(rule);
    }
    while (!work.empty()) {
      const size_t rule = work.back();
      work.pop_back();
      left[rule] = 0;
      for (const int32_t other : forward[rule]) {
        if (left[static_cast<size_t>(other)] && --degree[static_cast<size_t>(other)] == 0) {
          work.push_back(static_cast<size_t>(other));
        }
      }
    }
  };
  peel(called, callers);
  peel(callers, called);
  std::vector<int32_t> result;
  for (size_t rule = 0; rule < n; ++rule) {
    if (left[rule]) result.push_back(static_cast<int32_t>(rule));
  }
  return result;
}

// The node of `rule` at which `called` has been read up to `node`, to go on at `target` after it.
Result<int32_t> ProgramMaker::continuation(int32_t rule, int32_t called, int32_t node,
                                           int32_t target) {
  if (Program::is_counted(node)) return left_recursion(rule);
  if (flat_[static_cast<size_t>(node)].only_ends()) return target;
  if (flat_.size() > builder_.nodes_.size() + kMaxMadeNodes) return left_recursion(rule);
  AGLM_TRY(builder_.work().charge(static_cast<int64_t>(derived_.size()) + 1, where_));
  const std::pair<int32_t, int32_t> key{called, node};
  auto known = std::find_if(derived_.begin(), derived_.end(),
                            [&](const auto& entry) { return entry.first == key; });
  if (known == derived_.end()) {
    derived_.push_back({key, static_cast<int32_t>(starts_.size())});
    starts_.push_back(node);
    known = derived_.end() - 1;
  }
  Flat made{.rule = rule, .wanted = true};
  made.calls.push_back({known->second, target});
  if (flat_[static_cast<size_t>(node)].accepting) {
    if (Program::is_counted(target)) return left_recursion(rule);
    AGLM_TRY(merge(flat_[static_cast<size_t>(target)], made));
  }
  flat_.push_back(std::move(made));
  return static_cast<int32_t>(flat_.size() - 1);
}

Result<void> ProgramMaker::substitute_start(int32_t rule, const std::vector<int32_t>& earlier) {
  const auto start = static_cast<size_t>(starts_[static_cast<size_t>(rule)]);
  for (size_t n_steps = 0;; ++n_steps) {
    std::vector<CallEdge>& calls = flat_[start].calls;
    const auto found = std::find_if(calls.begin(), calls.end(), [&](const CallEdge& call) {
      return std::find(earlier.begin(), earlier.end(), call.rule) != earlier.end();
    });
    if (found == calls.end()) return {};
    if (n_steps > 1000) return left_recursion(rule);
    AGLM_TRY(builder_.work().charge(static_cast<int64_t>(calls.size() * earlier.size()), where_));
    const CallEdge call = *found;
    calls.erase(found);
    const Flat begin = flat_[static_cast<size_t>(starts_[static_cast<size_t>(call.rule)])];
    Flat replaced;
    for (ByteEdge edge : begin.edges) {
      edge.target = AGLM_TRY(continuation(rule, call.rule, edge.target, call.target));
      replaced.edges.push_back(edge);
    }
    for (CallEdge inner : begin.calls) {
      inner.target = AGLM_TRY(continuation(rule, call.rule, inner.target, call.target));
      replaced.calls.push_back(inner);
    }
    AGLM_TRY(merge(replaced, flat_[start]));
  }
}

Result<void> ProgramMaker::remove_direct_recursion(int32_t rule) {
  Flat& start = flat_[static_cast<size_t>(starts_[static_cast<size_t>(rule)])];
  AGLM_TRY(builder_.work().charge(static_cast<int64_t>(flat_.size()), where_));
  Flat follows;
  for (const CallEdge& call : start.calls) {
    if (call.rule != rule) continue;
    if (Program::is_counted(call.target)) return left_recursion(rule);
    const Flat& target = flat_[static_cast<size_t>(call.target)];
    follows.edges.insert(follows.edges.end(), target.edges.begin(), target.edges.end());
    follows.calls.insert(follows.calls.end(), target.calls.begin(), target.calls.end());
  }
  std::erase_if(start.calls, [&](const CallEdge& call) { return call.rule == rule; });
  for (Flat& node : flat_) {
    if (node.rule == rule && node.wanted && node.accepting) AGLM_TRY(merge(follows, node));
  }
  return {};
}

Result<void> ProgramMaker::remove_left_recursion() {
  const std::vector<int32_t> rules = rules_in_cycles();
  std::vector<int32_t> earlier;
  for (const int32_t rule : rules) {
    AGLM_TRY(substitute_start(rule, earlier));
    AGLM_TRY(remove_direct_recursion(rule));
    earlier.push_back(rule);
  }
  return {};
}

}  // namespace autoglm::grammar
