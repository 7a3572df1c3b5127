// The HTTP/1.1 server: listens, keeps connections within limits, drains. It knows requests and
// answers, no routes and no models. All its work happens on the thread that calls run().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "serve/http/message.h"
#include "serve/http/request_parser.h"

namespace autoglm::serve {

struct ServerOptions {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  ParserLimits parser;
  int32_t max_connections = 1024;
  int64_t read_timeout_ms = 30'000;
  int64_t write_timeout_ms = 30'000;  // for 64 KiB: one that reads slowly has not stopped
  int64_t idle_timeout_ms = 75'000;
  int64_t drain_timeout_ms = 30'000;
  std::vector<Header> headers;  // of every answer
  // Bytes of one stream that a slow client may leave unsent before it is given up; and of all
  // connections together, streams and whole answers, beyond which those are given up that hold more
  // than an equal share, the slowest first.
  int64_t max_unsent_bytes = 16 << 20;
  int64_t max_unsent_bytes_together = 256 << 20;
  // Bodies of all connections together, so that many large ones cannot exhaust memory.
  int64_t max_buffered_bytes = 256 << 20;
};

// What happens on the wire, for metrics. Called on the thread of run().
class HttpObserver {
 public:
  virtual ~HttpObserver() = default;
  virtual void connection_opened() {}
  virtual void connection_closed() {}
  virtual void connection_refused() {}
  virtual void bytes_received(size_t) {}
  virtual void bytes_sent(size_t) {}
  // `path` is the client's; empty when the request could not be parsed. `status` 499: the client
  // went away before the answer.
  virtual void request_done(std::string_view /*method*/, std::string_view /*path*/, int /*status*/,
                            double /*seconds*/) {}
};

// The body of an answer to a request that never became one.
using RefusalBody = std::function<std::string(int status, std::string_view message)>;

struct ServerHooks {
  Handler handle;
  // Request::id, before anything else is asked of the request; may be null.
  std::function<std::string(const Request&)> id_of;
  // Headers of the answer to this request, whatever it is; may be null.
  std::function<std::vector<Header>(const Request&)> headers_for;
  RefusalBody refusal_body;
  HttpObserver* observer = nullptr;      // may be null; outlives the server
  std::function<void()> on_drain_limit;  // the drain timeout has passed: end what still runs
};

class HttpServer {
 public:
  HttpServer(ServerOptions options, ServerHooks hooks);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  Result<void> listen();  // the error names the address and the reason
  uint16_t port() const;
  // Returns when stop() or SIGTERM/SIGINT has been followed by the end of the running answers.
  // A second signal ends it at once; after it, signals do what they did before listen().
  Result<void> run();
  int second_signal() const;  // which ended run(); 0: none did
  void stop();                // from any thread
  bool draining() const;

  class Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace autoglm::serve
