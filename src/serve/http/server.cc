// Listening, accepting, signals and the drain.
#include "serve/http/server.h"

#include <fmt/format.h>

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <exception>
#include <utility>
#include <vector>

#include "base/log.h"
#include "serve/http/connection.h"
#include "serve/http/listening_host.h"

namespace autoglm::serve {
namespace asio = boost::asio;
using asio::ip::tcp;
namespace {
constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
// How often the drain looks whether the last answer has ended.
constexpr auto kDrainStep = std::chrono::milliseconds(10);
// What is cancelled at the drain timeout gets this long to say so to its client.
constexpr auto kCancelGrace = std::chrono::seconds(2);
}  // namespace

class HttpServer::Impl {
 public:
  Impl(ServerOptions options, ServerHooks hooks)
      : acceptor_(context_), signals_(context_), state_(std::make_shared<ServerState>()) {
    state_->options = std::move(options);
    state_->hooks = std::move(hooks);
  }

  Result<void> listen() {
    if (acceptor_.is_open()) return {};
    const ServerOptions& options = state_->options;
    const std::string host = AGLM_TRY(listening_host(options.host));
    const auto failed = [&](const boost::system::error_code& code, std::string_view what) {
      return Error{ErrorCode::kIo, std::string(what),
                   fmt::format("{}:{}", options.host, options.port),
                   "an address and port that this machine can serve", code.message()};
    };
    boost::system::error_code code;
    tcp::resolver resolver(context_);
    const auto found =
        resolver.resolve(host, std::to_string(options.port), tcp::resolver::passive, code);
    if (code || found.empty()) return failed(code, "cannot resolve the address");
    const tcp::endpoint endpoint = found.begin()->endpoint();
    acceptor_.open(endpoint.protocol(), code);
    if (!code) acceptor_.set_option(tcp::acceptor::reuse_address(true), code);
    if (!code) acceptor_.bind(endpoint, code);
    if (!code) acceptor_.listen(asio::socket_base::max_listen_connections, code);
    if (code) {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      return failed(code, "cannot listen");
    }
    port_ = acceptor_.local_endpoint(code).port();
    // From here on clients may come: a signal before run() drains instead of killing.
    signals_.add(SIGINT, code);
    if (!code) signals_.add(SIGTERM, code);
    if (code) {
      return Error{ErrorCode::kIo, "cannot watch signals", "SIGINT, SIGTERM", "", code.message()};
    }
    return {};
  }

  Result<void> run() {
    if (Result<void> listening = listen(); !listening) return listening;
    spawn_signals();
    spawn_accept();
    // What the work of one connection throws, for want of memory mostly, is not the end of all.
    for (bool ended = false; !ended;) {
      try {
        context_.run();
        ended = true;
      } catch (const std::exception& problem) {
        logger()->error("the HTTP server goes on after: {}", problem.what());
      }
    }
    boost::system::error_code ignored;
    signals_.clear(ignored);
    return {};
  }

  void stop() {
    asio::post(context_, [this] { begin_drain(); });
  }

  uint16_t port() const { return port_; }
  bool draining() const { return draining_; }
  int second_signal() const { return second_signal_; }

 private:
  // Both go on after something was thrown.
  void spawn_accept() {
    asio::co_spawn(context_, accept(), [this](const std::exception_ptr& problem) {
      if (problem && !finished_) spawn_accept();
    });
  }
  void spawn_signals() {
    asio::co_spawn(context_, watch_signals(), [this](const std::exception_ptr& problem) {
      if (problem && !finished_) spawn_signals();
    });
  }

  asio::awaitable<void> accept() {
    while (acceptor_.is_open()) {
      auto [code, socket] = co_await acceptor_.async_accept(kToken);
      if (state_->draining) break;
      if (code) {
        // Out of file descriptors, most likely: wait for some to close rather than spin.
        asio::steady_timer pause(context_, std::chrono::milliseconds(50));
        co_await pause.async_wait(kToken);
        continue;
      }
      if (std::ssize(state_->connections) >= state_->options.max_connections) {
        turn_away(std::move(socket));
        continue;
      }
      boost::system::error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);  // a token is sent when it is there
      std::make_shared<Connection>(std::move(socket), state_)->start();
    }
  }

  void turn_away(tcp::socket socket) {
    Response response{.status = 503};
    response.headers.push_back({"Retry-After", "1"});
    response.body = state_->hooks.refusal_body(503, "too many connections");
    const std::string bytes =
        response_head(response, state_->options.headers, {.close = true}) + response.body;
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(bytes), ignored);  // fits an empty send buffer
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    // Unread bytes at close() would turn the answer into a reset.
    std::string unread(16 << 10, '\0');
    socket.read_some(asio::buffer(unread), ignored);
    state_->observer().connection_refused();
  }

  asio::awaitable<void> watch_signals() {
    while (!finished_) {
      const auto [code, signal] = co_await signals_.async_wait(kToken);
      if (code) break;
      if (state_->draining) {
        logger()->warn("signal {} again: closing at once", signal);
        second_signal_ = signal;
        finish();
        break;
      }
      logger()->info("signal {}: no new connections, waiting for running answers", signal);
      stop();  // posted: the drain may end everything, this coroutine too
    }
  }

  void begin_drain() {
    if (state_->draining) return;
    state_->draining = true;
    draining_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    for (Connection* connection : state_->connections) connection->hurry();
    asio::co_spawn(context_, drain(), [this](const std::exception_ptr& problem) {
      if (problem) finish();
    });
  }

  asio::awaitable<void> drain() {
    const auto begin = std::chrono::steady_clock::now();
    const auto limit = std::chrono::milliseconds(state_->options.drain_timeout_ms);
    bool cancelled = false;
    asio::steady_timer timer(context_);
    while (any_busy()) {
      const auto waited = std::chrono::steady_clock::now() - begin;
      if (waited >= limit + kCancelGrace) break;
      if (waited >= limit && !cancelled) {
        cancelled = true;
        if (state_->hooks.on_drain_limit) state_->hooks.on_drain_limit();
      }
      timer.expires_after(kDrainStep);
      co_await timer.async_wait(kToken);
    }
    finish();
  }

  bool any_busy() const {
    for (const Connection* connection : state_->connections) {
      if (connection->busy()) return true;
    }
    return false;
  }

  // Ends every coroutine, and with the last of them run().
  void finish() {
    finished_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    signals_.cancel(ignored);
    std::vector<std::shared_ptr<Connection>> open;
    for (Connection* connection : state_->connections) {
      if (auto shared = connection->weak_from_this().lock()) open.push_back(std::move(shared));
    }
    for (const auto& connection : open) connection->close();
  }

  asio::io_context context_{1};
  tcp::acceptor acceptor_;
  asio::signal_set signals_;
  std::shared_ptr<ServerState> state_;
  std::atomic<bool> draining_{false};
  std::atomic<int> second_signal_{0};
  bool finished_ = false;
  uint16_t port_ = 0;
};

HttpServer::HttpServer(ServerOptions options, ServerHooks hooks)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(hooks))) {}
HttpServer::~HttpServer() = default;
Result<void> HttpServer::listen() { return impl_->listen(); }
uint16_t HttpServer::port() const { return impl_->port(); }
Result<void> HttpServer::run() { return impl_->run(); }
void HttpServer::stop() { impl_->stop(); }
bool HttpServer::draining() const { return impl_->draining(); }
int HttpServer::second_signal() const { return impl_->second_signal(); }

}  // namespace autoglm::serve
