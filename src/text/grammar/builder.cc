#include "text/grammar/builder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace autoglm::grammar {
namespace {

// A repetition of at most so many nodes is written out: stepping through it needs no call.
constexpr int32_t kMaxWrittenOut = 48;

// What is built is looked at again, some times, until it is a program.
constexpr int64_t kStepsOfNode = 20;
constexpr int64_t kStepsOfEdge = 10;

// Characters that JSON strings spell with a letter after the backslash.
constexpr std::string_view kShortEscapes = "\b\t\n\f\r\"\\";
constexpr std::string_view kShortLetters = "btnfr\"\\";

// Nodes that a written-out expression takes, at most about `most`.
int32_t cost(const Expression& e, int32_t most) {
  switch (e.kind) {
    case Expression::Kind::kText:
      return static_cast<int32_t>(std::min<size_t>(e.text.size(), 1000));
    case Expression::Kind::kSet: return !e.set.empty() && e.set.ranges().back().last < 0x80 ? 1 : 8;
    case Expression::Kind::kRule: return 1;
    case Expression::Kind::kRepeat: {
      const int32_t n = std::max({e.least, e.most, 1});
      return std::min(most, 100) * std::min(n, 100) > 0
                 ? std::min(1000, cost(*e.parts[0], most) * std::min(n, 1000))
                 : most;
    }
    default: break;
  }
  int32_t sum = 0;
  for (const ExpressionPtr& part : e.parts) {
    if (sum > most) break;
    sum += cost(*part, most);
  }
  return sum;
}

// The bytes of an expression that matches exactly one byte, if it is one.
std::optional<ByteSet> single_byte(const Expression& e, Spelling spelling) {
  ByteSet set;
  const auto plain = [&](char32_t c) {
    return spelling == Spelling::kPlain || (c >= 0x20 && c != '"' && c != '\\');
  };
  if (e.kind == Expression::Kind::kText) {
    if (e.text.size() != 1 || !plain(static_cast<unsigned char>(e.text[0]))) return std::nullopt;
    set.set(static_cast<unsigned char>(e.text[0]));
    return set;
  }
  if (e.kind != Expression::Kind::kSet || e.set.empty()) return std::nullopt;
  for (const CodeRange& range : e.set.ranges()) {
    if (range.last >= 0x80) return std::nullopt;
    for (char32_t c = range.first; c <= range.last; ++c) {
      if (!plain(c)) return std::nullopt;
      set.set(c);
    }
  }
  return set;
}

}  // namespace

