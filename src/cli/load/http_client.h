// An HTTP/1.1 client for many requests at once on one thread: coroutines, connections that are kept
// and used again, bodies handed on as they arrive.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "cli/load/answer_reader.h"
#include "cli/load/endpoint.h"

namespace autoglm::load {

struct HttpCall {
  std::string method = "POST";
  std::string path;  // "/v1/completions"
  std::string body;
  Clock::time_point deadline;
};

struct HttpOutcome {
  Failure failure = Failure::kNone;  // kStatus is told by `status` alone
  std::string detail;
  int status = 0;
  double retry_after_s = 0;  // of the header; 0: there was none
};

class HttpClient {
 public:
  // Resolves the endpoint's name now; the error names it.
  static Result<std::unique_ptr<HttpClient>> make(boost::asio::io_context& context,
                                                  Endpoint endpoint);

  // `on_body` gets the answer's body piece by piece, with its status. The client and `on_body` must
  // outlive the coroutine.
  using OnBody = std::function<void(int status, std::string_view piece)>;
  boost::asio::awaitable<HttpOutcome> exchange(HttpCall call, OnBody on_body);

  // Ends all that runs: each exchange returns with Failure::kInterrupted.
  void interrupt();
  const Endpoint& endpoint() const { return endpoint_; }

 private:
  using Stream = boost::beast::tcp_stream;
  HttpClient(boost::asio::io_context& context, Endpoint endpoint)
      : context_(context), endpoint_(std::move(endpoint)) {}

  std::string head_of(const HttpCall& call) const;
  boost::asio::awaitable<HttpOutcome> connect(Stream& stream);
  // `answered`: whether a byte of an answer came.
  boost::asio::awaitable<HttpOutcome> talk(std::shared_ptr<Stream> stream, const std::string& bytes,
                                           const OnBody& on_body, bool& answered);
  HttpOutcome failed(const boost::system::error_code& code, Failure otherwise) const;

  boost::asio::io_context& context_;
  const Endpoint endpoint_;
  boost::asio::ip::tcp::resolver::results_type addresses_;
  std::vector<std::shared_ptr<Stream>> idle_;
  std::unordered_set<Stream*> running_;
  bool interrupted_ = false;
};

}  // namespace autoglm::load
