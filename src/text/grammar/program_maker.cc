#include "text/grammar/program_maker.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace autoglm::grammar {
namespace {

// Removing empty edges copies the edges behind them: so much work at most.
constexpr size_t kMaxVisits = 20'000'000;
constexpr size_t kMaxEdges = 4'000'000;
constexpr int64_t kStepsOfEdge = 10;

template <class Edge>
void sort_unique(std::vector<Edge>& edges) {
  const auto key = [](const Edge& e) {
    if constexpr (std::is_same_v<Edge, ByteEdge>) {
      return std::tuple(int32_t{e.first}, int32_t{e.last}, e.target);
    } else {
      return std::tuple(e.rule, e.target, int32_t{0});
    }
  };
  std::sort(edges.begin(), edges.end(),
            [&](const Edge& a, const Edge& b) { return key(a) < key(b); });
  edges.erase(std::unique(edges.begin(), edges.end(),
                          [&](const Edge& a, const Edge& b) { return key(a) == key(b); }),
              edges.end());
}

}  // namespace

const std::string& ProgramMaker::name(int32_t rule) const {
  static const std::string kNone;
  return rule >= 0 && rule < builder_.n_rules() ? builder_.rules_[static_cast<size_t>(rule)].name
                                                : kNone;
}

Error ProgramMaker::fault(ErrorCode code, std::string what, std::string expected) const {
  return {.code = code,
          .what = std::move(what),
          .where = std::string(where_),
          .expected = std::move(expected)};
}

std::vector<char> ProgramMaker::nodes_that_end(bool by_bytes) const {
  // An edge that ends at a node, and the rule that must end, too, for it to be of use.
  struct Incoming {
    int32_t from, target, rule;
  };
  std::vector<Incoming> edges;
  std::vector<std::vector<int32_t>> by_target(builder_.nodes_.size());
  std::vector<std::vector<int32_t>> by_rule(static_cast<size_t>(builder_.n_rules()));
  const auto add = [&](int32_t from, int32_t target, int32_t rule) {
    const auto id = static_cast<int32_t>(edges.size());
    edges.push_back({from, target, rule});
    by_target[static_cast<size_t>(target)].push_back(id);
    if (rule >= 0) by_rule[static_cast<size_t>(rule)].push_back(id);
  };
  for (int32_t id = 0; id < builder_.n_nodes(); ++id) {
    const auto& node = builder_.nodes_[static_cast<size_t>(id)];
    if (by_bytes) {
      for (const ByteEdge& edge : node.edges) add(id, edge.target, -1);
    }
    for (const int32_t target : node.empties) add(id, target, -1);
    for (const auto& call : node.calls) add(id, call.target, call.rule);
    if (node.counted < 0) continue;
    const Counted& repetition = builder_.counted_[static_cast<size_t>(node.counted)];
    if (repetition.least == 0 || (by_bytes && repetition.bytes.any())) {
      add(id, repetition.exit, -1);
    } else if (repetition.rule >= 0) {
      add(id, repetition.exit, repetition.rule);
    }
  }
  std::vector<char> ends(builder_.nodes_.size(), 0);
  std::vector<int32_t> work;
  const auto mark = [&](int32_t node) {
    if (std::exchange(ends[static_cast<size_t>(node)], 1) == 0) work.push_back(node);
  };
  for (const auto& rule : builder_.rules_) mark(rule.end);
  while (!work.empty()) {
    const int32_t node = work.back();
    work.pop_back();
    for (const int32_t id : by_target[static_cast<size_t>(node)]) {
      const Incoming& edge = edges[static_cast<size_t>(id)];
      if (edge.rule < 0 || ends[static_cast<size_t>(builder_.begin(edge.rule))]) mark(edge.from);
    }
    const int32_t rule = builder_.rule_of(node);
    if (builder_.begin(rule) != node) continue;
    for (const int32_t id : by_rule[static_cast<size_t>(rule)]) {
      const Incoming& edge = edges[static_cast<size_t>(id)];
      if (ends[static_cast<size_t>(edge.target)]) mark(edge.from);
    }
  }
  return ends;
}

void ProgramMaker::number_repetitions() {
  int32_t next = Program::kFirstCounted;
  counted_ = builder_.counted_;
  for (Counted& repetition : counted_) {
    // Turns that read nothing need not be counted.
    if (repetition.rule >= 0 && empties_[static_cast<size_t>(builder_.begin(repetition.rule))]) {
      repetition.least = 0;
    }
    repetition.first_node = next;
    next += repetition.n_nodes();
  }
}

void ProgramMaker::want(int32_t id) {
  if (Program::is_counted(id)) return;
  if (!std::exchange(flat_[static_cast<size_t>(id)].wanted, true)) pending_.push_back(id);
}

void ProgramMaker::enter_repetition(Flat& flat, const Counted& repetition) const {
  const int32_t target = repetition.first_node + repetition.after(0);
  if (repetition.rule >= 0) {
    if (productive_[static_cast<size_t>(builder_.begin(repetition.rule))]) {
      flat.calls.push_back({repetition.rule, target});
    }
    return;
  }
  for (int first = 0; first < 256; ++first) {
    if (!repetition.bytes[static_cast<size_t>(first)]) continue;
    int last = first;
    while (last < 255 && repetition.bytes[static_cast<size_t>(last + 1)]) ++last;
    flat.edges.push_back({static_cast<uint8_t>(first), static_cast<uint8_t>(last), target});
    first = last;
  }
}

