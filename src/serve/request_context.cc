// Headers, and a skip through the body, string by string.
#include "serve/request_context.h"

#include <algorithm>

#include "serve/context.h"

namespace autoglm::serve {
namespace {

// A longer `user` is refused where the request is read.
constexpr size_t kMaxUserBytes = 1024;
constexpr size_t kMaxRequestId = 128;

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

std::string request_id(const Request& request) {
  const std::string_view given = request.header("X-Request-Id");
  const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f; };
  if (given.empty() || given.size() > kMaxRequestId || !std::ranges::all_of(given, is_visible)) {
    return new_id("req_");
  }
  return std::string(given);
}

observe::TraceContext parse_traceparent(std::string_view header) {
  // version "-" trace id "-" parent id "-" flags; later versions may add to that.
  constexpr size_t kLength = 2 + 1 + 32 + 1 + 16 + 1 + 2;
  if (header.size() < kLength || header[2] != '-' || header[35] != '-' || header[52] != '-') {
    return {};
  }
  const std::string_view version = header.substr(0, 2);
  const std::string_view trace_id = header.substr(3, 32);
  const std::string_view parent_id = header.substr(36, 16);
  const std::string_view flags = header.substr(53, 2);
  for (const std::string_view part : {version, trace_id, parent_id, flags}) {
    if (part.find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
  }
  const bool too_long =
      version == "00" ? header.size() > kLength : header.size() > kLength && header[kLength] != '-';
  const auto is_zero = [](std::string_view id) { return id.find_first_not_of('0') == id.npos; };
  if (too_long || version == "ff" || is_zero(trace_id) || is_zero(parent_id)) return {};
  constexpr std::string_view kOdd = "13579bdf";  // the last bit of the flags
  return {.trace_id = std::string(trace_id),
          .parent_id = std::string(parent_id),
          .sampled = kOdd.find(flags[1]) != std::string_view::npos};
}

RequestContext request_context(const Request& request, std::string_view route,
                               const guard::Principal& principal) {
  RequestContext context{
      .id = request.id, .route = route, .principal = principal.name, .key_id = principal.key_id};
  if (principal.scopes.has(guard::Scope::kGateway)) {
    context.tenant = request.header("X-Tenant-ID");
    if (context.tenant.empty()) context.tenant = request.header("X-Tenant");
  }
  if (context.tenant.empty()) context.tenant = principal.tenant;
  context.tenant_outranks = principal.proved || !context.tenant.empty();
  if (!context.tenant_outranks) {
    const std::string_view user = spelled_member(request.body, "user");
    if (user.size() <= kMaxUserBytes) context.tenant = user;
  }
  context.trace = parse_traceparent(request.header("traceparent"));
  return context;
}

}  // namespace autoglm::serve
