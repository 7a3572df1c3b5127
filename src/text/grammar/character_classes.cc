// What \d, \w, \s and \p{..} stand for. The first three are ASCII but for \s, as in ECMAScript.
#include <utf8proc.h>

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "text/grammar/regex_syntax.h"

namespace autoglm::grammar {
namespace {

// In the order of utf8proc_category_t.
constexpr std::array<std::string_view, 30> kCategories = {
    "Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps",
    "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kLongNames = {{
    {"Letter", "L"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Mark", "M"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"Punctuation", "P"},
    {"Symbol", "S"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Other", "C"},
    {"Control", "Cc"},
}};

CodePointSet of_category(std::string_view name) {
  CodePointSet set;
  char32_t first = 0;
  bool inside = false;
  for (char32_t c = 0; c <= 0x110000; ++c) {
    const bool member =
        c < 0x110000 &&
        kCategories[static_cast<size_t>(utf8proc_category(static_cast<utf8proc_int32_t>(c)))]
            .starts_with(name);
    if (member && !inside) first = c;
    if (!member && inside) set.add(first, c - 1);
    inside = member;
  }
  return set;
}

}  // namespace

CodePointSet digit_characters() { return CodePointSet::of('0', '9'); }

CodePointSet word_characters() {
  CodePointSet set = digit_characters();
  set.add('A', 'Z');
  set.add('_', '_');
  set.add('a', 'z');
  return set;
}

CodePointSet space_characters() {
  CodePointSet set = CodePointSet::of('\t', '\r');
  for (const char32_t c : {0x20, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF}) {
    set.add(c, c);
  }
  set.add(0x2000, 0x200A);
  return set;
}

std::optional<CodePointSet> property_characters(std::string_view name) {
  for (const std::string_view prefix : {"General_Category=", "gc="}) {
    if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
  }
  for (const auto& [spelled, category] : kLongNames) {
    if (name == spelled) name = category;
  }
  if (name == "Any") return CodePointSet::all();
  if (name == "ASCII") return CodePointSet::of(0, 0x7F);
  bool known = false;
  for (const std::string_view category : kCategories) {
    known |= !name.empty() && category.starts_with(name);
  }
  if (!known) return std::nullopt;
  // Looking at every character there is takes some milliseconds; there are few categories.
  static std::mutex mutex;
  static std::map<std::string, CodePointSet, std::less<>> sets;
  const std::lock_guard lock(mutex);
  const auto found = sets.find(name);
  if (found != sets.end()) return found->second;
  return sets.emplace(std::string(name), of_category(name)).first->second;
}

}  // namespace autoglm::grammar