Result<void> ProgramMaker::flatten_node(int32_t id) {
  Flat& flat = flat_[static_cast<size_t>(id)];
  flat.rule = builder_.rule_of(id);
  std::vector<int32_t> seen{id};
  std::vector<char>& mark = scratch_;
  mark[static_cast<size_t>(id)] = 1;
  const auto visit = [&](int32_t next) {
    if (!productive_[static_cast<size_t>(next)]) return;
    if (std::exchange(mark[static_cast<size_t>(next)], 1) == 0) seen.push_back(next);
  };
  for (size_t i = 0; i < seen.size(); ++i) {
    const auto& node = builder_.nodes_[static_cast<size_t>(seen[i])];
    flat.accepting |= builder_.end(flat.rule) == seen[i];
    for (const ByteEdge& edge : node.edges) {
      if (productive_[static_cast<size_t>(edge.target)]) flat.edges.push_back(edge);
    }
    for (const auto& call : node.calls) {
      const int32_t begin = builder_.begin(call.rule);
      if (!productive_[static_cast<size_t>(call.target)] ||
          !productive_[static_cast<size_t>(begin)]) {
        continue;
      }
      flat.calls.push_back({call.rule, call.target});
      if (empties_[static_cast<size_t>(begin)]) visit(call.target);
    }
    for (const int32_t next : node.empties) visit(next);
    if (node.counted < 0) continue;
    const Counted& repetition = counted_[static_cast<size_t>(node.counted)];
    if (!productive_[static_cast<size_t>(repetition.exit)]) continue;
    enter_repetition(flat, repetition);
    want(repetition.exit);
    if (repetition.least == 0) visit(repetition.exit);
  }
  for (const int32_t node : seen) mark[static_cast<size_t>(node)] = 0;
  sort_unique(flat.edges);
  sort_unique(flat.calls);
  n_visits_ += seen.size();
  n_edges_ += flat.edges.size() + flat.calls.size();
  AGLM_TRY(builder_.work().charge(
      kStepsOfEdge * static_cast<int64_t>(seen.size() + flat.edges.size() + flat.calls.size()),
      where_));
  if (n_visits_ > kMaxVisits || n_edges_ > kMaxEdges) {
    return fault(ErrorCode::kTooLarge, "the grammar is too large",
                 fmt::format("at most {} transitions", kMaxEdges));
  }
  for (const ByteEdge& edge : flat.edges) want(edge.target);
  for (const CallEdge& call : flat.calls) {
    want(call.target);
    want(builder_.begin(call.rule));
  }
  return {};
}

Result<void> ProgramMaker::flatten() {
  flat_.resize(builder_.nodes_.size());
  scratch_.assign(builder_.nodes_.size(), 0);
  for (int32_t rule = 0; rule < builder_.n_rules(); ++rule) {
    starts_.push_back(builder_.begin(rule));
    if (rule < builder_.n_prelude_rules_) want(builder_.begin(rule));
  }
  want(builder_.begin(root_));
  while (!pending_.empty()) {
    const int32_t id = pending_.back();
    pending_.pop_back();
    AGLM_TRY(flatten_node(id));
  }
  return {};
}

// First the rules that no other begins with, then those that only these begin with, and so on.
Result<std::vector<int32_t>> ProgramMaker::ranks() const {
  std::vector<int32_t> callers(starts_.size(), 0);
  std::vector<int32_t> result(starts_.size(), 0);
  const auto calls_of = [&](size_t rule) -> const std::vector<CallEdge>& {
    return flat_[static_cast<size_t>(starts_[rule])].calls;
  };
  for (size_t rule = 0; rule < starts_.size(); ++rule) {
    for (const CallEdge& call : calls_of(rule)) ++callers[static_cast<size_t>(call.rule)];
  }
  std::vector<size_t> ready;
  for (size_t rule = 0; rule < starts_.size(); ++rule) {
    if (callers[rule] == 0) ready.push_back(rule);
  }
  for (size_t i = 0; i < ready.size(); ++i) {
    result[ready[i]] = static_cast<int32_t>(i);
    for (const CallEdge& call : calls_of(ready[i])) {
      if (--callers[static_cast<size_t>(call.rule)] == 0) {
        ready.push_back(static_cast<size_t>(call.rule));
      }
    }
  }
  if (ready.size() == starts_.size()) return result;
  const auto stuck = std::find_if(callers.begin(), callers.end(), [](int32_t n) { return n > 0; });
  return left_recursion(static_cast<int32_t>(stuck - callers.begin()));
}

