// Text from files, requests and other machines on its way to a log or a terminal: what would move a
// cursor, forge a line, reverse the order of letters or is no UTF-8 is shown as an escape instead.
#pragma once

#include <string>
#include <string_view>

namespace autoglm {

// Of one line: "\n", "\t", "\x1b", "\u202e". Backslashes stay single: it is for reading, not for
// taking back. All other text stays as it is, Chinese too.
std::string visible(std::string_view text);
// Of a text of several lines, such as a model's answer: line ends and tabs stay.
std::string visible_lines(std::string_view text);

}  // namespace autoglm
