#include "cli/load/http_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/verb.hpp>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <utility>

namespace autoglm::load {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr uint64_t kMaxBodyBytes = uint64_t{1} << 30;
constexpr uint32_t kMaxHeadBytes = 64 << 10;
constexpr auto kConnectTimeout = std::chrono::seconds(10);
constexpr double kLongestWait = 60;  // of a Retry-After

// A Beast body that hands each piece on as it is parsed.
struct PieceBody {
  using value_type = std::function<void(std::string_view)>;
  class reader {
   public:
    template <bool kIsRequest, class Fields>
    reader(http::header<kIsRequest, Fields>&, value_type& sink) : sink_(sink) {}
    void init(const boost::optional<uint64_t>&, beast::error_code& code) { code = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, beast::error_code& code) {
      code = {};
      size_t n = 0;
      for (const auto buffer : beast::buffers_range_ref(buffers)) {
        sink_({static_cast<const char*>(buffer.data()), buffer.size()});
        n += buffer.size();
      }
      return n;
    }
    void finish(beast::error_code& code) { code = {}; }

   private:
    value_type& sink_;
  };
};

double seconds_of(std::string_view retry_after) {
  double seconds = 0;
  std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  return seconds > 0 ? std::min(seconds, kLongestWait) : 0;
}

bool is_http_error(const boost::system::error_code& code) {
  return code.category() == make_error_code(http::error::bad_method).category();
}

}  // namespace

Result<std::unique_ptr<HttpClient>> HttpClient::make(asio::io_context& context, Endpoint endpoint) {
  std::unique_ptr<HttpClient> client(new HttpClient(context, std::move(endpoint)));
  const Endpoint& to = client->endpoint_;
  boost::system::error_code code;
  asio::ip::tcp::resolver resolver(context);
  client->addresses_ = resolver.resolve(to.host, to.port, code);
  if (code) {
    return Error{ErrorCode::kNotFound, "cannot resolve the server's name", to.url(), "",
                 code.message()};
  }
  return client;
}

std::string HttpClient::head_of(const HttpCall& call) const {
  std::string head =
      fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\nUser-Agent: autoglm-bench\r\n", call.method,
                  endpoint_.base_path, call.path, endpoint_.authority());
  for (const auto& [name, value] : endpoint_.headers) head += name + ": " + value + "\r\n";
  if (!call.body.empty()) {
    head +=
        fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n", call.body.size());
  }
  return head + "\r\n";
}

HttpOutcome HttpClient::failed(const boost::system::error_code& code, Failure otherwise) const {
  HttpOutcome outcome{.failure = otherwise, .detail = code.message()};
  if (interrupted_) {
    outcome.failure = Failure::kInterrupted;
  } else if (code == beast::error::timeout) {
    outcome.failure = Failure::kTimeout;
  } else if (code == http::error::end_of_stream || code == http::error::partial_message) {
    outcome.failure = Failure::kConnectionLost;
    outcome.detail = "closed before the answer's end";
  } else if (is_http_error(code)) {
    outcome.failure = Failure::kBadHttp;
  }
  return outcome;
}

asio::awaitable<HttpOutcome> HttpClient::connect(Stream& stream) {
  const auto [code, address] = co_await stream.async_connect(addresses_, kToken);
  if (code) co_return failed(code, Failure::kConnect);
  boost::system::error_code ignored;
  stream.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  co_return HttpOutcome();
}

asio::awaitable<HttpOutcome> HttpClient::talk(std::shared_ptr<Stream> stream,
                                              const std::string& bytes, const OnBody& on_body,
                                              bool& answered) {
  const auto [written, n_written] =
      co_await asio::async_write(*stream, asio::buffer(bytes), kToken);
  if (written) co_return failed(written, Failure::kConnectionLost);
  http::response_parser<PieceBody> parser;
  parser.body_limit(kMaxBodyBytes);
  parser.header_limit(kMaxHeadBytes);
  parser.eager(true);
  parser.get().body() = [&](std::string_view piece) {
    on_body(static_cast<int>(parser.get().result_int()), piece);
  };
  beast::flat_buffer buffer;
  while (!parser.is_done()) {
    const auto [code, n] = co_await http::async_read_some(*stream, buffer, parser, kToken);
    answered = answered || n > 0 || parser.got_some();
    if (code) co_return failed(code, Failure::kConnectionLost);
  }
  HttpOutcome outcome{.status = static_cast<int>(parser.get().result_int())};
  const auto wait = parser.get()[http::field::retry_after];
  outcome.retry_after_s = seconds_of({wait.data(), wait.size()});
  if (parser.keep_alive() && !interrupted_) idle_.push_back(std::move(stream));
  co_return outcome;
}

asio::awaitable<HttpOutcome> HttpClient::exchange(HttpCall call, OnBody on_body) {
  const std::string bytes = head_of(call) + call.body;
  for (;;) {
    if (interrupted_) co_return HttpOutcome{.failure = Failure::kInterrupted};
    const bool reused = !idle_.empty();
    std::shared_ptr<Stream> stream;
    if (reused) {
      stream = std::move(idle_.back());
      idle_.pop_back();
    } else {
      stream = std::make_shared<Stream>(context_);
    }
    running_.insert(stream.get());
    HttpOutcome outcome;
    if (!reused) {
      stream->expires_at(
          std::min<Clock::time_point>(call.deadline, Clock::now() + kConnectTimeout));
      outcome = co_await connect(*stream);
    }
    bool answered = false;
    if (outcome.failure == Failure::kNone) {
      stream->expires_at(call.deadline);
      outcome = co_await talk(stream, bytes, on_body, answered);
    }
    running_.erase(stream.get());
    // The server may close a connection that rests just when it is used again: that is no failure,
    // and the request has not been seen.
    if (reused && !answered && outcome.failure == Failure::kConnectionLost) continue;
    co_return outcome;
  }
}

void HttpClient::interrupt() {
  interrupted_ = true;
  idle_.clear();
  for (Stream* stream : running_) stream->cancel();
}

}  // namespace autoglm::load
