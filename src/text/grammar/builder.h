// Builds a Program: rules, nodes in them, edges by bytes, by rules and by nothing. What comes out
// has no empty edges, no left recursion and no node from which a rule cannot end.
//
// Faults (a limit passed, a rule that derives nothing) are kept until finish(), so that code which
// builds need not look after each call; once there is one, nothing more is added.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "text/grammar/expression.h"
#include "text/grammar/program.h"
#include "text/grammar/work.h"

namespace autoglm::grammar {

// How the characters of an expression are spelled in the text.
enum class Spelling {
  kPlain,       // as they are
  kJsonString,  // inside a JSON string: what must be escaped there is escaped, nothing else is
};

std::string spelled(std::string_view text, Spelling spelling);

class GrammarBuilder {
 public:
  // Everything that is built at request of a caller is bounded.
  static constexpr int32_t kMaxNodes = 400'000;
  static constexpr int32_t kMaxEdges = 2'000'000;
  static constexpr int32_t kMaxCount = 1'000'000;  // of a repetition

  // `work` must outlive it.
  explicit GrammarBuilder(Work& work) : work_(work) {}
  Work& work() const { return work_; }

  // A node that belongs to a rule is where that rule begins, ends or is in between.
  int32_t add_rule(std::string name);
  int32_t n_rules() const { return static_cast<int32_t>(rules_.size()); }
  int32_t begin(int32_t rule) const { return rules_[static_cast<size_t>(rule)].begin; }
  int32_t end(int32_t rule) const { return rules_[static_cast<size_t>(rule)].end; }
  int32_t add_node(int32_t rule);
  int32_t rule_of(int32_t node) const { return nodes_[static_cast<size_t>(node)].rule; }

  // Edges go between nodes of one rule.
  void bytes(int32_t from, uint8_t first, uint8_t last, int32_t to);
  void text(int32_t from, std::string_view bytes, int32_t to);
  // Any one of them; what they begin with alike is built once, so that a text is in one place.
  void texts(int32_t from, const std::vector<std::string>& alternatives, int32_t to);
  void empty(int32_t from, int32_t to);
  void call(int32_t from, int32_t rule, int32_t to);
  void expression(int32_t from, const Expression& e, int32_t to,
                  Spelling spelling = Spelling::kPlain);
  // `rule`, or a byte of `set`, `least` to `most` times; most -1: no bound.
  void repeated_rule(int32_t from, int32_t rule, int32_t least, int32_t most, int32_t to);
  void repeated_bytes(int32_t from, const ByteSet& set, int32_t least, int32_t most, int32_t to);

  void fail(Error error);
  bool failed() const { return failure_.has_value(); }
  int32_t n_nodes() const { return static_cast<int32_t>(nodes_.size()); }

  // All built so far is the prelude: it is kept whole, and numbered alike in every grammar that
  // begins with it.
  void end_prelude();
  // `where`: for errors. An error when the grammar derives no text at all.
  Result<Program> finish(int32_t root, std::string_view where) const;

 private:
  friend class ProgramMaker;
  struct Call {
    int32_t rule = 0;
    int32_t target = 0;
  };
  struct Node {
    int32_t rule = 0;
    int32_t counted = -1;  // the beginning of this repetition
    std::vector<ByteEdge> edges;
    std::vector<Call> calls;
    std::vector<int32_t> empties;
  };
  struct Rule {
    std::string name;
    int32_t begin = 0, end = 0;
  };
  // One alternative: a text, then `parts` from number `next` on, if there are any.
  struct Alternative {
    std::string text;
    const std::vector<ExpressionPtr>* parts = nullptr;
    size_t next = 0;
    bool ends() const { return parts == nullptr || next == parts->size(); }
  };
  static Alternative alternative_of(const Expression& e, Spelling spelling);
  void alternatives(int32_t from, std::vector<Alternative> all, int32_t to, Spelling spelling);
  void sequence_from(int32_t from, const Alternative& rest, int32_t to, Spelling spelling);
  bool spend(int64_t steps);
  bool count_edge();
  void set(int32_t from, const CodePointSet& set, int32_t to, Spelling spelling);
  void repeat(int32_t from, const Expression& e, int32_t to, Spelling spelling);
  void counted(int32_t from, Counted repetition, int32_t to);

  Work& work_;
  std::vector<Node> nodes_;
  std::vector<Rule> rules_;
  std::vector<Counted> counted_;
  int32_t n_edges_ = 0;
  int64_t n_counted_nodes_ = 0;
  int32_t n_prelude_nodes_ = 0, n_prelude_rules_ = 0, n_prelude_counted_ = 0;
  std::optional<Error> failure_;
};

}  // namespace autoglm::grammar