std::string spelled(std::string_view text, Spelling spelling) {
  if (spelling == Spelling::kPlain) return std::string(text);
  std::string result;
  for (const char c : text) {
    const size_t letter = kShortEscapes.find(c);
    if (letter != std::string_view::npos) {
      result += {'\\', kShortLetters[letter]};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result;
}

int32_t GrammarBuilder::add_rule(std::string name) {
  const int32_t rule = n_rules();
  rules_.push_back({std::move(name)});
  const int32_t begin = add_node(rule);
  const int32_t end = add_node(rule);
  rules_.back().begin = begin;
  rules_.back().end = end;
  return rule;
}

int32_t GrammarBuilder::add_node(int32_t rule) {
  if (n_nodes() >= kMaxNodes) {
    fail({.code = ErrorCode::kTooLarge,
          .what = "the grammar is too large",
          .expected = fmt::format("at most {} states", kMaxNodes)});
    return rules_[static_cast<size_t>(rule)].end;
  }
  spend(kStepsOfNode);
  nodes_.push_back({.rule = rule});
  return n_nodes() - 1;
}

void GrammarBuilder::fail(Error error) {
  if (!failure_) failure_ = std::move(error);
}

bool GrammarBuilder::spend(int64_t steps) {
  if (!work_.spend(steps)) fail(Work::error(""));
  return !failed();
}

bool GrammarBuilder::count_edge() {
  if (failed() || !spend(kStepsOfEdge)) return false;
  if (++n_edges_ <= kMaxEdges) return true;
  fail({.code = ErrorCode::kTooLarge,
        .what = "the grammar is too large",
        .expected = fmt::format("at most {} transitions", kMaxEdges)});
  return false;
}

void GrammarBuilder::bytes(int32_t from, uint8_t first, uint8_t last, int32_t to) {
  if (count_edge()) nodes_[static_cast<size_t>(from)].edges.push_back({first, last, to});
}

void GrammarBuilder::text(int32_t from, std::string_view spelled, int32_t to) {
  if (spelled.empty()) return empty(from, to);
  for (size_t i = 0; i < spelled.size() && !failed(); ++i) {
    const int32_t next = i + 1 == spelled.size() ? to : add_node(rule_of(from));
    const auto byte = static_cast<uint8_t>(spelled[i]);
    bytes(from, byte, byte, next);
    from = next;
  }
}

void GrammarBuilder::empty(int32_t from, int32_t to) {
  if (count_edge()) nodes_[static_cast<size_t>(from)].empties.push_back(to);
}

void GrammarBuilder::call(int32_t from, int32_t rule, int32_t to) {
  if (count_edge()) nodes_[static_cast<size_t>(from)].calls.push_back({rule, to});
}

void GrammarBuilder::counted(int32_t from, Counted repetition, int32_t to) {
  if (repetition.most == 0) return empty(from, to);
  n_counted_nodes_ += repetition.n_nodes();
  // A node is a number of 31 bits, and a repetition takes one for each count.
  if (repetition.least > kMaxCount || repetition.most > kMaxCount ||
      n_counted_nodes_ > (int64_t{1} << 30)) {
    return fail({.code = ErrorCode::kTooLarge,
                 .what = "a repetition is too long",
                 .expected = fmt::format("at most {} times", kMaxCount),
                 .found = fmt::format("{}", std::max(repetition.least, repetition.most))});
  }
  const int32_t entry = add_node(rule_of(from));
  if (failed()) return;
  empty(from, entry);
  repetition.exit = to;
  nodes_[static_cast<size_t>(entry)].counted = static_cast<int32_t>(counted_.size());
  counted_.push_back(std::move(repetition));
}

void GrammarBuilder::repeated_rule(int32_t from, int32_t rule, int32_t least, int32_t most,
                                   int32_t to) {
  counted(from, {.least = least, .most = most, .rule = rule}, to);
}

void GrammarBuilder::repeated_bytes(int32_t from, const ByteSet& set, int32_t least, int32_t most,
                                    int32_t to) {
  counted(from, {.least = least, .most = most, .bytes = set}, to);
}

void GrammarBuilder::set(int32_t from, const CodePointSet& set, int32_t to, Spelling spelling) {
  CodePointSet plain = set;
  if (spelling == Spelling::kJsonString) {
    CodePointSet raw = CodePointSet::of(0x20, 0x10FFFF);
    CodePointSet special = CodePointSet::of('"', '"');
    special.add('\\', '\\');
    raw = raw.intersection(special.complement());
    plain = set.intersection(raw);
    const CodePointSet escaped = set.intersection(raw.complement());
    for (const CodeRange& range : escaped.ranges()) {
      for (char32_t c = range.first; c <= range.last && !failed(); ++c) {
        const size_t letter = kShortEscapes.find(static_cast<char>(c));
        text(from,
             letter != std::string_view::npos ? fmt::format("\\{}", kShortLetters[letter])
                                              : fmt::format("\\u{:04x}", static_cast<uint32_t>(c)),
             to);
      }
    }
  }
  // Sequences with the same end share its nodes: of the 21-odd sequences of a large set most end in
  // one to three free continuation bytes.
  std::vector<std::pair<std::vector<ByteSequence::Range>, int32_t>> ends;
  for (const ByteSequence& sequence : utf8_sequences(plain)) {
    int32_t next = to;
    std::vector<ByteSequence::Range> tail;
    for (int i = sequence.length - 1; i > 0 && !failed(); --i) {
      const auto range = sequence.bytes[static_cast<size_t>(i)];
      tail.push_back(range);
      if (!spend(static_cast<int64_t>(ends.size()))) return;
      const auto known =
          std::find_if(ends.begin(), ends.end(), [&](const auto& e) { return e.first == tail; });
      if (known != ends.end()) {
        next = known->second;
        continue;
      }
      const int32_t node = add_node(rule_of(from));
      bytes(node, range.first, range.last, next);
      ends.emplace_back(tail, node);
      next = node;
    }
    bytes(from, sequence.bytes[0].first, sequence.bytes[0].last, next);
  }
}

void GrammarBuilder::repeat(int32_t from, const Expression& e, int32_t to, Spelling spelling) {
  const Expression& part = *e.parts[0];
  const int32_t rule = rule_of(from);
  const bool counts = e.least > 1 || e.most > 1;
  if (counts) {
    if (const auto set = single_byte(part, spelling)) {
      return repeated_bytes(from, *set, e.least, e.most, to);
    }
    const int32_t times = std::max(e.least, e.most);
    if (times > kMaxWrittenOut || cost(part, kMaxWrittenOut) * times > kMaxWrittenOut) {
      int32_t repeated = part.kind == Expression::Kind::kRule ? part.rule : -1;
      if (repeated < 0) {
        repeated = add_rule("");
        expression(begin(repeated), part, end(repeated), spelling);
      }
      return repeated_rule(from, repeated, e.least, e.most, to);
    }
  }
  int32_t at = from;
  for (int32_t i = 0; i < e.least && !failed(); ++i) {
    const int32_t next = add_node(rule);
    expression(at, part, next, spelling);
    at = next;
  }
  if (e.most == Expression::kUnbounded) {
    const int32_t loop = add_node(rule);
    empty(at, loop);
    const int32_t after = add_node(rule);
    expression(loop, part, after, spelling);
    empty(after, loop);
    return empty(loop, to);
  }
  for (int32_t i = e.least; i < e.most && !failed(); ++i) {
    empty(at, to);
    const int32_t next = add_node(rule);
    expression(at, part, next, spelling);
    at = next;
  }
  empty(at, to);
}

void GrammarBuilder::expression(int32_t from, const Expression& e, int32_t to, Spelling spelling) {
  if (failed()) return;
  switch (e.kind) {
    case Expression::Kind::kText: return text(from, spelled(e.text, spelling), to);
    case Expression::Kind::kSet: return set(from, e.set, to, spelling);
    case Expression::Kind::kRule: return call(from, e.rule, to);
    case Expression::Kind::kRepeat: return repeat(from, e, to, spelling);
    case Expression::Kind::kChoice: {
      std::vector<Alternative> all;
      for (const ExpressionPtr& part : e.parts) {
        Alternative alternative = alternative_of(*part, spelling);
        if (alternative.text.empty()) {
          expression(from, *part, to, spelling);
        } else {
          all.push_back(std::move(alternative));
        }
      }
      return alternatives(from, std::move(all), to, spelling);
    }
    case Expression::Kind::kSequence: return sequence_from(from, {.parts = &e.parts}, to, spelling);
  }
}

void GrammarBuilder::sequence_from(int32_t from, const Alternative& rest, int32_t to,
                                   Spelling spelling) {
  if (rest.ends()) return empty(from, to);
  for (size_t i = rest.next; i < rest.parts->size(); ++i) {
    const int32_t next = i + 1 == rest.parts->size() ? to : add_node(rule_of(from));
    expression(from, *(*rest.parts)[i], next, spelling);
    from = next;
  }
}

GrammarBuilder::Alternative GrammarBuilder::alternative_of(const Expression& e, Spelling spelling) {
  if (e.kind == Expression::Kind::kText) return {.text = spelled(e.text, spelling)};
  if (e.kind != Expression::Kind::kSequence) return {};
  Alternative alternative{.parts = &e.parts};
  for (const ExpressionPtr& part : e.parts) {
    if (part->kind != Expression::Kind::kText) break;
    alternative.text += spelled(part->text, spelling);
    ++alternative.next;
  }
  return alternative;
}

void GrammarBuilder::texts(int32_t from, const std::vector<std::string>& texts, int32_t to) {
  std::vector<Alternative> all;
  for (const std::string& one : texts) all.push_back({.text = one});
  alternatives(from, std::move(all), to, Spelling::kPlain);
}

// In order, each shares with the one before it the nodes of what both begin with.
void GrammarBuilder::alternatives(int32_t from, std::vector<Alternative> all, int32_t to,
                                  Spelling spelling) {
  std::stable_sort(all.begin(), all.end(),
                   [](const Alternative& a, const Alternative& b) { return a.text < b.text; });
  std::vector<int32_t> path{from};  // by bytes of `before`
  std::string_view before;
  for (size_t i = 0; i < all.size() && !failed(); ++i) {
    const std::string& own = all[i].text;
    const bool goes_on = i + 1 < all.size() && all[i + 1].text.starts_with(own);
    if (all[i].ends() && goes_on && all[i + 1].ends() && all[i + 1].text == own) continue;
    const auto [same, rest] = std::mismatch(before.begin(), before.end(), own.begin(), own.end());
    path.resize(static_cast<size_t>(same - before.begin()) + 1);
    for (auto at = rest; at != own.end(); ++at) {
      const bool last = at + 1 == own.end() && all[i].ends() && !goes_on;
      const int32_t next = last ? to : add_node(rule_of(from));
      const auto byte = static_cast<uint8_t>(*at);
      bytes(path.back(), byte, byte, next);
      path.push_back(next);
    }
    if (path.back() != to) sequence_from(path.back(), all[i], to, spelling);
    before = own;
  }
}

void GrammarBuilder::end_prelude() {
  n_prelude_nodes_ = n_nodes();
  n_prelude_rules_ = n_rules();
  n_prelude_counted_ = static_cast<int32_t>(counted_.size());
}

}  // namespace autoglm::grammar
