// A grammar as its readers leave it: named rules, of which one is the beginning.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "autoglm/result.h"
#include "text/grammar/builder.h"
#include "text/grammar/expression.h"

namespace autoglm::grammar {

class Rules {
 public:
  // The rule's number; its body comes later.
  int32_t number(const std::string& name);
  bool defined(int32_t rule) const { return bodies_[static_cast<size_t>(rule)] != nullptr; }
  void define(int32_t rule, ExpressionPtr body) {
    bodies_[static_cast<size_t>(rule)] = std::move(body);
  }
  const ExpressionPtr& body(int32_t rule) const { return bodies_[static_cast<size_t>(rule)]; }
  const std::string& name(int32_t rule) const { return names_[static_cast<size_t>(rule)]; }
  int32_t size() const { return static_cast<int32_t>(names_.size()); }

  // Adds all that `root` needs to the builder, as a rule that is returned; rules that do not call
  // themselves and are small are written out where they are called. An error when a rule that is
  // needed has no body.
  Result<int32_t> build(GrammarBuilder& builder, const std::string& root,
                        std::string_view where) const;

 private:
  std::vector<std::string> names_;
  std::vector<ExpressionPtr> bodies_;
  std::unordered_map<std::string, int32_t> numbers_;
};

// GBNF as llama.cpp reads it, and the EBNF of XGrammar as far as it is the same; begins at "root".
Result<Rules> parse_gbnf(std::string_view source, std::string_view where);
// Grammars in the notation of the Python library lark; begin at "start".
Result<Rules> parse_lark(std::string_view source, std::string_view where);
// Whichever of the two it is: the first has "::=".
Result<int32_t> build_grammar(GrammarBuilder& builder, std::string_view source,
                              std::string_view where);

}  // namespace autoglm::grammar
