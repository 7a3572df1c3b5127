// What recognizers of names and addresses know by heart: surnames, provinces, cities, and the words
// around names. Lists, no rules.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "guard/redact/window.h"

namespace autoglm::guard::redact {

// What may begin at a Han character.
enum HanBegin : uint8_t {
  kBeginsSurname = 1,
  kBeginsRegion = 2,
  kBeginsPlate = 4,
  kIsNumeral = 8,
  kEndsNameWord = 16,  // it may be the last of a word that names follow, as 名
  kBeginsSuffix = 32,  // of a part of an address, as 区
};
uint8_t han_begins(char32_t code);

// Characters of the surname that begins at `at`: 1, 2, or 0.
size_t surname(const Window& window, size_t at);
// Of the province or city there, with or without 省 or 市; 0: none.
size_t region(const Window& window, size_t at);
// Of a title that follows a name: 先生, 女士, 老师.
size_t title(const Window& window, size_t at);
// Whether a word that names follow ends `skip` characters before the window's place: 姓名, 联系人.
bool name_word_before(const Window& window, size_t skip);
// Words that begin as names do: 高兴, 马上, 方便.
bool is_no_name(const Window& window, size_t at);
// A character that hardly stands in a given name: 的, 是, 在.
bool is_function_character(char32_t code);

}  // namespace autoglm::guard::redact
