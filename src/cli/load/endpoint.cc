#include "cli/load/endpoint.h"

#include <fmt/format.h>

#include <algorithm>

namespace autoglm::load {
namespace {

Error wrong_url(std::string_view url, std::string what) {
  return Error{ErrorCode::kInvalidArgument, std::move(what), "URL",
               "http://HOST:PORT, as in http://127.0.0.1:8000", fmt::format("\"{}\"", url)};
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<Endpoint> parse_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  if (url.starts_with("https://")) {
    return wrong_url(url, "https is not offered: measure the server behind its TLS proxy");
  }
  std::string_view rest = url;
  if (rest.starts_with(kScheme)) {
    rest.remove_prefix(kScheme.size());
  } else if (rest.find("://") != std::string_view::npos) {
    return wrong_url(url, "not an HTTP URL");
  }
  Endpoint endpoint;
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = rest.substr(slash);
  const auto is_bad = [](unsigned char c) {
    return c <= 0x20 || c >= 0x7f || c == '?' || c == '#';
  };
  if (std::any_of(rest.begin(), rest.end(), is_bad) || authority.find('@') != rest.npos) {
    return wrong_url(url, "not a URL of a server");
  }
  const size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return wrong_url(url, "an address lacks its bracket");
  const size_t colon = authority.find(':', bracket);
  endpoint.host = authority.substr(0, colon);
  if (bracket > 0) endpoint.host = authority.substr(1, bracket - 1);
  endpoint.port = colon == std::string_view::npos ? "80" : authority.substr(colon + 1);
  if (endpoint.host.empty()) return wrong_url(url, "the URL names no host");
  if (!is_port(endpoint.port)) return wrong_url(url, "the URL's port is no number");
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.ends_with("/v1")) path.remove_suffix(3);
  while (path.ends_with('/')) path.remove_suffix(1);
  endpoint.base_path = path;
  return endpoint;
}

std::string Endpoint::authority() const {
  return host.find(':') == std::string::npos ? host + ":" + port : "[" + host + "]:" + port;
}

std::string Endpoint::url() const { return "http://" + authority() + base_path; }

}  // namespace autoglm::load
