// The coroutines of one connection. They share one thread, so between two co_await nothing changes.
#include "serve/http/connection.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <exception>
#include <utility>
#include <vector>

#include "serve/http/exchange.h"

namespace autoglm::serve {
namespace asio = boost::asio;
namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
// Pipelined requests that wait while one is answered.
constexpr size_t kReadAheadBytes = 64 << 10;
// What a client must take within the write timeout.
constexpr size_t kWriteBytes = 64 << 10;
// After our last byte the client gets this long to stop sending; closing earlier would reset the
// connection and take the answer with it.
constexpr auto kLinger = std::chrono::seconds(2);
// While draining, a request that has begun to arrive gets this long: it would be answered 503.
constexpr auto kDrainRead = std::chrono::seconds(2);
// Pauses between probes of a client that has finished sending: the first so short that work for one
// that has left is soon dropped, the later ones so long that they cost nothing.
constexpr auto kFirstProbe = std::chrono::milliseconds(250);
constexpr auto kLongestProbe = std::chrono::milliseconds(8000);

}  // namespace

namespace {

std::string address_of_peer(const asio::ip::tcp::socket& socket) {
  boost::system::error_code gone;
  const auto peer = socket.remote_endpoint(gone);
  return gone ? std::string() : peer.address().to_string();
}

}  // namespace

Connection::Connection(asio::ip::tcp::socket socket, std::shared_ptr<ServerState> server)
    : socket_(std::move(socket)),
      wake_timer_(socket_.get_executor(), Clock::time_point::max()),
      reader_timer_(socket_.get_executor(), Clock::time_point::max()),
      watch_timer_(socket_.get_executor(), Clock::time_point::max()),
      server_(std::move(server)),
      peer_(address_of_peer(socket_)) {
  server_->connections.insert(this);
  server_->observer().connection_opened();
}

Connection::~Connection() {
  account_body(0);
  server_->unsent_bytes -= unsent_bytes_;
  server_->connections.erase(this);
  server_->observer().connection_closed();
}

void Connection::start() {
  const auto executor = socket_.get_executor();
  // What is thrown, for want of memory mostly, ends this connection and no other.
  const auto ended = [self = shared_from_this()](const std::exception_ptr& problem) {
    if (problem) self->close();
  };
  asio::co_spawn(
      executor, [self = shared_from_this()] { return self->read(); }, ended);
  asio::co_spawn(
      executor, [self = shared_from_this()] { return self->watch(); }, ended);
  asio::co_spawn(
      executor, [self = shared_from_this()] { return self->serve(); }, ended);
}

bool Connection::busy() const {
  return exchange_ != nullptr || !input_.empty() || !output_.empty() || phase_ == Phase::kReading ||
         phase_ == Phase::kWriting;
}

void Connection::hurry() {
  if (phase_ != Phase::kReading) return;
  deadline_ = std::min<Clock::time_point>(deadline_, Clock::now() + kDrainRead);
  watch_timer_.cancel();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  boost::system::error_code ignored;
  socket_.close(ignored);
  watch_timer_.cancel();
  reader_timer_.cancel();
  client_gone();
  wake();
}

void Connection::wake() { wake_timer_.cancel(); }

void Connection::client_gone() {
  gone_ = true;
  if (exchange_ != nullptr) exchange_->abandon();
}

void Connection::account_body(size_t body_bytes) {
  *server_->buffered_bytes += static_cast<int64_t>(body_bytes) - static_cast<int64_t>(body_bytes_);
  body_bytes_ = body_bytes;
}

std::shared_ptr<const void> Connection::hold_body() {
  struct Held {
    std::shared_ptr<std::atomic<int64_t>> sum;
    int64_t n_bytes = 0;
    ~Held() { *sum -= n_bytes; }
  };
  auto held = std::make_shared<Held>();
  held->sum = server_->buffered_bytes;
  held->n_bytes = static_cast<int64_t>(std::exchange(body_bytes_, 0));
  return held;
}

void Connection::append_output(std::string bytes) {
  if (bytes.empty()) return;
  const size_t n_bytes = bytes.size();
  if (!output_.empty() && output_.back().size() + n_bytes <= kWriteBytes) {
    output_.back() += bytes;
  } else {
    output_.push_back(std::move(bytes));
  }
  output_bytes_ += n_bytes;
  account_unsent();
}

void Connection::account_unsent() {
  const auto unsent = static_cast<int64_t>(output_bytes_ + writing_bytes_);
  if (unsent_bytes_ == 0) {
    unsent_since_ = Clock::now();
    taken_bytes_ = 0;
  }
  server_->unsent_bytes += unsent - unsent_bytes_;
  unsent_bytes_ = unsent;
}

