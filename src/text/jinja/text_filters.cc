// Filters that work on text: case, trim, replace, indent, join, default, tojson...
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/format.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/json_text.h"
#include "text/jinja/lookup.h"
#include "text/jinja/markup.h"
#include "text/jinja/split.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

// Bytes of work for a value, or 64 code points of one: decoding, escapes, indentation.
constexpr int64_t kJsonCost = 1024;

template <std::string (*change)(std::string_view)>
Result<Value> changed(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("case filter", arguments, {}));
  const std::string text = AGLM_TRY(interpreter.to_text(self));
  AGLM_TRY(interpreter.spend_scan(text));
  return interpreter.make_string(change(text));
}

// jinja2's own title: words begin after whitespace, '-', and opening brackets only.
std::string title_words(std::string_view text) {
  std::string out;
  size_t begin = 0;
  const auto separates = [](char32_t code) {
    return is_space(code) || code == '-' || code == '(' || code == '{' || code == '[' ||
           code == '<';
  };
  while (begin < text.size()) {
    size_t end = begin;
    size_t at = begin;
    const bool separator = separates(next_code_point(text, at));
    while (end < text.size()) {
      at = end;
      if (separates(next_code_point(text, at)) != separator) break;
      end = at;
    }
    const std::string_view word = text.substr(begin, end - begin);
    size_t first = 0;
    next_code_point(word, first);
    out += to_upper(word.substr(0, first)) + to_lower(word.substr(first));
    begin = end;
  }
  return out;
}

Result<Value> string(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("string", arguments, {}));
  if (self.is_string()) return self;
  return interpreter.make_string(AGLM_TRY(interpreter.to_text(self)));
}

Result<Value> trim(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("trim", arguments, {"chars"}));
  const std::string text = AGLM_TRY(interpreter.to_text(self));
  AGLM_TRY(interpreter.spend_scan(text));
  if (bound[0] == nullptr || bound[0]->is_none()) {
    return interpreter.make_string(std::string(strip_spaces(text, Side::kBoth)));
  }
  const std::string_view characters = AGLM_TRY(string_argument("trim", *bound[0]));
  AGLM_TRY(interpreter.spend_scan(characters));
  return interpreter.make_string(std::string(strip_any(text, characters, Side::kBoth)));
}

Result<Value> replace(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("replace", arguments, {"old", "new", "count"}, 2));
  const std::string text = AGLM_TRY(interpreter.to_text(self));
  const std::string from = AGLM_TRY(interpreter.to_text(*bound[0]));
  const std::string to = AGLM_TRY(interpreter.to_text(*bound[1]));
  int64_t limit = -1;
  if (bound[2] != nullptr && !bound[2]->is_none()) {
    limit = AGLM_TRY(integer_argument("replace", *bound[2]));
  }
  return interpreter.make_string(AGLM_TRY(replace_text(interpreter, text, from, to, limit)));
}

Result<Value> indent(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("indent", arguments, {"width", "first", "blank"}));
  if (self.is_undefined()) return template_error(self.undefined_message());
  if (!self.is_string())
    return template_error(fmt::format("indent() needs a string, not {}", type_name(self)));
  std::string space(4, ' ');
  if (bound[0] != nullptr && bound[0]->is_string()) {
    space = bound[0]->text();
  } else if (bound[0] != nullptr) {
    const int64_t width = std::max<int64_t>(AGLM_TRY(integer_argument("indent", *bound[0])), 0);
    AGLM_TRY(interpreter.check_bytes(width));
    space.assign(static_cast<size_t>(width), ' ');
  }
  const bool first = bound[1] != nullptr && truth(*bound[1]);
  const bool blank = bound[2] != nullptr && truth(*bound[2]);
  const std::string text = std::string(self.text()) + "\n";  // so that a last empty line counts
  const Parts lines = AGLM_TRY(split_lines(interpreter, text, false));
  std::string out = first ? space : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) {
      out += "\n";
      if (blank || !lines[i].empty()) out += space;
    }
    out += lines[i];
    AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
  }
  return interpreter.make_string(std::move(out));
}

Result<Value> join(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("join", arguments, {"d", "attribute"}));
  const std::string between = bound[0] == nullptr ? "" : AGLM_TRY(interpreter.to_text(*bound[0]));
  const AttributePath path = AGLM_TRY(AttributePath::parse(interpreter, bound[1]));
  Cursor cursor = AGLM_TRY(Cursor::over(self));
  std::string out;
  Value item;
  for (bool first = true; AGLM_TRY(cursor.next(interpreter, item)); first = false) {
    if (!first) out += between;
    const Value part = AGLM_TRY(path.look_up(interpreter, item));
    out += AGLM_TRY(interpreter.to_text(part));
    AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
  }
  return interpreter.make_string(std::move(out));
}

