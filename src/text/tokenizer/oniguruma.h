// Translates regular expressions from Oniguruma's Ruby syntax, which the reference tokenizers use,
// to PCRE2 with UTF and UCP: the classes \s \w \h \b and POSIX brackets where the two differ,
// nested and intersected classes, the (?m) flag, and {n,m}+ (a repeat of a repeat there, possessive
// here).
#pragma once

#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

Result<std::string> oniguruma_to_pcre(std::string_view pattern, std::string_view where);

}  // namespace autoglm