bool Connection::leaves_too_much_unsent() const {
  const ServerOptions& options = server_->options;
  if (unsent_bytes_ > options.max_unsent_bytes) return true;
  const int64_t share = options.max_unsent_bytes_together / std::ssize(server_->connections);
  return server_->unsent_bytes > options.max_unsent_bytes_together && unsent_bytes_ > share;
}

double Connection::bytes_per_second() const {
  // A second more than it was: whoever has just begun to read is not slow yet.
  const std::chrono::duration<double> since =
      Clock::now() - unsent_since_ + std::chrono::seconds(1);
  return static_cast<double>(taken_bytes_) / since.count();
}

void Connection::make_room() const {
  const ServerOptions& options = server_->options;
  int64_t too_many = server_->unsent_bytes - options.max_unsent_bytes_together;
  if (too_many <= 0) return;
  const int64_t share = options.max_unsent_bytes_together / std::ssize(server_->connections);
  std::vector<std::pair<double, std::shared_ptr<Connection>>> slow;
  for (Connection* other : server_->connections) {
    if (other == this || other->closed_ || other->unsent_bytes_ <= share) continue;
    auto shared = other->weak_from_this().lock();
    if (shared) slow.emplace_back(other->bytes_per_second(), std::move(shared));
  }
  std::sort(slow.begin(), slow.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [speed, other] : slow) {
    if (too_many <= 0) return;
    too_many -= other->unsent_bytes_;
    other->close();
  }
}

void Connection::enter(Phase phase) {
  phase_ = phase;
  const ServerOptions& options = server_->options;
  const Clock::time_point now = Clock::now();
  switch (phase) {
    case Phase::kIdle: deadline_ = now + std::chrono::milliseconds(options.idle_timeout_ms); break;
    case Phase::kReading:
      deadline_ = now + std::chrono::milliseconds(options.read_timeout_ms);
      if (server_->draining) deadline_ = std::min<Clock::time_point>(deadline_, now + kDrainRead);
      break;
    case Phase::kAnswering: deadline_ = Clock::time_point::max(); break;
    case Phase::kWriting:
      deadline_ = now + std::chrono::milliseconds(options.write_timeout_ms);
      break;
    case Phase::kLingering: deadline_ = now + kLinger; break;
  }
  watch_timer_.cancel();
}

asio::awaitable<void> Connection::wait() { co_await wake_timer_.async_wait(kToken); }

asio::awaitable<void> Connection::watch() {
  while (!closed_) {
    if (Clock::now() >= deadline_) {
      // A request that is late is told so; a client that reads nothing, or says nothing, is not.
      if (phase_ != Phase::kReading || timed_out_) {
        close();
        break;
      }
      timed_out_ = true;
      deadline_ = Clock::time_point::max();
      wake();
    }
    watch_timer_.expires_at(deadline_);
    co_await watch_timer_.async_wait(kToken);
  }
}

asio::awaitable<void> Connection::read() {
  const size_t full = 2 * server_->options.parser.max_header_bytes + kReadAheadBytes;
  while (!closed_) {
    if (input_.size() >= full) {
      co_await reader_timer_.async_wait(kToken);
      continue;
    }
    // Most connections wait: bytes get room when they are there, in the room that all share.
    const auto [gone] = co_await socket_.async_wait(asio::ip::tcp::socket::wait_read, kToken);
    boost::system::error_code code = gone;
    std::array<char, ServerState::kReadBytes>& chunk = server_->chunk;
    const size_t n_bytes = code ? 0 : socket_.read_some(asio::buffer(chunk), code);
    if (code == asio::error::would_block) continue;
    if (code) {
      eof_ = code == asio::error::eof;
      break;
    }
    server_->observer().bytes_received(n_bytes);
    if (phase_ == Phase::kLingering) continue;
    input_.append(chunk.data(), n_bytes);
    fresh_ = true;
    wake();
  }
  if (eof_) {
    wake();
    asio::co_spawn(
        socket_.get_executor(), [self = shared_from_this()] { return self->probe(); },
        asio::detached);
    co_await socket_.async_wait(asio::ip::tcp::socket::wait_error, kToken);
  }
  eof_ = true;
  client_gone();
  wake();
}

// A client that has closed its connection and one that has only finished sending look alike, until
// they are sent something: the first answers with a reset.
asio::awaitable<void> Connection::probe() {
  auto pause = kFirstProbe;
  while (!gone_ && !closed_) {
    reader_timer_.expires_after(pause);
    co_await reader_timer_.async_wait(kToken);
    if (exchange_ == nullptr || phase_ != Phase::kAnswering || !output_.empty()) continue;
    append_output(exchange_->probe());
    wake();
    pause = std::min(2 * pause, kLongestProbe);
  }
}

asio::awaitable<void> Connection::serve() {
  for (;;) {
    std::optional<Request> request = co_await next_request();
    if (!request) break;
    const bool more = co_await answer(std::move(*request));
    if (!more) break;
  }
  if (!closed_ && !eof_) co_await linger();
  close();
}