Result<Value> default_value(Interpreter&, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("default", arguments, {"default_value", "boolean"}));
  const bool boolean = bound[1] != nullptr && truth(*bound[1]);
  if (!self.is_undefined() && !(boolean && !truth(self))) return self;
  return bound[0] == nullptr ? Value::string("") : *bound[0];
}

Result<Value> format(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    return template_error("can't handle positional and keyword arguments at the same time");
  }
  const std::string text = AGLM_TRY(interpreter.to_text(self));
  Value values;
  if (arguments.named.empty()) {
    values = AGLM_TRY(interpreter.make_tuple(std::move(arguments.positional)));
  } else {
    auto dict = std::make_shared<Dict>();
    for (auto& [name, v] : arguments.named) dict->set(name, std::move(v));
    values = AGLM_TRY(interpreter.make_dict(std::move(dict)));
  }
  return interpreter.make_string(AGLM_TRY(format_percent(interpreter, text, values)));
}

Result<Value> center(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound = AGLM_TRY(bind("center", arguments, {"width"}));
  const Value width = bound[0] == nullptr ? Value::integer(80) : *bound[0];
  std::string plain = AGLM_TRY(interpreter.to_text(self));
  const Value text = AGLM_TRY(interpreter.make_string(std::move(plain)));
  return interpreter.apply(find_method(text, "center").builtin, text, {{width}, {}});
}

Result<Value> truncate(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound =
      AGLM_TRY(bind("truncate", arguments, {"length", "killwords", "end", "leeway"}));
  const int64_t length =
      bound[0] == nullptr ? 255 : AGLM_TRY(integer_argument("truncate", *bound[0]));
  const bool cut_words = bound[1] != nullptr && truth(*bound[1]);
  const std::string_view end =
      bound[2] == nullptr ? "..." : AGLM_TRY(string_argument("truncate", *bound[2]));
  const int64_t leeway = bound[3] == nullptr || bound[3]->is_none()
                             ? 5
                             : AGLM_TRY(integer_argument("truncate", *bound[3]));
  const int64_t end_length = count_code_points(end);
  if (length < end_length || leeway < 0) return template_error("truncate() length is too small");
  const int64_t size = length_of(self);
  if (size >= 0 && (size <= length || size - length <= leeway)) return self;
  const std::string_view text = AGLM_TRY(string_argument("truncate", self));
  std::string_view kept = text.substr(0, byte_offset(text, length - end_length));
  if (!cut_words) kept = AGLM_TRY(split_from_end(interpreter, kept, " ", 1))[0];
  return interpreter.make_string(std::string(kept) + std::string(end));
}

Result<Value> word_count(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("wordcount", arguments, {}));
  const std::string text = AGLM_TRY(interpreter.to_text(self));
  AGLM_TRY(interpreter.spend_scan(text));
  int64_t n = 0;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const bool word = is_word(next_code_point(text, at));
    if (word && !inside) ++n;
    inside = word;
  }
  return Value::integer(n);
}

Result<Value> json_filter(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  const Bound bound =
      AGLM_TRY(bind("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"}));
  JsonStyle style;
  style.ensure_ascii = bound[0] != nullptr && truth(*bound[0]);
  style.sort_keys = bound[3] != nullptr && truth(*bound[3]);
  if (bound[1] != nullptr && !bound[1]->is_none()) {
    if (bound[1]->is_string()) {
      style.indent = bound[1]->text();
    } else {
      const int64_t width = AGLM_TRY(integer_argument("tojson", *bound[1]));
      AGLM_TRY(interpreter.check_bytes(width));
      style.indent = std::string(static_cast<size_t>(std::max<int64_t>(width, 0)), ' ');
    }
    style.item_separator = ",";
  }
  if (bound[2] != nullptr && !bound[2]->is_none()) {
    const std::vector<Value> parts = AGLM_TRY(interpreter.collect(*bound[2]));
    if (parts.size() != 2) return template_error("tojson() separators must be two strings");
    style.item_separator = AGLM_TRY(string_argument("tojson", parts[0]));
    style.key_separator = AGLM_TRY(string_argument("tojson", parts[1]));
  }
  AGLM_TRY(interpreter.spend(self.weight() * kJsonCost));
  return interpreter.make_string(AGLM_TRY(to_json(interpreter, self, style)));
}

constexpr BuiltinEntry kTextFilters[] = {
    {"upper", changed<to_upper>},
    {"lower", changed<to_lower>},
    {"capitalize", changed<to_capitalized>},
    {"title", changed<title_words>},
    {"string", string},
    {"trim", trim},
    {"replace", replace},
    {"indent", indent},
    {"join", join},
    {"default", default_value},
    {"d", default_value},
    {"format", format},
    {"center", center},
    {"truncate", truncate},
    {"wordcount", word_count},
    {"tojson", json_filter},
};

}  // namespace

std::span<const BuiltinEntry> text_filters() { return kTextFilters; }

}  // namespace autoglm::jinja
