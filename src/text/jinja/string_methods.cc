// Python's str methods: strip, split, replace, find, case... Positions are code points.
#include <fmt/format.h>

#include "base/search.h"
#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/split.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

template <std::string (*change)(std::string_view)>
Result<Value> changed(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("case method", arguments, {}));
  AGLM_TRY(interpreter.spend_scan(self.text()));
  return interpreter.make_string(change(self.text()));
}

template <Side side>
Result<Value> strip(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("strip", arguments, {"/chars"}));
  AGLM_TRY(interpreter.spend_scan(self.text()));
  if (bound[0] == nullptr || bound[0]->is_none()) {
    return interpreter.make_string(std::string(strip_spaces(self.text(), side)));
  }
  const std::string_view characters = AGLM_TRY(string_argument("strip", *bound[0]));
  AGLM_TRY(interpreter.spend_scan(characters));
  return interpreter.make_string(std::string(strip_any(self.text(), characters, side)));
}

// The arguments of find, count, startswith...: what is searched, and its part of the string.
struct Search {
  std::string_view text;  // between start and end
  int64_t offset = 0;     // of start, in code points
  bool valid = true;      // start is not behind the end of the string
};

Result<Search> search_part(Interpreter& interpreter, std::string_view function, const Value& self,
                           const Value* start, const Value* end) {
  Search search;
  search.text = self.text();
  AGLM_TRY(interpreter.spend(static_cast<int64_t>(search.text.size())));  // to place start and end
  const int64_t length = self.text_length();
  const auto position = [&](const Value* v, int64_t otherwise) -> Result<int64_t> {
    if (v == nullptr || v->is_none()) return otherwise;
    int64_t at = AGLM_TRY(integer_argument(function, *v));
    return at < 0 ? std::max<int64_t>(at + length, 0) : at;
  };
  const int64_t from = AGLM_TRY(position(start, 0));
  const int64_t to = std::min(AGLM_TRY(position(end, length)), length);
  search.valid = from <= to && from <= length;
  search.offset = from;
  if (!search.valid) {
    search.text = {};
  } else if (from > 0 || to < length) {
    const size_t begin = byte_offset(search.text, from);
    search.text = search.text.substr(begin, byte_offset(search.text.substr(begin), to - from));
  }
  return search;
}

template <bool from_end, bool must_find>
Result<Value> find(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("find", arguments, {"/sub", "/start", "/end"}, 1));
  const std::string_view needle = AGLM_TRY(string_argument("find", *bound[0]));
  const Search search = AGLM_TRY(search_part(interpreter, "find", self, bound[1], bound[2]));
  AGLM_TRY(interpreter.spend_search(search.text, needle));
  const size_t at = from_end ? find_last_text(search.text, needle) : find_text(search.text, needle);
  if (!search.valid || at == std::string_view::npos) {
    if (must_find) return template_error("substring not found");
    return Value::integer(-1);
  }
  return Value::integer(search.offset + count_code_points(search.text.substr(0, at)));
}

Result<Value> count(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("count", arguments, {"/sub", "/start", "/end"}, 1));
  const std::string_view needle = AGLM_TRY(string_argument("count", *bound[0]));
  const Search search = AGLM_TRY(search_part(interpreter, "count", self, bound[1], bound[2]));
  if (!search.valid) return Value::integer(0);
  if (needle.empty()) return Value::integer(count_code_points(search.text) + 1);
  AGLM_TRY(interpreter.spend_search(search.text, needle));
  int64_t n = 0;
  for (size_t at = find_text(search.text, needle); at != std::string_view::npos;
       at = find_text(search.text, needle, at + needle.size())) {
    ++n;
  }
  return Value::integer(n);
}