asio::awaitable<std::optional<Request>> Connection::next_request() {
  RequestParser parser(server_->options.parser);
  enter(Phase::kIdle);
  timed_out_ = false;
  fresh_ = !input_.empty();
  bool continued = false;
  for (;;) {
    if (timed_out_) {
      // Named first: g++ 12 destroys an aggregate made inside a co_await expression twice.
      ParseFailure late{408, "the request took too long to arrive"};
      co_await refuse(std::move(late));
      co_return std::nullopt;
    }
    if (fresh_) {
      fresh_ = false;
      if (phase_ == Phase::kIdle) enter(Phase::kReading);
      RequestParser::Step step = parser.feed(input_);
      input_.erase(0, step.consumed);
      reader_timer_.cancel();
      if (!step.failure && parser.header_done()) {
        account_body(parser.body_bytes());
        if (*server_->buffered_bytes > server_->options.max_buffered_bytes) {
          step.failure = ParseFailure{503, "too many large requests at once"};
        }
      }
      if (step.failure) {
        ParseFailure failure = std::move(*step.failure);
        co_await refuse(std::move(failure));
        co_return std::nullopt;
      }
      if (parser.done()) break;
      if (parser.header_done() && parser.expects_continue() && !continued && input_.empty()) {
        continued = true;
        append_output("HTTP/1.1 100 Continue\r\n\r\n");
        const Clock::time_point deadline = deadline_;
        const bool sent = co_await flush();
        if (!sent) co_return std::nullopt;
        enter(Phase::kReading);
        deadline_ = deadline;
        continue;
      }
    }
    if (eof_ || closed_) co_return std::nullopt;
    if (!fresh_ && !timed_out_) co_await wait();
  }
  Request request = parser.take();
  request.held = hold_body();
  co_return request;
}

asio::awaitable<bool> Connection::answer(Request request) {
  const Clock::time_point begin = Clock::now();
  const std::string method = request.method;
  const std::string path = request.path;
  enter(Phase::kAnswering);
  std::vector<Header> headers;
  request.peer = peer_;
  if (server_->hooks.id_of) request.id = server_->hooks.id_of(request);
  if (server_->hooks.headers_for) headers = server_->hooks.headers_for(request);
  auto exchange = std::make_shared<ConnectionExchange>(weak_from_this(), socket_.get_executor(),
                                                       request, std::move(headers));
  exchange_ = exchange;
  try {
    server_->hooks.handle(std::move(request), exchange);
  } catch (const std::exception& problem) {  // out of memory, mostly
    const std::string_view what = "the server has no memory left for this request";
    exchange->respond({.status = 503, .body = server_->hooks.refusal_body(503, what)});
  }
  bool alive = true;
  for (;;) {
    if (!output_.empty()) {
      alive = co_await flush();
      if (!alive) break;
    } else if (exchange->ended()) {
      break;
    } else if (gone_ || closed_) {
      alive = false;
      break;
    } else {
      co_await wait();
    }
  }
  if (!alive) client_gone();
  exchange_ = nullptr;
  output_.clear();
  output_bytes_ = 0;
  account_unsent();
  const std::chrono::duration<double> took = Clock::now() - begin;
  server_->observer().request_done(method, path, alive ? exchange->status() : 499, took.count());
  co_return alive && !exchange->close_after();
}

asio::awaitable<bool> Connection::flush() {
  while (!output_.empty() && !closed_) {
    const std::string bytes = std::move(output_.front());
    output_.pop_front();
    output_bytes_ -= bytes.size();
    writing_bytes_ = bytes.size();
    while (writing_bytes_ > 0) {
      account_unsent();
      enter(Phase::kWriting);
      const auto piece = asio::buffer(bytes.data() + bytes.size() - writing_bytes_,
                                      std::min(writing_bytes_, kWriteBytes));
      const auto [code, n_bytes] = co_await asio::async_write(socket_, piece, kToken);
      server_->observer().bytes_sent(n_bytes);
      taken_bytes_ += static_cast<int64_t>(n_bytes);
      writing_bytes_ = code ? 0 : writing_bytes_ - n_bytes;
      if (code) co_return false;
    }
    enter(Phase::kAnswering);
  }
  account_unsent();
  co_return !closed_;
}

asio::awaitable<void> Connection::refuse(ParseFailure failure) {
  account_body(0);
  Response response{.status = failure.status};
  response.body = server_->hooks.refusal_body(failure.status, failure.message);
  append_output(response_head(response, server_->options.headers, {.close = true}) + response.body);
  server_->observer().request_done("", "", failure.status, 0);
  timed_out_ = false;
  co_await flush();
}

asio::awaitable<void> Connection::linger() {
  boost::system::error_code ignored;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  input_.clear();
  reader_timer_.cancel();
  enter(Phase::kLingering);
  while (!eof_ && !closed_) co_await wait();
}

}  // namespace autoglm::serve
