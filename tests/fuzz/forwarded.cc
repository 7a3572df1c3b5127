// What proxies, and those who play one, write into headers. The address that is found is one, and
// is the peer's own where the peer is not trusted.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "serve/http/forwarding.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm::serve;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(text.find('\n'), size);
  const std::string first(text.substr(0, line));
  const std::string rest(text.substr(std::min(line + 1, size)));
  static const TrustedProxies kLocal = *TrustedProxies::of({"127.0.0.0/8", "::1", "10.0.0.0/8"});
  Request request{.peer = "127.0.0.1"};
  request.headers = {{"Forwarded", first}, {"x-forwarded-for", rest}};
  if (!is_forwarded(request)) std::abort();
  const std::string client = kLocal.client_address(request);
  boost::system::error_code failed;
  boost::asio::ip::make_address(client, failed);
  if (failed) std::abort();
  request.peer = "192.0.2.1";
  if (kLocal.client_address(request) != "192.0.2.1") std::abort();
  request.headers.pop_back();
  kLocal.client_address(request);
  if (const auto proxies = TrustedProxies::of({first, rest})) proxies->client_address(request);
  return 0;
}
