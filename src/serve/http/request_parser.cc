// The only file that includes Boost.Beast.
#include "serve/http/request_parser.h"

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "serve/http/query.h"

namespace autoglm::serve {
namespace http = boost::beast::http;

struct RequestParser::State {
  explicit State(ParserLimits given) : limits(given) {
    parser.header_limit(static_cast<uint32_t>(limits.max_header_bytes));
    parser.body_limit(limits.max_body_bytes);
    parser.eager(false);  // stop after the header, so that it is judged before the body is read
    parser.on_chunk_header(on_chunk);
  }
  ParserLimits limits;
  http::request_parser<http::string_body> parser;
  size_t header_bytes = 0;
  bool header_judged = false;
  bool wants_continue = false;
  // As the head has them: Beast puts the fields behind a chunked body (RFC 9112, 7.1.2) among them.
  // Nobody who looked at the head, a proxy say, has seen those.
  std::vector<Header> headers;
  bool keep_alive = false;
  // Of a chunked body: the sizes of all chunks whose heads have been read.
  uint64_t announced_bytes = 0;
  std::function<void(uint64_t, boost::beast::string_view, boost::beast::error_code&)> on_chunk =
      [this](uint64_t size, boost::beast::string_view, boost::beast::error_code&) {
        announced_bytes += size;
      };

  bool at_chunk_head() const {
    return parser.is_header_done() && parser.chunked() && !parser.is_done() &&
           parser.get().body().size() == announced_bytes;
  }
};

namespace {

using Fields = http::request_parser<http::string_body>::value_type;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

ParseFailure failure_of(const boost::beast::error_code& code, const ParserLimits& limits) {
  if (code == http::error::header_limit) {
    return {431, fmt::format("request header is larger than {} bytes", limits.max_header_bytes)};
  }
  if (code == http::error::body_limit) {
    return {413, fmt::format("request body is larger than {} bytes", limits.max_body_bytes)};
  }
  if (code == http::error::bad_version) return {505, "only HTTP/1.0 and HTTP/1.1 are spoken here"};
  return {400, fmt::format("malformed HTTP request: {}", code.message())};
}

// What RFC 9112 asks of a server and Beast leaves open. Most of it closes doors to request
// smuggling: two readers of one connection must never disagree about where a request ends.
std::optional<ParseFailure> judge_header(const Fields& request) {
  for (const auto& field : request) {
    const std::string_view name = view(field.name_string());
    if (is_single_header(name) && request.count(field.name_string()) > 1) {
      return ParseFailure{400, fmt::format("more than one {} header", name)};
    }
  }
  if (request.count(http::field::host) == 0 && request.version() >= 11) {
    return ParseFailure{400, "the Host header is missing"};
  }
  const auto codings = request.count(http::field::transfer_encoding);
  if (codings > 0) {
    if (request.version() < 11) return ParseFailure{400, "HTTP/1.0 has no Transfer-Encoding"};
    if (request.count(http::field::content_length) > 0) {
      return ParseFailure{400, "both Content-Length and Transfer-Encoding"};
    }
    const auto coding = request[http::field::transfer_encoding];
    if (!boost::beast::iequals(coding, "chunked")) {
      return ParseFailure{501, "the only transfer coding understood is chunked"};
    }
  }
  if (const auto coding = request[http::field::content_encoding];
      !coding.empty() && !boost::beast::iequals(coding, "identity")) {
    return ParseFailure{415, "compressed request bodies are not understood"};
  }
  const auto expect = request[http::field::expect];
  if (!expect.empty() && !boost::beast::iequals(expect, "100-continue")) {
    return ParseFailure{417, "the only expectation understood is 100-continue"};
  }
  for (const auto& field : request) {
    // A folded line (obs-fold) or a control character in a value is somebody's attempt at a second
    // header.
    for (const char c : field.value()) {
      if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
        return ParseFailure{400, "control character in a header value"};
      }
    }
  }
  return std::nullopt;
}

// Whether `bytes`, the beginning of a chunk's head behind any other chunk, can be one: hexadecimal
// digits, then an extension or the line's end. Beast looks at a head only when its line has come
// and more behind it; of "0x5" it takes the 0, and waits for the trailers of a last chunk.
bool is_chunk_head(std::string_view bytes, bool first) {
  constexpr size_t kMaxDigits = 16;  // of 64 bits
  for (const char c : std::string_view(first ? "" : "\r\n")) {
    if (bytes.empty()) return true;
    if (bytes.front() != c) return false;
    bytes.remove_prefix(1);
  }
  size_t n_digits = 0;
  while (n_digits < bytes.size() && std::isxdigit(static_cast<unsigned char>(bytes[n_digits])) != 0)
    ++n_digits;
  if (n_digits > kMaxDigits) return false;
  bytes.remove_prefix(n_digits);
  if (bytes.empty()) return true;
  if (n_digits == 0) return false;
  if (bytes.front() == '\r') return bytes.size() == 1 || bytes[1] == '\n';
  return bytes.front() == ';' || bytes.front() == ' ' || bytes.front() == '\t';
}

}  // namespace

