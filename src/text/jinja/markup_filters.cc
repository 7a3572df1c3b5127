// Filters of the HTML kind: escape, safe, striptags, urlencode.
#include <fmt/format.h>

#include "text/jinja/builtins.h"
#include "text/jinja/interpreter.h"
#include "text/jinja/markup.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out.push_back(c);
    }
  }
  return out;
}

namespace {

std::string without(std::string_view text, std::string_view open, std::string_view close) {
  std::string out;
  size_t begin = 0;
  for (;;) {
    const size_t at = text.find(open, begin);
    const size_t end = at == std::string_view::npos ? at : text.find(close, at + open.size());
    if (end == std::string_view::npos) break;
    out += text.substr(begin, at - begin);
    begin = end + close.size();
  }
  out += text.substr(begin);
  return out;
}

// The entities that escape() writes; others stay as they are.
std::string unescaped(std::string_view text) {
  static constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&amp;", '&'}, {"&lt;", '<'},   {"&gt;", '>'},
      {"&#34;", '"'}, {"&quot;", '"'}, {"&#39;", '\''}};
  std::string out;
  for (size_t at = 0; at < text.size();) {
    bool found = false;
    for (const auto& [entity, letter] : kEntities) {
      if (!text.substr(at).starts_with(entity)) continue;
      out.push_back(letter);
      at += entity.size();
      found = true;
      break;
    }
    if (!found) out.push_back(text[at++]);
  }
  return out;
}

}  // namespace

std::string strip_tags(std::string_view text) {
  const std::string plain = without(without(text, "<!--", "-->"), "<", ">");
  std::string collapsed;
  bool space = false;
  for (size_t at = 0; at < plain.size();) {
    const size_t begin = at;
    if (is_space(next_code_point(plain, at))) {
      space = true;
      continue;
    }
    if (space && !collapsed.empty()) collapsed.push_back(' ');
    space = false;
    collapsed += plain.substr(begin, at - begin);
  }
  return unescaped(collapsed);
}

namespace {

// str(v), whose characters are then looked at one by one.
Result<std::string> read_text(Interpreter& interpreter, const Value& v) {
  std::string text = AGLM_TRY(interpreter.to_text(v));
  AGLM_TRY(interpreter.spend_scan(text));
  return text;
}

Result<Value> escape(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("escape", arguments, {}));
  if (self.is_markup()) return self;
  return interpreter.make_string(escape_markup(AGLM_TRY(read_text(interpreter, self))), true);
}

Result<Value> force_escape(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("forceescape", arguments, {}));
  return interpreter.make_string(escape_markup(AGLM_TRY(read_text(interpreter, self))), true);
}

Result<Value> safe(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("safe", arguments, {}));
  return interpreter.make_string(AGLM_TRY(read_text(interpreter, self)), true);
}

Result<Value> striptags(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("striptags", arguments, {}));
  return interpreter.make_string(strip_tags(AGLM_TRY(read_text(interpreter, self))));
}

std::string quote_url(std::string_view text, bool query) {
  std::string out;
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query)) {
      out.push_back(c);
    } else if (c == ' ' && query) {
      out.push_back('+');
    } else {
      constexpr std::string_view kHex = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return out;
}

Result<Value> urlencode(Interpreter& interpreter, const Value& self, Arguments& arguments) {
  AGLM_TRY(bind("urlencode", arguments, {}));
  if (self.is_string() || !iterable(self)) {
    return interpreter.make_string(quote_url(AGLM_TRY(read_text(interpreter, self)), false));
  }
  Value pairs = self;
  if (self.is(Kind::kDict)) {
    const Value method = AGLM_TRY(interpreter.get_attribute(self, "items"));
    pairs = AGLM_TRY(interpreter.call(method, {}));
  }
  std::string out;
  for (const Value& pair : AGLM_TRY(interpreter.collect(pairs))) {
    const std::vector<Value> parts = AGLM_TRY(interpreter.collect(pair));
    if (parts.size() != 2) return template_error("urlencode needs pairs");
    if (!out.empty()) out += "&";
    out += quote_url(AGLM_TRY(read_text(interpreter, parts[0])), true);
    out += "=";
    out += quote_url(AGLM_TRY(read_text(interpreter, parts[1])), true);
    AGLM_TRY(interpreter.check_bytes(static_cast<int64_t>(out.size())));
  }
  return interpreter.make_string(std::move(out));
}

// jinja2 has these; no chat template seen uses them, so they are refused when reached.
Result<Value> refused(Interpreter&, const Value&, Arguments&) {
  return template_error("this filter is not supported in chat templates");
}

constexpr BuiltinEntry kMarkupFilters[] = {
    {"escape", escape},
    {"e", escape},
    {"forceescape", force_escape},
    {"safe", safe},
    {"striptags", striptags},
    {"urlencode", urlencode},
    {"urlize", refused},
    {"xmlattr", refused},
    {"wordwrap", refused},
    {"pprint", refused},
    {"random", refused},
};

}  // namespace

std::span<const BuiltinEntry> markup_filters() { return kMarkupFilters; }

}  // namespace autoglm::jinja
