// JSON Schema's "format": the texts of each, as a regular expression. Some take less than the
// format allows (docs/structured-output.md lists them); none takes more.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace autoglm::grammar {

enum class FormatKind {
  kEnforced,
  kNotOffered,  // defined by the draft, and not enforceable here
  kAnnotation,  // not among the draft's: says something to people and other programs
};

struct StringFormat {
  FormatKind kind = FormatKind::kAnnotation;
  std::string expression;  // of the whole string, when enforced
};

StringFormat string_format(std::string_view name);

}  // namespace autoglm::grammar
