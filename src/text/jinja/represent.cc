// repr() walks containers recursively; their depth was bounded when they were made.
#include "text/jinja/represent.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "text/jinja/interpreter.h"
#include "text/jinja/unicode.h"

namespace autoglm::jinja {
namespace {

class Writer {
 public:
  explicit Writer(size_t limit) : limit_(limit) {}

  Result<void> value(const Value& v) {
    switch (v.kind()) {
      case Kind::kUndefined: return put("Undefined");
      case Kind::kNone: return put("None");
      case Kind::kBool: return put(v.as_bool() ? "True" : "False");
      case Kind::kInt: return put(fmt::format("{}", v.as_int()));
      case Kind::kFloat: return put(real_text(v.as_real()));
      case Kind::kString:
        AGLM_TRY(put(v.is_markup() ? "Markup(" : ""));
        AGLM_TRY(check(v.text().size()));
        AGLM_TRY(put(quote(v.text())));
        return put(v.is_markup() ? ")" : "");
      case Kind::kList: return sequence(v.items(), '[', ']');
      case Kind::kTuple: return sequence(v.items(), '(', ')');
      case Kind::kDict: return dict(v.as<Dict>());
      case Kind::kView: return view(v.as<View>());
      case Kind::kRange: {
        const Range& r = v.as<Range>();
        return put(r.step == 1 ? fmt::format("range({}, {})", r.start, r.stop)
                               : fmt::format("range({}, {}, {})", r.start, r.stop, r.step));
      }
      case Kind::kNamespace: {
        // A namespace may hold itself; Python would recurse until it fails.
        return put("<Namespace>");
      }
      case Kind::kLoop: return put("<LoopContext>");
      case Kind::kMacro: {
        const std::string& name = v.as<Macro>().definition->signature.name;
        return put(name.empty() ? "<Macro anonymous>" : fmt::format("<Macro {}>", quote(name)));
      }
      case Kind::kFunction: return put(fmt::format("<built-in method {}>", v.as<Function>().name));
      case Kind::kIterator:
      case Kind::kCycler:
      case Kind::kJoiner: return put(fmt::format("<{} object>", type_name(v)));
    }
    return {};
  }

  std::string take() { return std::move(out_); }

 private:
  Result<void> check(size_t more) const {
    if (out_.size() + more <= limit_) return {};
    return Error{ErrorCode::kTooLarge, fmt::format("text grows over {} bytes", limit_), {}, {}, {}};
  }

  Result<void> put(std::string_view text) {
    AGLM_TRY(check(text.size()));
    out_ += text;
    return {};
  }

  Result<void> sequence(const std::vector<Value>& items, char open, char close) {
    AGLM_TRY(put(std::string_view(&open, 1)));
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) AGLM_TRY(put(", "));
      AGLM_TRY(value(items[i]));
    }
    if (open == '(' && items.size() == 1) AGLM_TRY(put(","));
    return put(std::string_view(&close, 1));
  }

  Result<void> dict(const Dict& dict) {
    AGLM_TRY(put("{"));
    for (size_t i = 0; i < dict.entries.size(); ++i) {
      if (i > 0) AGLM_TRY(put(", "));
      AGLM_TRY(value(dict.entries[i].first));
      AGLM_TRY(put(": "));
      AGLM_TRY(value(dict.entries[i].second));
    }
    return put("}");
  }

  Result<void> view(const View& view) {
    const auto& entries = view.dict.as<Dict>().entries;
    AGLM_TRY(put(view.part == View::Part::kKeys     ? "dict_keys(["
                 : view.part == View::Part::kValues ? "dict_values(["
                                                    : "dict_items(["));
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) AGLM_TRY(put(", "));
      if (view.part == View::Part::kItems) {
        AGLM_TRY(sequence({entries[i].first, entries[i].second}, '(', ')'));
      } else {
        AGLM_TRY(value(view.part == View::Part::kKeys ? entries[i].first : entries[i].second));
      }
    }
    return put("])");
  }

  size_t limit_;
  std::string out_;
};

}  // namespace

std::string quote(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char mark = has_single && !has_double ? '"' : '\'';
  std::string out(1, mark);
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t code = next_code_point(text, at);
    const auto number = static_cast<uint32_t>(code);
    if (code == static_cast<unsigned char>(mark) || code == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(code));
    } else if (code == '\n') {
      out += "\\n";
    } else if (code == '\r') {
      out += "\\r";
    } else if (code == '\t') {
      out += "\\t";
    } else if (is_printable(code)) {
      out += text.substr(begin, at - begin);
    } else {
      out += code < 0x100     ? fmt::format("\\x{:02x}", number)
             : code < 0x10000 ? fmt::format("\\u{:04x}", number)
                              : fmt::format("\\U{:08x}", number);
    }
  }
  out.push_back(mark);
  return out;
}

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  // Shortest digits that read back the same; Python writes an exponent below 1e-4 and from 1e16.
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t mark = text.find('e');
  int exponent = 0;
  const char* digits = text.data() + mark + 1;
  std::from_chars(*digits == '+' ? digits + 1 : digits, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) {
    return fmt::format("{}e{}{:02}", text.substr(0, mark), exponent < 0 ? '-' : '+',
                       std::abs(exponent));
  }
  const auto fixed = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed);
  std::string out(buffer, static_cast<size_t>(fixed.ptr - buffer));
  if (out.find('.') == std::string::npos) out += ".0";
  return out;
}

Result<std::string> python_repr(const Value& v, size_t limit) {
  Writer writer(limit);
  AGLM_TRY(writer.value(v));
  return writer.take();
}

}  // namespace autoglm::jinja
