// Words are judged without asking a resolver.
#include "serve/http/listening_host.h"

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>
#include <boost/asio/ip/address_v6.hpp>

#include "base/visible_text.h"

namespace autoglm::serve {
namespace asio = boost::asio;
namespace {

bool is_ipv6(std::string_view text) {
  // A zone ("fe80::1%eth0") is the system's to judge.
  boost::system::error_code code;
  asio::ip::make_address_v6(std::string(text.substr(0, text.find('%'))), code);
  return !code;
}

// What the resolver would take for a number: "0", "127.1", "0x7f000001".
bool is_short_address(std::string_view text) {
  boost::system::error_code code;
  asio::ip::make_address_v4(std::string(text), code);
  return code && (text.find_first_not_of("0123456789.") == std::string_view::npos ||
                  text.starts_with("0x") || text.starts_with("0X"));
}

}  // namespace

Result<std::string> listening_host(std::string_view host) {
  const auto wrong = [&](std::string_view what, std::string_view expected) {
    return Error{ErrorCode::kInvalidArgument, std::string(what), "host", std::string(expected),
                 "\"" + visible(host) + "\""};
  };
  constexpr std::string_view kAddress = "an address or a name; 0.0.0.0 for all addresses";
  if (host.empty()) return wrong("the address to listen on is empty", kAddress);
  if (host.front() == '[' && host.find("]:") == std::string_view::npos) {
    const std::string_view inner = host.substr(1, host.find(']') - 1);
    return host.ends_with(']') && is_ipv6(inner)
               ? Result<std::string>(std::string(inner))
               : wrong("not an IPv6 address between brackets", "as in [::1]");
  }
  const bool is_word = std::all_of(host.begin(), host.end(),
                                   [](char c) { return c > 0x20 && c < 0x7f && c != '*'; });
  if (!is_word || is_short_address(host)) return wrong("not an address to listen on", kAddress);
  if (host.find_first_of(":/") != std::string_view::npos && !is_ipv6(host)) {
    return wrong("not an address to listen on",
                 "an address or a name alone; the port is a setting of its own");
  }
  return std::string(host);
}

}  // namespace autoglm::serve
