// One client's connection: a reader that also notices when the client leaves, a writer that answers
// one request after another, and a watchdog for slow clients. A client that has only finished
// sending still gets its answers. Internal to serve/http.
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include "serve/http/message.h"
#include "serve/http/request_parser.h"
#include "serve/http/server.h"

namespace autoglm::serve {

class Connection;

// What the connections of one server share. Touched on the server's thread only, but for
// `buffered_bytes`.
struct ServerState {
  ServerOptions options;
  ServerHooks hooks;
  HttpObserver silent;  // stands in for a missing observer
  std::unordered_set<Connection*> connections;
  // Of bodies, from their first byte until nobody needs them: that may be long after their
  // connection has ended, and on another thread.
  std::shared_ptr<std::atomic<int64_t>> buffered_bytes = std::make_shared<std::atomic<int64_t>>(0);
  int64_t unsent_bytes = 0;  // answers that their clients have not taken yet
  bool draining = false;
  static constexpr size_t kReadBytes = 16 << 10;
  std::array<char, kReadBytes> chunk;  // just read, for as long as nobody waits

  HttpObserver& observer() { return hooks.observer != nullptr ? *hooks.observer : silent; }
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Clock = std::chrono::steady_clock;

  Connection(boost::asio::ip::tcp::socket socket, std::shared_ptr<ServerState> server);
  ~Connection();
  void start();
  // A request has begun to arrive or is being answered.
  bool busy() const;
  void hurry();  // the drain has begun: wait less for a request that is still arriving
  void close();

 private:
  friend class ConnectionExchange;
  enum class Phase { kIdle, kReading, kAnswering, kWriting, kLingering };

  boost::asio::awaitable<void> read();
  boost::asio::awaitable<void> probe();
  boost::asio::awaitable<void> serve();
  boost::asio::awaitable<void> watch();
  boost::asio::awaitable<std::optional<Request>> next_request();
  boost::asio::awaitable<bool> answer(Request request);
  boost::asio::awaitable<bool> flush();
  boost::asio::awaitable<void> refuse(ParseFailure failure);
  boost::asio::awaitable<void> linger();
  boost::asio::awaitable<void> wait();

  void enter(Phase phase);
  void wake();
  void client_gone();  // it will not take an answer any more
  void account_body(size_t body_bytes);
  std::shared_ptr<const void> hold_body();  // takes over what was accounted
  void append_output(std::string bytes);
  void account_unsent();
  bool leaves_too_much_unsent() const;
  // Gives up other clients that read slowly and have much unsent, where all together have too much.
  void make_room() const;
  double bytes_per_second() const;  // taken by the client since it has something to take

  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer wake_timer_;  // what serve() sleeps on
  boost::asio::steady_timer
      reader_timer_;  // what read() sleeps on while its buffer is full, probe()
  boost::asio::steady_timer watch_timer_;
  std::shared_ptr<ServerState> server_;
  const std::string peer_;  // its address; empty where it has gone already

  Phase phase_ = Phase::kIdle;
  Clock::time_point deadline_ = Clock::time_point::max();
  std::string input_;   // received, not yet parsed
  bool fresh_ = false;  // input_ has grown since the parser last saw it
  bool eof_ = false;    // nothing more will come; the client may still listen
  bool gone_ = false;   // the client is not there any more
  bool timed_out_ = false;
  bool closed_ = false;
  size_t body_bytes_ = 0;  // this connection's part of server_->buffered_bytes

  // Of the current answer, not yet given to the socket; small pieces are put together.
  std::deque<std::string> output_;
  size_t output_bytes_ = 0;   // in it
  size_t writing_bytes_ = 0;  // given to the socket, not yet taken
  int64_t unsent_bytes_ = 0;  // this connection's part of server_->unsent_bytes
  Clock::time_point unsent_since_;
  int64_t taken_bytes_ = 0;  // since then
  std::shared_ptr<class ConnectionExchange> exchange_;
};

}  // namespace autoglm::serve
