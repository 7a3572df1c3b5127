// Which server is asked, and how a client introduces itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/result.h"

namespace autoglm::load {

struct Endpoint {
  std::string host;       // without the brackets of an IPv6 address
  std::string port;       // "8000"
  std::string base_path;  // before "/v1": "" mostly
  std::vector<std::pair<std::string, std::string>> headers;  // of every request

  std::string authority() const;  // what Host says
  std::string url() const;
};

// "http://HOST[:PORT][/PATH]"; a final "/v1" may stand there as in clients' base URLs. https is
// refused: this program measures servers on the own network.
Result<Endpoint> parse_url(std::string_view url);

}  // namespace autoglm::load
