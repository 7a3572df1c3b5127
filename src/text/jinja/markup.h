// HTML escaping, as markupsafe does it, for the few templates that ask for it.
#pragma once

#include <string>
#include <string_view>

namespace autoglm::jinja {

std::string escape_markup(std::string_view text);
// Without tags and comments, entities resolved, whitespace collapsed.
std::string strip_tags(std::string_view text);

}  // namespace autoglm::jinja
