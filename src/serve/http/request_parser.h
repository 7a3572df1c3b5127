// Bytes to requests: HTTP/1.1 framing on Boost.Beast's parser, without sockets, plus the rules that
// a server must add to it (one of each header that is read, no transfer coding but chunked,
// limits). Fuzzed alone.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "serve/http/message.h"

namespace autoglm::serve {

struct ParserLimits {
  size_t max_header_bytes = 16 << 10;  // start line and fields
  size_t max_body_bytes = 16 << 20;
};

struct ParseFailure {
  int status = 400;
  std::string message;
};

class RequestParser {
 public:
  explicit RequestParser(ParserLimits limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  struct Step {
    size_t consumed = 0;                  // bytes taken from the front
    std::optional<ParseFailure> failure;  // the connection cannot go on after it
  };
  // Bytes that were not consumed must come again, with more behind them. At most
  // 2 * max_header_bytes of them are ever left over. Precondition: not done(), no failure before.
  Step feed(std::string_view bytes);

  bool header_done() const;
  bool done() const;
  // The client waits for "100 Continue" before it sends the body. Precondition: header_done().
  bool expects_continue() const;
  size_t body_bytes() const;
  Request take();  // precondition: done()

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The path of a request target in origin, absolute or asterisk form, percent-decoded; nothing when
// an escape is broken or the form is not served.
std::optional<std::string> target_path(std::string_view target);

}  // namespace autoglm::serve
