// Who asks behind a proxy. A proxy says so in `Forwarded` (RFC 7239) or `X-Forwarded-For`; anybody
// else can write the same, so both count only from addresses that the operator trusts.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "serve/http/message.h"

namespace autoglm::serve {

class TrustedProxies {
 public:
  // Nobody.
  TrustedProxies() = default;
  // Addresses ("10.0.0.7", "::1") and networks ("10.0.0.0/8", "fd00::/8"). The error names the one
  // that is neither.
  static Result<TrustedProxies> of(const std::vector<std::string>& list);

  bool trusts(const boost::asio::ip::address& address) const;

  // The nearest address that is no trusted proxy's: from the peer's on, back through what each
  // trusted one says of whom it serves. Where one says nothing, no address, or two headers say
  // different things, its own address is the last that is known.
  std::string client_address(const Request& request) const;

 private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

// Whether the request says that somebody passed it on, whoever that is.
bool is_forwarded(const Request& request);

}  // namespace autoglm::serve