template <bool at_end>
Result<Value> has_affix(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const std::string_view name = at_end ? "endswith" : "startswith";
  const Bound bound = AGLM_TRY(bind(name, arguments, {"/affix", "/start", "/end"}, 1));
  const Search search = AGLM_TRY(search_part(interpreter, name, self, bound[1], bound[2]));
  const auto matches = [&](std::string_view affix) {
    return search.valid && (at_end ? search.text.ends_with(affix) : search.text.starts_with(affix));
  };
  if (bound[0]->is(Kind::kTuple)) {
    for (const Value& affix : bound[0]->items()) {
      AGLM_TRY(interpreter.spend(static_cast<int64_t>(search.text.size())));
      if (matches(AGLM_TRY(string_argument(name, affix)))) return Value::boolean(true);
    }
    return Value::boolean(false);
  }
  return Value::boolean(matches(AGLM_TRY(string_argument(name, *bound[0]))));
}

Result<Value> replace(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("replace", arguments, {"/old", "/new", "/count"}, 2));
  const std::string_view from = AGLM_TRY(string_argument("replace", *bound[0]));
  const std::string_view to = AGLM_TRY(string_argument("replace", *bound[1]));
  const int64_t limit = bound[2] == nullptr ? -1 : AGLM_TRY(integer_argument("replace", *bound[2]));
  return interpreter.make_string(AGLM_TRY(replace_text(interpreter, self.text(), from, to, limit)));
}

Result<Value> join(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("join", arguments, {"/iterable"}, 1));
  std::string out;
  bool first = true;
  for (const Value& item : AGLM_TRY(interpreter.collect(*bound[0]))) {
    if (!item.is_string()) {
      return template_error(
          fmt::format("sequence item: expected str instance, {} found", type_name(item)));
    }
    if (!first) out += self.text();
    first = false;
    out += item.text();
    AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
  }
  return interpreter.make_string(std::move(out));
}

template <bool from_end>
Result<Value> split(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("split", arguments, {"sep", "maxsplit"}));
  const int64_t limit = bound[1] == nullptr ? -1 : AGLM_TRY(integer_argument("split", *bound[1]));
  const std::string_view text = self.text();
  if (bound[0] == nullptr || bound[0]->is_none()) {
    return make_parts(interpreter,
                      AGLM_TRY(from_end ? split_spaces_from_end(interpreter, text, limit)
                                        : split_spaces(interpreter, text, limit)));
  }
  const std::string_view separator = AGLM_TRY(string_argument("split", *bound[0]));
  if (separator.empty()) return template_error("empty separator");
  return make_parts(interpreter,
                    AGLM_TRY(from_end ? split_from_end(interpreter, text, separator, limit)
                                      : split_text(interpreter, text, separator, limit)));
}

Result<Value> splitlines(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("splitlines", arguments, {"keepends"}));
  const bool keep = bound[0] != nullptr && truth(*bound[0]);
  return make_parts(interpreter, AGLM_TRY(split_lines(interpreter, self.text(), keep)));
}

template <bool from_end>
Result<Value> partition(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("partition", arguments, {"/sep"}, 1));
  const std::string_view separator = AGLM_TRY(string_argument("partition", *bound[0]));
  if (separator.empty()) return template_error("empty separator");
  const std::string_view text = self.text();
  AGLM_TRY(interpreter.spend_search(text, separator));
  const size_t at = from_end ? find_last_text(text, separator) : find_text(text, separator);
  std::vector<Value> parts(3, Value::string(""));
  if (at == std::string_view::npos) {
    parts[from_end ? 2 : 0] = self;
  } else {
    parts[0] = AGLM_TRY(interpreter.make_string(std::string(text.substr(0, at))));
    parts[1] = *bound[0];
    parts[2] = AGLM_TRY(interpreter.make_string(std::string(text.substr(at + separator.size()))));
  }
  return interpreter.make_tuple(std::move(parts));
}

template <bool at_end>
Result<Value> remove_affix(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("removeprefix", arguments, {"/affix"}, 1));
  const std::string_view affix = AGLM_TRY(string_argument("removeprefix", *bound[0]));
  std::string_view text = self.text();
  if (at_end && text.ends_with(affix)) {
    text.remove_suffix(affix.size());
  } else if (!at_end && text.starts_with(affix)) {
    text.remove_prefix(affix.size());
  }
  return interpreter.make_string(std::string(text));
}

