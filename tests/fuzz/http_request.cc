// Bytes from a socket: framed by the request parser in pieces, then routed. The first byte says how
// large the pieces are. No answer may depend on the pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/http/query.h"
#include "serve/http/request_parser.h"
#include "serve/router.h"

namespace {

using autoglm::serve::ParserLimits;
using autoglm::serve::Request;
using autoglm::serve::RequestParser;

constexpr ParserLimits kLimits{.max_header_bytes = 2048, .max_body_bytes = 4096};

// What was understood, as text to compare.
std::string understood(std::string_view bytes, size_t step) {
  std::string log;
  std::string pending;
  auto parser = std::make_unique<RequestParser>(kLimits);
  for (size_t at = 0; at < bytes.size(); at += step) {
    pending += bytes.substr(at, step);
    for (;;) {
      const RequestParser::Step fed = parser->feed(pending);
      if (fed.consumed > pending.size()) std::abort();
      pending.erase(0, fed.consumed);
      if (fed.failure) return log + "refused";
      if (!parser->done()) break;
      const Request request = parser->take();
      if (request.body.size() > kLimits.max_body_bytes) std::abort();
      autoglm::serve::route_label(request.path);
      const auto parameters = autoglm::serve::query_parameters(request.query);
      if (parameters && parameters->size() > 1000) std::abort();
      autoglm::serve::method_label(request.method);
      log +=
          request.method + " " + request.target + " " + request.path + "\n" + request.body + "\n";
      parser = std::make_unique<RequestParser>(kLimits);
      if (pending.empty()) break;
    }
    if (pending.size() > 3 * kLimits.max_header_bytes + step) std::abort();
  }
  return log + "open";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > 16384) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t step = data[0] % 64 + 1;
  const std::string whole = understood(bytes, bytes.size());
  const std::string pieces = understood(bytes, step);
  // A broken later part may be seen before or after an earlier request is handed over; the requests
  // that both ways hand over must be the same.
  const size_t common = std::min(whole.rfind('\n') + 1, pieces.rfind('\n') + 1);
  if (whole.compare(0, common, pieces, 0, common) != 0) std::abort();
  return 0;
}