RequestParser::RequestParser(ParserLimits limits) : state_(std::make_unique<State>(limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::Step RequestParser::feed(std::string_view bytes) {
  Step step;
  auto& parser = state_->parser;
  // RFC 9112, 2.2: empty lines before a request line are skipped.
  while (!parser.got_some() && bytes.substr(step.consumed).starts_with("\r\n")) step.consumed += 2;
  if (!parser.got_some() && bytes.substr(step.consumed) == "\r") return step;
  while (!parser.is_done() && step.consumed < bytes.size()) {
    if (state_->at_chunk_head()) {
      const std::string_view rest = bytes.substr(step.consumed);
      if (!is_chunk_head(rest, state_->announced_bytes == 0)) {
        step.failure = ParseFailure{
            400, "malformed HTTP request: the size of a chunk is not 1 to 16 hexadecimal digits"};
        break;
      }
      // A chunked body ends with five bytes, so more will come where fewer are left. Beast 1.81
      // asserts that it sees all five of "0 CR LF CR LF" when it comes back to the last chunk.
      if (rest.size() < 5) break;
    }
    boost::beast::error_code code;
    const size_t used = parser.put(
        boost::asio::const_buffer(bytes.data() + step.consumed, bytes.size() - step.consumed),
        code);
    step.consumed += used;
    if (!state_->header_judged) {
      // Beast limits the first line and the fields one by one.
      state_->header_bytes += used;
      const size_t pending = parser.is_header_done() ? 0 : bytes.size() - step.consumed;
      if (state_->header_bytes + pending > state_->limits.max_header_bytes) {
        code = http::error::header_limit;
      }
    }
    if (code == http::error::need_more) {
      // Chunk headers and trailers have no limit of their own in Beast.
      if (bytes.size() - step.consumed > 2 * state_->limits.max_header_bytes) {
        step.failure = ParseFailure{431, "chunk header or trailer is too large"};
      }
      break;
    }
    if (code) {
      step.failure = failure_of(code, state_->limits);
      break;
    }
    if (parser.is_header_done() && !state_->header_judged) {
      state_->header_judged = true;
      step.failure = judge_header(parser.get());
      if (step.failure) break;
      for (const auto& field : parser.get()) {
        state_->headers.push_back(
            {std::string(view(field.name_string())), std::string(view(field.value()))});
      }
      state_->keep_alive = parser.keep_alive();
      state_->wants_continue = !parser.get()[http::field::expect].empty() &&
                               parser.get().version() >= 11 && !parser.is_done();
    }
  }
  return step;
}

bool RequestParser::header_done() const { return state_->parser.is_header_done(); }
bool RequestParser::done() const { return state_->parser.is_done(); }
bool RequestParser::expects_continue() const { return state_->wants_continue; }
size_t RequestParser::body_bytes() const { return state_->parser.get().body().size(); }

Request RequestParser::take() {
  Fields message = state_->parser.release();
  Request request;
  request.method = view(message.method_string());
  request.target = view(message.target());
  request.version_minor = message.version() >= 11 ? 1 : 0;
  request.keep_alive = state_->keep_alive;
  request.headers = std::move(state_->headers);
  request.body = std::move(message.body());
  const std::string_view target = request.target;
  const size_t question = target.find('?');
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  // An empty path is no route's, and so ends as 404.
  request.path = target_path(target.substr(0, question)).value_or("");
  return request;
}

std::optional<std::string> target_path(std::string_view target) {
  target = target.substr(0, target.find_first_of("?#"));
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (target.starts_with(scheme)) {
      const size_t slash = target.find('/', scheme.size());
      target = slash == std::string_view::npos ? "/" : target.substr(slash);
      break;
    }
  }
  if (target == "*") return "*";
  if (!target.starts_with('/')) return std::nullopt;
  return percent_decoded(target);
}

}  // namespace autoglm::serve
