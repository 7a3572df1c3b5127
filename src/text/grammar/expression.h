// What the readers of regular expressions and grammars produce: a tree of what text may be. It
// speaks of characters; the builder (builder.h) turns it into automata over bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "text/grammar/code_points.h"

namespace autoglm::grammar {

struct Expression;
using ExpressionPtr = std::shared_ptr<const Expression>;

struct Expression {
  enum class Kind {
    kText,      // `text`, valid UTF-8; empty: matches the empty text
    kSet,       // one character of `set`; of none: matches nothing
    kSequence,  // `parts`, one after the other
    kChoice,    // one of `parts`
    kRepeat,    // parts[0], `least` to `most` times
    kRule,      // what rule number `rule` derives
  };
  static constexpr int32_t kUnbounded = -1;

  Kind kind = Kind::kText;
  std::string text;
  CodePointSet set;
  std::vector<ExpressionPtr> parts;
  int32_t least = 0;
  int32_t most = kUnbounded;
  int32_t rule = -1;
};

ExpressionPtr text_of(std::string text);
ExpressionPtr one_of(CodePointSet set);
ExpressionPtr sequence(std::vector<ExpressionPtr> parts);
ExpressionPtr choice(std::vector<ExpressionPtr> parts);
ExpressionPtr repeat(ExpressionPtr part, int32_t least, int32_t most);
ExpressionPtr rule_reference(int32_t rule);

}  // namespace autoglm::grammar
