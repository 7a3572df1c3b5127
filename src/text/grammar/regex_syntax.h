// Regular expressions as people write them, to expressions: the common part of ECMAScript's, Rust's
// and Python's syntax. What is not regular (backreferences), or looks around, is refused by name.
#pragma once

#include <optional>
#include <string_view>

#include "autoglm/result.h"
#include "text/grammar/expression.h"
#include "text/grammar/reader.h"

namespace autoglm::grammar {

struct RegexOptions {
  // The expression is looked for anywhere in the text, as JSON Schema's "pattern" is; otherwise it
  // must match the whole of it.
  bool anywhere = false;
  bool ignore_case = false;  // ASCII letters
  bool dot_all = false;      // '.' also stands for line ends
};

Result<ExpressionPtr> parse_regex(std::string_view source, std::string_view where,
                                  RegexOptions options = {});

// The members of \d, \w, \s and of \p{NAME}; nullopt for names that there are not.
CodePointSet digit_characters();
CodePointSet word_characters();
CodePointSet space_characters();
std::optional<CodePointSet> property_characters(std::string_view name);

}  // namespace autoglm::grammar
