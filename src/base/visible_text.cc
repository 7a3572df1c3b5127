#include "base/visible_text.h"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

#include "base/utf8.h"

namespace autoglm {
namespace {

bool is_hidden(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F)          // control characters
         || c == 0x2028 || c == 0x2029                 // line and paragraph separator
         || c == 0x061C || c == 0x200E || c == 0x200F  // direction marks,
         || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069)  // and embeddings
         || (c >= 0xE0000 && c <= 0xE007F);  // tags, which nothing shows
}

std::string escaped(std::string_view text, std::string_view kept) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto [code, length, valid] = decode_utf8(text);
    const char c = text.front();
    if (!valid) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    } else if (!is_hidden(code) || (length == 1 && kept.find(c) != std::string_view::npos)) {
      out += text.substr(0, length);
    } else if (code == '\n' || code == '\r' || code == '\t') {
      out += code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    } else if (code < 0x80) {
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<uint32_t>(code));
    }
    text.remove_prefix(valid ? length : 1);
  }
  return out;
}

}  // namespace

std::string visible(std::string_view text) { return escaped(text, ""); }
std::string visible_lines(std::string_view text) { return escaped(text, "\n\t"); }

}  // namespace autoglm
