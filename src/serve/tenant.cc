// Skips through a body, string by string.
#include "serve/tenant.h"

#include <algorithm>

namespace autoglm::serve {
namespace {

// A longer one is refused where the request is read.
constexpr size_t kMaxOwnerBytes = 1024;

// Behind the quote that ends the string which begins behind `at`.
size_t string_end(std::string_view json, size_t at) {
  while (at < json.size()) {
    at = json.find_first_of("\"\\", at);
    if (at == std::string_view::npos) break;
    if (json[at] == '"') return at + 1;
    at += 2;
  }
  return json.size();
}

size_t skip_space(std::string_view json, size_t at) {
  return std::min(json.find_first_not_of(" \t\r\n", at), json.size());
}

}  // namespace

std::string_view spelled_member(std::string_view json, std::string_view key) {
  json = json.substr(0, kMostLookedAt);
  int depth = 0;
  for (size_t at = 0; at < json.size(); ++at) {
    switch (json[at]) {
      case '{':
      case '[': ++depth; break;
      case '}':
      case ']': --depth; break;
      case '"': {
        const size_t end = string_end(json, at + 1);
        const bool is_key =
            depth == 1 && json.substr(at + 1).starts_with(key) && end == at + key.size() + 2;
        const size_t colon = is_key ? skip_space(json, end) : json.size();
        at = end - 1;
        if (colon >= json.size() || json[colon] != ':') break;
        const size_t value = skip_space(json, colon + 1);
        if (value >= json.size() || json[value] != '"') return {};
        const size_t value_end = string_end(json, value + 1);
        return json.substr(value + 1, value_end - value - 2);
      }
      default: break;
    }
  }
  return {};
}

std::string tenant_of(const Request& request) {
  std::string_view tenant = request.header(kTenantHeader);
  if (tenant.empty()) tenant = spelled_member(request.body, "user");
  return std::string(tenant.size() > kMaxOwnerBytes ? std::string_view() : tenant);
}

}  // namespace autoglm::serve
