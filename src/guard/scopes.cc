#include "guard/scopes.h"

#include <algorithm>
#include <array>

#include "base/visible_text.h"

namespace autoglm::guard {
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(Scope::kCount)> kNames = {
    "inference", "admin", "metrics", "audit", "gateway"};

}  // namespace

std::string_view scope_name(Scope scope) { return kNames[static_cast<size_t>(scope)]; }

std::string Scopes::text() const {
  std::string text;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (!has(static_cast<Scope>(i))) continue;
    if (!text.empty()) text += ',';
    text += kNames[i];
  }
  return text;
}

Result<Scopes> parse_scopes(std::string_view text) {
  Scopes scopes;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    std::string_view word = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    while (word.starts_with(' ')) word.remove_prefix(1);
    while (word.ends_with(' ')) word.remove_suffix(1);
    const auto found = std::ranges::find(kNames, word);
    if (found == kNames.end()) {
      return Error{ErrorCode::kInvalidArgument, "not a scope", "scopes",
                   "inference, admin, metrics, audit, gateway, separated by commas",
                   visible(word.substr(0, 100))};
    }
    scopes.add(static_cast<Scope>(found - kNames.begin()));
  }
  if (!scopes.empty()) return scopes;
  return Error{ErrorCode::kInvalidArgument, "a key without scopes opens nothing", "scopes",
               "at least one", "none"};
}

}  // namespace autoglm::guard
