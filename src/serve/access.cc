#include "serve/access.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/utf8.h"

namespace autoglm::serve {
namespace {

// Headers beside the always readable ones that clients look for.
constexpr std::string_view kExposedHeaders =
    "X-Request-Id, Retry-After, X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, "
    "X-RateLimit-Reset-Requests, X-RateLimit-Limit-Tokens, X-RateLimit-Remaining-Tokens, "
    "X-RateLimit-Reset-Tokens";
constexpr std::string_view kUsualHeaders = "Authorization, Content-Type";
constexpr std::string_view kPreflightSeconds = "600";
// Nobody can have these in the public DNS, so no page of an attacker can come from them: RFC 6761,
// RFC 6762, and ICANN's reservation of 2024. Ollama takes them too.
constexpr std::array<std::string_view, 3> kPrivateDomains = {".localhost", ".local", ".internal"};

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::vector<std::string> items_of(std::string_view list) {
  std::vector<std::string> items;
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (const std::string_view item = trimmed(list.substr(0, comma)); !item.empty()) {
      items.push_back(lower(item));
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return items;
}

bool is_origin(std::string_view text) {
  if (text == "*" || text == "null") return true;
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos || colon == 0) return false;
  const std::string_view authority = text.substr(colon + 3);
  return is_visible(text) && !authority.empty() &&
         authority.find_first_of("/?#@,*\"\\") == std::string_view::npos;
}

bool contains(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

bool origin_allowed(const AccessRules& rules, std::string_view origin) {
  return contains(rules.origins, "*") || contains(rules.origins, lower(origin));
}

// Without port and brackets: "localhost" of "LOCALHOST.:8000", "::1" of "[::1]:8000".
std::string name_of(std::string_view authority) {
  if (authority.starts_with('[')) return lower(authority.substr(1, authority.find(']') - 1));
  std::string name = lower(authority.substr(0, authority.find(':')));
  if (name.ends_with('.')) name.pop_back();
  return name;
}

bool is_address(const std::string& name) {
  std::array<unsigned char, 16> bytes;
  return ::inet_pton(AF_INET, name.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), bytes.data()) == 1;
}

// An absolute target says it, whatever Host says (RFC 9112, 3.2.2).
std::string_view authority_of(const Request& request) {
  const std::string_view target = request.target;
  const size_t scheme = target.find("://");
  if (scheme == std::string_view::npos || target.starts_with('/')) return request.header("Host");
  const std::string_view rest = target.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

bool host_allowed(const AccessRules& rules, std::string_view authority) {
  if (authority.empty()) return true;  // HTTP/1.0 and RFC 9112 know requests without; browsers none
  const std::string name = name_of(authority);
  if (is_address(name) || contains(rules.hosts, "*") || contains(rules.hosts, name)) return true;
  const auto below = [&](std::string_view domain) {
    return domain.starts_with('.') && name.size() > domain.size() && name.ends_with(domain);
  };
  return std::any_of(kPrivateDomains.begin(), kPrivateDomains.end(), below) ||
         std::any_of(rules.hosts.begin(), rules.hosts.end(), below);
}

bool from_elsewhere(const AccessRules& rules, const Request& request) {
  const std::string_view site = request.header("Sec-Fetch-Site");
  const std::string_view origin = request.header("Origin");
  if (origin.empty()) return !site.empty() && site != "same-origin" && site != "none";
  if (origin_allowed(rules, origin)) return false;
  const size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ||
         lower(origin.substr(scheme + 3)) != lower(request.header("Host"));
}

// What a form, or a script without a preflight, can send to another site: text, fields, or bytes of
// no type. Fields and no type are also what curl -d and small clients send, which are no browsers.
bool is_plain_form(const AccessRules& rules, const Request& request) {
  const std::string_view sent = request.header("Content-Type");
  const std::string type = lower(trimmed(sent.substr(0, sent.find(';'))));
  if (type == "text/plain" || type == "multipart/form-data") return true;
  return (type.empty() || type == "application/x-www-form-urlencoded") &&
         from_elsewhere(rules, request);
}

}  // namespace

Result<std::vector<std::string>> parse_origins(std::string_view text) {
  std::vector<std::string> origins = items_of(text);
  for (std::string& origin : origins) {
    if (origin.ends_with('/')) origin.pop_back();
    if (is_origin(origin)) continue;
    return Error{ErrorCode::kInvalidArgument, "not a list of origins", "cors_allow_origin",
                 "origins such as http://localhost:3000 separated by commas, or *",
                 fmt::format("\"{}\"", repair_utf8(utf8_prefix(origin, 100)))};
  }
  return origins;
}

Result<AccessRules> access_rules(const ServiceOptions& options) {
  AccessRules rules;
  rules.origins = AGLM_TRY(parse_origins(options.cors_allow_origin));
  rules.hosts.push_back("localhost");
  rules.hosts.push_back(name_of(options.host));
  std::array<char, 256> machine{};
  if (::gethostname(machine.data(), machine.size() - 1) == 0 && machine[0] != '\0') {
    const std::string name = lower(machine.data());
    rules.hosts.push_back(name);
    rules.hosts.push_back(name.substr(0, name.find('.')));
  }
  for (const std::string& name : options.allowed_hosts) {
    if (!is_visible(name) || name.empty() || name.find_first_of("/,") != std::string::npos) {
      return Error{ErrorCode::kInvalidArgument, "not a host's name", "allowed_hosts",
                   "names such as chat.example.org, .example.org for those below it, or *",
                   fmt::format("\"{}\"", repair_utf8(utf8_prefix(name, 100)))};
    }
    rules.hosts.push_back(name.starts_with('.') ? lower(name) : name_of(name));
  }
  return rules;
}

std::vector<Header> answer_headers(const AccessRules& rules, const Request& request) {
  std::vector<Header> headers = {{"X-Request-Id", request.id}};
  if (rules.origins.empty()) return headers;
  const bool all = contains(rules.origins, "*");
  if (!all) headers.push_back({"Vary", "Origin"});
  const std::string_view origin = request.header("Origin");
  if (origin.empty() || !origin_allowed(rules, origin)) return headers;
  headers.push_back({"Access-Control-Allow-Origin", all ? "*" : std::string(origin)});
  if (request.method != "OPTIONS" || request.header("Access-Control-Request-Method").empty()) {
    headers.push_back({"Access-Control-Expose-Headers", std::string(kExposedHeaders)});
    return headers;
  }
  headers.push_back({"Access-Control-Allow-Methods", "GET, POST, OPTIONS"});
  // Clients add headers of their own (x-stainless-*, openai-beta): the origin is trusted with all.
  const std::string_view asked = request.header("Access-Control-Request-Headers");
  headers.push_back(
      {"Access-Control-Allow-Headers", std::string(asked.empty() ? kUsualHeaders : asked)});
  headers.push_back({"Access-Control-Max-Age", std::string(kPreflightSeconds)});
  return headers;
}

std::optional<ApiError> access_refusal(const AccessRules& rules, const Request& request,
                                       bool keys_asked) {
  // What tells nothing but that the server lives is there for every probe.
  const bool probe = request.path == "/health" || request.path == "/ready";
  const std::string_view authority = authority_of(request);
  if (!probe && !keys_asked && !host_allowed(rules, authority)) {
    return ApiError{.status = 403,
                    .message = fmt::format(
                        "the server is not known by the name \"{}\": name it in allowed_hosts "
                        "(--allowed-hosts) if it should be",
                        repair_utf8(utf8_prefix(authority, 100))),
                    .code = "host_not_allowed"};
  }
  if (request.method == "POST" && is_plain_form(rules, request)) {
    return ApiError{.status = 415,
                    .message = fmt::format(
                        "the body must be JSON (expected Content-Type: application/json, found "
                        "\"{}\")",
                        repair_utf8(utf8_prefix(request.header("Content-Type"), 100))),
                    .code = "unsupported_media_type"};
  }
  return std::nullopt;
}

}  // namespace autoglm::serve
