// What every grammar of JSON begins with: white space, strings, numbers and values of any kind.
// These rules are built first and alike each time, so that what is known of them (which of 150,000
// tokens may stand inside a string) is worked out once for a vocabulary.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "autoglm/generation.h"
#include "text/grammar/builder.h"

namespace autoglm::grammar {

struct JsonPrelude {
  static constexpr int32_t kNothing = -1;
  // White space, or kNothing. By default `space` is none, and the others are at most one space: no
  // answer is then longer than 1.5 times what it must be (docs/decisions/0121).
  int32_t gap = kNothing;         // behind a comma, a colon or the brace that opens an object
  int32_t gap_at_end = kNothing;  // between the last member of an object and its brace
  int32_t space = kNothing;       // elsewhere between two tokens, and at the end
  int32_t character = 0;          // one character of a string, escaped or not
  int32_t string = 0, number = 0, integer = 0;
  int32_t object = 0, array = 0, value = 0;
};

// Precondition: nothing was built before. An error when the wish's white space is none.
Result<JsonPrelude> build_json_prelude(GrammarBuilder& builder, const StructuredOutput& wish = {});
// `rule`, or nothing where it is kNothing.
void add_space(GrammarBuilder& builder, int32_t from, int32_t rule, int32_t to);

}  // namespace autoglm::grammar
