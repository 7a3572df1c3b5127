// What every grammar of JSON begins with: white space, strings, numbers and values of any kind.
// These rules are built first and alike each time, so that what is known of them (which of 150,000
// tokens may stand inside a string) is worked out once for a vocabulary.
#pragma once

#include <cstdint>

#include "text/grammar/builder.h"

namespace autoglm::grammar {

// Between any two tokens of JSON there may be so many white space characters: enough for deep
// indentation, and a model that has fallen into a loop of spaces comes out of it.
inline constexpr int32_t kMaxJsonSpaces = 64;

struct JsonPrelude {
  int32_t space = 0;      // 0 to kMaxJsonSpaces of " ", \t, \n, \r
  int32_t character = 0;  // one character of a string, escaped or not
  int32_t string = 0, number = 0, integer = 0;
  int32_t object = 0, array = 0, value = 0;
};

// Precondition: nothing was built before.
JsonPrelude build_json_prelude(GrammarBuilder& builder);

}  // namespace autoglm::grammar