// What the root, or the prelude, comes to.
std::vector<char> ProgramMaker::reachable(bool prelude) const {
  std::vector<char> kept(flat_.size(), 0);
  std::vector<char> kept_repetition(counted_.size(), 0);
  std::vector<int32_t> work;
  const auto keep = [&](int32_t id) {
    if (std::exchange(kept[static_cast<size_t>(id)], 1) == 0) work.push_back(id);
  };
  const auto keep_target = [&](int32_t id) {
    if (!Program::is_counted(id)) return keep(id);
    const auto next = std::upper_bound(
        counted_.begin(), counted_.end(), id,
        [](int32_t node, const Counted& repetition) { return node < repetition.first_node; });
    const auto which = static_cast<size_t>(next - counted_.begin() - 1);
    if (std::exchange(kept_repetition[which], 1) != 0) return;
    keep(counted_[which].exit);
    if (counted_[which].rule >= 0) keep(starts_[static_cast<size_t>(counted_[which].rule)]);
  };
  if (prelude) {
    for (int32_t rule = 0; rule < builder_.n_prelude_rules_; ++rule) {
      keep(starts_[static_cast<size_t>(rule)]);
    }
  } else {
    keep(starts_[static_cast<size_t>(root_)]);
  }
  while (!work.empty()) {
    const Flat& flat = flat_[static_cast<size_t>(work.back())];
    work.pop_back();
    for (const ByteEdge& edge : flat.edges) keep_target(edge.target);
    for (const CallEdge& call : flat.calls) {
      keep_target(call.target);
      keep(starts_[static_cast<size_t>(call.rule)]);
    }
  }
  return kept;
}

Program ProgramMaker::number_nodes(const std::vector<int32_t>& ranks) {
  Program program;
  std::vector<int32_t> number(flat_.size(), -1);
  std::vector<int32_t> order;
  for (const bool prelude : {true, false}) {
    const std::vector<char> kept = reachable(prelude);
    for (size_t id = 0; id < flat_.size(); ++id) {
      if (!kept[id] || number[id] >= 0) continue;
      number[id] = static_cast<int32_t>(order.size());
      order.push_back(static_cast<int32_t>(id));
    }
    if (prelude) program.n_prelude_nodes_ = static_cast<int32_t>(order.size());
  }
  const auto renumbered = [&](int32_t id) {
    return Program::is_counted(id) ? id : number[static_cast<size_t>(id)];
  };
  for (const int32_t id : order) {
    Flat& flat = flat_[static_cast<size_t>(id)];
    program.nodes_.push_back({.first_edge = static_cast<int32_t>(program.edges_.size()),
                              .n_edges = static_cast<int32_t>(flat.edges.size()),
                              .first_call = static_cast<int32_t>(program.calls_.size()),
                              .n_calls = static_cast<int32_t>(flat.calls.size()),
                              .accepting = flat.accepting});
    for (ByteEdge edge : flat.edges) {
      edge.target = renumbered(edge.target);
      program.edges_.push_back(edge);
    }
    for (CallEdge call : flat.calls) {
      call.tail =
          !Program::is_counted(call.target) && flat_[static_cast<size_t>(call.target)].only_ends();
      call.target = renumbered(call.target);
      program.calls_.push_back(call);
    }
  }
  for (size_t rule = 0; rule < starts_.size(); ++rule) {
    program.rules_.push_back(
        {.start = number[static_cast<size_t>(starts_[rule])], .rank = ranks[rule]});
  }
  for (Counted& repetition : counted_) {
    repetition.exit = number[static_cast<size_t>(repetition.exit)];
  }
  if (builder_.n_prelude_counted_ > 0) {
    const Counted& last = counted_[static_cast<size_t>(builder_.n_prelude_counted_ - 1)];
    program.n_prelude_counted_ = last.first_node + last.n_nodes();
  }
  program.counted_ = std::move(counted_);
  program.root_ = root_;
  program.matches_empty_ = empties_[static_cast<size_t>(builder_.begin(root_))] != 0;
  return program;
}

Result<Program> ProgramMaker::run() {
  if (builder_.failure_) {
    Error error = *builder_.failure_;
    if (error.where.empty()) error.where = where_;
    return error;
  }
  productive_ = nodes_that_end(true);
  if (!productive_[static_cast<size_t>(builder_.begin(root_))]) {
    return fault(ErrorCode::kInvalidArgument, "no text can satisfy it");
  }
  empties_ = nodes_that_end(false);
  number_repetitions();
  AGLM_TRY(flatten());
  AGLM_TRY(remove_left_recursion());
  const std::vector<int32_t> order = AGLM_TRY(ranks());
  return number_nodes(order);
}

Result<Program> GrammarBuilder::finish(int32_t root, std::string_view where) const {
  return ProgramMaker(*this, root, where).run();
}

const Counted& Program::counted(int32_t node) const {
  const auto next = std::upper_bound(
      counted_.begin(), counted_.end(), node,
      [](int32_t id, const Counted& repetition) { return id < repetition.first_node; });
  return *(next - 1);
}

size_t Program::size_bytes() const {
  return nodes_.size() * sizeof(Node) + edges_.size() * sizeof(ByteEdge) +
         calls_.size() * sizeof(CallEdge) + rules_.size() * sizeof(Rule) +
         counted_.size() * sizeof(Counted);
}

}  // namespace autoglm::grammar
