#include "serve/http/forwarding.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/visible_text.h"

namespace autoglm::serve {
namespace {

namespace ip = boost::asio::ip;

constexpr auto kForwardingHeaders = std::to_array<std::string_view>(
    {"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port",
     "X-Forwarded-Proto", "X-Forwarded-Server", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"});

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// An IPv4 address that is written as IPv6, as sockets of both kinds have it, is itself.
ip::address plain(const ip::address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  }
  return address;
}

std::optional<ip::address> parse_address(std::string_view text) {
  boost::system::error_code failed;
  const ip::address address = ip::make_address(std::string(text), failed);
  if (failed || (address.is_v6() && address.to_v6().scope_id() != 0)) return std::nullopt;
  return plain(address);
}

// "192.0.2.1", "192.0.2.1:4711", "[2001:db8::1]:4711", "2001:db8::1".
std::optional<ip::address> parse_node(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    return parse_address(text.substr(1, end - 1));
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos) {
    text = text.substr(0, colon);
  }
  return parse_address(text);
}

// Where a list's elements end; a quoted string may hold what would end one.
std::vector<std::string_view> split(std::string_view list, char separator) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  bool quoted = false;
  for (size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size() && list[i] == '"') quoted = !quoted;
    if (i < list.size() && (list[i] != separator || quoted)) continue;
    parts.push_back(trimmed(list.substr(begin, i - begin)));
    begin = i + 1;
  }
  return parts;
}

// All lines of a header that is a list.
std::string joined(const Request& request, std::string_view name) {
  std::string all;
  for (const Header& header : request.headers) {
    if (same_name(header.name, name)) all += (all.empty() ? "" : ", ") + header.value;
  }
  return all;
}

using Chain = std::vector<std::optional<ip::address>>;  // as written: the nearest last

// The `for` of each element; "unknown" and obfuscated names are no addresses.
Chain of_forwarded(const std::string& header) {
  Chain chain;
  if (header.empty()) return chain;
  for (const std::string_view element : split(header, ',')) {
    std::optional<ip::address> address;
    for (const std::string_view pair : split(element, ';')) {
      const size_t equals = pair.find('=');
      if (equals == std::string_view::npos || !same_name("for", trimmed(pair.substr(0, equals)))) {
        continue;
      }
      std::string_view value = trimmed(pair.substr(equals + 1));
      if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"')) {
        value = value.substr(1, value.size() - 2);
      }
      address = parse_node(value);
    }
    chain.push_back(address);
  }
  return chain;
}

Chain of_x_forwarded_for(const std::string& header) {
  Chain chain;
  if (header.empty()) return chain;
  for (const std::string_view element : split(header, ',')) chain.push_back(parse_node(element));
  return chain;
}

}  // namespace

Result<TrustedProxies> TrustedProxies::of(const std::vector<std::string>& list) {
  TrustedProxies proxies;
  for (const std::string& text : list) {
    boost::system::error_code failed;
    if (const auto address = parse_address(text)) {
      if (address->is_v4()) proxies.v4_.emplace_back(address->to_v4(), 32);
      if (address->is_v6()) proxies.v6_.emplace_back(address->to_v6(), 128);
      continue;
    }
    const ip::network_v4 v4 = ip::make_network_v4(text, failed);
    if (!failed) {
      proxies.v4_.push_back(v4.canonical());
      continue;
    }
    const ip::network_v6 v6 = ip::make_network_v6(text, failed);
    if (failed) {
      return Error{ErrorCode::kInvalidArgument, "neither an address nor a network",
                   "trusted_proxies", "10.0.0.7 or 10.0.0.0/8",
                   visible(std::string_view(text).substr(0, 100))};
    }
    proxies.v6_.push_back(v6.canonical());
  }
  return proxies;
}

bool TrustedProxies::trusts(const ip::address& address) const {
  const auto holds = [](const auto& network, const auto& host) {
    return network == decltype(network.canonical())(host, network.prefix_length()).canonical();
  };
  if (address.is_v4()) {
    return std::ranges::any_of(v4_, [&](const auto& n) { return holds(n, address.to_v4()); });
  }
  return std::ranges::any_of(v6_, [&](const auto& n) { return holds(n, address.to_v6()); });
}

std::string TrustedProxies::client_address(const Request& request) const {
  const auto peer = parse_address(request.peer);
  if (!peer) return request.peer;
  if (!trusts(*peer)) return peer->to_string();
  const Chain chain = of_forwarded(joined(request, "Forwarded"));
  const Chain other = of_x_forwarded_for(joined(request, "X-Forwarded-For"));
  if (!chain.empty() && !other.empty() && chain != other) return peer->to_string();
  ip::address last = *peer;
  const Chain& hops = chain.empty() ? other : chain;
  for (auto hop = hops.rbegin(); hop != hops.rend() && *hop && trusts(last); ++hop) last = **hop;
  return last.to_string();
}

bool is_forwarded(const Request& request) {
  return std::ranges::any_of(kForwardingHeaders, [&](std::string_view name) {
    return std::ranges::any_of(request.headers,
                               [&](const Header& header) { return same_name(header.name, name); });
  });
}

}  // namespace autoglm::serve
