#include "serve/key_rules.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>
#include <memory>
#include <utility>

#include "base/log.h"
#include "state/state_dir.h"

namespace autoglm::serve {
namespace {

// "127.0.0.1", any other of 127.0.0.0/8, "::1": what no other machine can reach.
bool is_loopback(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) return bytes[0] == 127;
  if (::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) {
    std::array<unsigned char, 16> loopback{};
    loopback[15] = 1;
    return bytes == loopback;
  }
  return host == "localhost";
}

// Names of the schemes are the same in any case (RFC 9110, 11.1).
std::string_view bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if ((authorization[i] | 0x20) != kScheme[i]) return {};
  }
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

Result<std::string> make_first_key(guard::KeyStore& store, const std::string& folder) {
  const guard::ApiKey key = AGLM_TRY(store.create(
      {.name = "first",
       .scopes = {guard::Scope::kInference, guard::Scope::kAdmin, guard::Scope::kMetrics}}));
  const std::string path = folder + "/api-key";
  AGLM_TRY(state::write_private_file(path, key.text + "\n"));
  return fmt::format("API key:    {}\n            (made now, since there was none; kept in {})",
                     key.text, path);
}

}  // namespace

Result<KeyRules> key_rules(const ServiceOptions& options) {
  KeyRules rules;
  if (options.no_auth) {
    if (!is_loopback(options.host)) {
      rules.notice = fmt::format(
          "No key is asked for (--no-auth): whoever reaches {} may ask the model and read the "
          "metrics.",
          options.host);
    }
    return rules;
  }
  guard::GateOptions gate{.api_keys = options.api_keys};
  for (const std::string& key : gate.api_keys) AGLM_TRY(guard::check_clear_key(key, "api_key"));
  if (!options.api_key_file.empty()) {
    for (std::string& key : AGLM_TRY(guard::read_key_file(options.api_key_file))) {
      gate.api_keys.push_back(std::move(key));
    }
  }
  const bool reachable = !is_loopback(options.host);
  const bool has_clear_keys = !gate.api_keys.empty();
  // On loopback a machine without any home is served as before.
  const Result<std::string> folder = state::state_dir_path(options.state_dir);
  if (!folder && reachable && !has_clear_keys) return folder.error();
  if (folder) {
    gate.state_folder = *folder;
    rules.state_folder = *folder;
    if (reachable && !has_clear_keys) {
      const std::string made = AGLM_TRY(state::open_state_dir(options.state_dir));
      const auto store = AGLM_TRY(guard::KeyStore::open(made));
      if (!AGLM_TRY(store->any())) rules.notice = AGLM_TRY(make_first_key(*store, made));
    }
  }
  rules.gate = guard::Gate(std::move(gate));
  if (rules.notice.empty() && rules.gate.closed()) {
    rules.notice =
        "API key:    one is asked for (docs/security.md; `autoglm key list` shows which)";
  }
  return rules;
}

std::string_view shown_key(const Request& request) {
  const std::string_view key = bearer(request.header("Authorization"));
  return key.empty() ? request.header("X-Api-Key") : key;
}

Response forwarded_response(ErrorForm form) {
  Response response = error_response(
      ApiError{.status = 401,
               .message = "a proxy passed this request on, and without API keys the server answers "
                          "its own machine alone: make a key (`autoglm key create`), or start the "
                          "server with --no-auth",
               .code = "invalid_api_key"},
      form);
  response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

Response refusal_response(guard::Refusal refusal, guard::Scope scope, ErrorForm form) {
  switch (refusal) {
    case guard::Refusal::kNoKey: {
      Response response = error_response(
          ApiError{.status = 401,
                   .message = "no API key was sent: send it as \"Authorization: Bearer KEY\" or as "
                              "\"X-Api-Key: KEY\"",
                   .code = "invalid_api_key"},
          form);
      response.headers.push_back({"WWW-Authenticate", "Bearer"});
      return response;
    }
    case guard::Refusal::kWrongKey: {
      Response response = error_response(
          ApiError{.status = 401,
                   .message = "the API key is not valid: it is unknown, has expired or was revoked",
                   .code = "invalid_api_key"},
          form);
      response.headers.push_back({"WWW-Authenticate", "Bearer error=\"invalid_token\""});
      return response;
    }
    case guard::Refusal::kScope:
      return error_response(
          ApiError{
              .status = 403,
              .message = fmt::format("the API key does not open this: it lacks the scope \"{}\"",
                                     guard::scope_name(scope)),
              .code = "insufficient_permissions"},
          form);
    case guard::Refusal::kNotDecided: break;
  }
  return error_response(
      ApiError{
          .status = 503, .message = "API keys cannot be checked now", .code = "keys_unavailable"},
      form);
}

}  // namespace autoglm::serve
