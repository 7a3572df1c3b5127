// Characters that Unicode 15 and 16 added to the properties tokenizers split by. PCRE2 10.42 knows
// Unicode 14, the reference tokenizers know Unicode 16: without these a newer ideograph would be no
// letter. Not a property database: a PCRE2 that knows a character already loses nothing.
#pragma once

#include <string_view>

namespace autoglm {

// Items for a regular expression's class, "" for a property without additions. Knows general
// categories by their short names and the script Han.
std::string_view unicode_additions(std::string_view property);

}  // namespace autoglm
