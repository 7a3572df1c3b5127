// Follows Python's json.encoder: spacing, escapes, how floats and odd keys are spelled.
#include "text/jinja/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/represent.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Interpreter& interpreter, const JsonStyle& style)
      : interpreter_(interpreter), style_(style) {}

  Result<void> value(const Value& v, int level) {
    switch (v.kind()) {
      case Kind::kNone: return put("null");
      case Kind::kBool: return put(v.as_bool() ? "true" : "false");
      case Kind::kInt: return put(fmt::format("{}", v.as_int()));
      case Kind::kFloat: return put(real(v.as_real()));
      case Kind::kString: AGLM_TRY(check(v.text().size())); return put(quoted(v.text()));
      case Kind::kList:
      case Kind::kTuple: return list(v.items(), level);
      case Kind::kDict: return dict(v.as<Dict>(), level);
      default:
        return template_error(
            fmt::format("Object of type {} is not JSON serializable", type_name(v)));
    }
  }

  std::string take() { return std::move(out_); }

 private:
  Result<void> check(size_t more) const {
    if (out_.size() + more <= style_.limit) return {};
    return Error{
        ErrorCode::kTooLarge, fmt::format("text grows over {} bytes", style_.limit), {}, {}, {}};
  }

  Result<void> put(std::string_view text) {
    AGLM_TRY(check(text.size()));
    out_ += text;
    return {};
  }

  static std::string real(double v) {
    if (std::isnan(v)) return "NaN";
    if (std::isinf(v)) return v < 0 ? "-Infinity" : "Infinity";
    return real_text(v);
  }

  std::string quoted(std::string_view text) const {
    std::string out = "\"";
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      const char32_t code = next_code_point(text, at);
      const auto number = static_cast<uint32_t>(code);
      switch (code) {
        case '"': out += "\\\""; break;
        case '\\': out += "\\\\"; break;
        case '\n': out += "\\n"; break;
        case '\r': out += "\\r"; break;
        case '\t': out += "\\t"; break;
        case '\f': out += "\\f"; break;
        case '\b': out += "\\b"; break;
        default:
          if (number < 0x20 || (style_.ensure_ascii && number >= 0x7F && number < 0x10000)) {
            out += fmt::format("\\u{:04x}", number);
          } else if (style_.ensure_ascii && number >= 0x10000) {
            const uint32_t rest = number - 0x10000;
            out +=
                fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
          } else {
            out += text.substr(begin, at - begin);
          }
      }
    }
    return out + '"';
  }

  Result<void> line(int level) {
    if (!style_.indent) return {};
    AGLM_TRY(put("\n"));
    for (int i = 0; i < level; ++i) AGLM_TRY(put(*style_.indent));
    return {};
  }

  Result<void> list(const std::vector<Value>& items, int level) {
    if (items.empty()) return put("[]");
    AGLM_TRY(put("["));
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) AGLM_TRY(put(style_.item_separator));
      AGLM_TRY(line(level + 1));
      AGLM_TRY(value(items[i], level + 1));
    }
    AGLM_TRY(line(level));
    return put("]");
  }

  Result<std::string> key(const Value& v) const {
    switch (v.kind()) {
      case Kind::kString: return quoted(v.text());
      case Kind::kNone: return std::string("\"null\"");
      case Kind::kBool: return std::string(v.as_bool() ? "\"true\"" : "\"false\"");
      case Kind::kInt: return fmt::format("\"{}\"", v.as_int());
      case Kind::kFloat: return fmt::format("\"{}\"", real(v.as_real()));
      default:
        return template_error(
            fmt::format("keys must be str, int, float, bool or None, not {}", type_name(v)));
    }
  }

  Result<void> dict(const Dict& dict, int level) {
    if (dict.entries.empty()) return put("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      Result<void> comparable;
      std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
        const Result<int> c = interpreter_.ordered(a->first, b->first, "<");
        if (!c) comparable = c.error();
        return c && *c < 0;
      });
      AGLM_TRY(comparable);
    }
    AGLM_TRY(put("{"));
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) AGLM_TRY(put(style_.item_separator));
      AGLM_TRY(line(level + 1));
      const std::string name = AGLM_TRY(key(entries[i]->first));
      AGLM_TRY(put(name));
      AGLM_TRY(put(style_.key_separator));
      AGLM_TRY(value(entries[i]->second, level + 1));
    }
    AGLM_TRY(line(level));
    return put("}");
  }

  Interpreter& interpreter_;
  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

Result<std::string> to_json(Interpreter& interpreter, const Value& v, const JsonStyle& style) {
  JsonWriter writer(interpreter, style);
  AGLM_TRY(writer.value(v, 0));
  return writer.take();
}

}  // namespace autoglm::jinja
