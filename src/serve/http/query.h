// The query of a request's target.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace autoglm::serve {

using QueryParameters = std::vector<std::pair<std::string, std::string>>;

// "a=1&b=x%20y+z" in order, percent-decoded, '+' as a space (WHATWG URL, application/
// x-www-form-urlencoded); a name may come again. Nothing: an escape is broken, or there are more
// than 1000.
std::optional<QueryParameters> query_parameters(std::string_view query);

// `text` with its escapes decoded; nothing: one is broken.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace autoglm::serve
