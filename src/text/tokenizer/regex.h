// Regular expressions over PCRE2 with its JIT compiler, for patterns and texts that may be hostile:
// pattern size, steps of one match and the work on one text are bounded, and passing a bound is an
// error. Patterns of tokenizer.json are written for Oniguruma; oniguruma.h translates them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "text/tokenizer/span.h"
#include "text/tokenizer/text_work.h"

namespace autoglm {

enum class RegexDialect { kPcre, kOniguruma };

// Immutable after construction: any thread may use it.
class Regex {
 public:
  // `where` names the pattern's source in errors.
  static Result<Regex> compile(std::string_view pattern, std::string_view where,
                               RegexDialect dialect);

  // Appends all matches, left to right, without overlap. `text` must be valid UTF-8.
  Result<void> find_all(std::string_view text, std::vector<Span>& matches, TextWork& work) const;

 private:
  struct Compiled;
  explicit Regex(std::shared_ptr<const Compiled> compiled) : compiled_(std::move(compiled)) {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace autoglm