enum class Align { kLeft, kRight, kCenter };

template <Align align>
Result<Value> pad(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("ljust", arguments, {"/width", "/fillchar"}, 1));
  const int64_t width = AGLM_TRY(integer_argument("ljust", *bound[0]));
  const Value fill = bound[1] == nullptr ? Value::string(" ") : *bound[1];
  if (!fill.is_string() || fill.text_length() != 1) {
    return template_error("The fill character must be exactly one character long");
  }
  AGLM_TRY(interpreter.check_bytes(width));
  AGLM_TRY(interpreter.check_bytes(width * static_cast<int64_t>(fill.text().size())));
  const int64_t missing = std::max<int64_t>(width - self.text_length(), 0);
  // Python's center puts the odd space on the left when the width is odd.
  const int64_t left = align == Align::kLeft    ? 0
                       : align == Align::kRight ? missing
                                                : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < left; ++i) out += fill.text();
  out += self.text();
  for (int64_t i = left; i < missing; ++i) out += fill.text();
  return interpreter.make_string(std::move(out));
}

Result<Value> zfill(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("zfill", arguments, {"/width"}, 1));
  const int64_t width = AGLM_TRY(integer_argument("zfill", *bound[0]));
  AGLM_TRY(interpreter.check_bytes(width));
  const std::string_view text = self.text();
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const int64_t missing = std::max<int64_t>(width - self.text_length(), 0);
  return interpreter.make_string(std::string(text.substr(0, sign)) +
                                 std::string(static_cast<size_t>(missing), '0') +
                                 std::string(text.substr(sign)));
}

Result<Value> expand_tabs(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("expandtabs", arguments, {"tabsize"}));
  const int64_t size =
      bound[0] == nullptr ? 8 : AGLM_TRY(integer_argument("expandtabs", *bound[0]));
  AGLM_TRY(interpreter.spend_scan(self.text()));
  std::string out;
  int64_t column = 0;
  for (size_t at = 0; at < self.text().size();) {
    const size_t begin = at;
    const char32_t code = next_code_point(self.text(), at);
    if (code == '\t') {
      const int64_t spaces = size > 0 ? size - column % size : 0;
      AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
      AGLM_TRY(interpreter.check_bytes(spaces));
      out.append(static_cast<size_t>(spaces), ' ');
      column += spaces;
    } else {
      out += self.text().substr(begin, at - begin);
      column = code == '\n' || code == '\r' ? 0 : column + 1;
    }
  }
  return interpreter.make_string(std::move(out));
}

Result<Value> format(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  return interpreter.make_string(AGLM_TRY(format_braces(interpreter, self.text(), arguments)));
}

constexpr BuiltinEntry kStringMethods[] = {
    {"strip", strip<Side::kBoth>},
    {"lstrip", strip<Side::kLeft>},
    {"rstrip", strip<Side::kRight>},
    {"split", split<false>},
    {"rsplit", split<true>},
    {"splitlines", splitlines},
    {"startswith", has_affix<false>},
    {"endswith", has_affix<true>},
    {"replace", replace},
    {"upper", changed<to_upper>},
    {"lower", changed<to_lower>},
    {"title", changed<to_title>},
    {"capitalize", changed<to_capitalized>},
    {"swapcase", changed<swap_case>},
    {"casefold", changed<to_lower>},
    {"find", find<false, false>},
    {"rfind", find<true, false>},
    {"index", find<false, true>},
    {"rindex", find<true, true>},
    {"count", count},
    {"join", join},
    {"format", format},
    {"partition", partition<false>},
    {"rpartition", partition<true>},
    {"removeprefix", remove_affix<false>},
    {"removesuffix", remove_affix<true>},
    {"ljust", pad<Align::kLeft>},
    {"rjust", pad<Align::kRight>},
    {"center", pad<Align::kCenter>},
    {"zfill", zfill},
    {"expandtabs", expand_tabs},
};

}  // namespace

std::span<const BuiltinEntry> string_methods() { return kStringMethods; }

}  // namespace autoglm::jinja
