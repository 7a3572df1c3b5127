// The answer to one request of a connection. Internal to serve/http.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "serve/http/connection.h"
#include "serve/http/message.h"

namespace autoglm::serve {

class ConnectionExchange : public Exchange,
                           public std::enable_shared_from_this<ConnectionExchange> {
 public:
  // `headers`: of the answer, whatever it is.
  ConnectionExchange(std::weak_ptr<Connection> connection, boost::asio::any_io_executor executor,
                     const Request& request, std::vector<Header> headers)
      : connection_(std::move(connection)),
        executor_(std::move(executor)),
        headers_(std::move(headers)),
        version_minor_(request.version_minor),
        head_only_(request.method == "HEAD"),
        close_(!request.keep_alive) {}

  void post(std::function<void()> task) override;
  void add_headers(std::vector<Header> headers) override;
  void respond(Response response) override;
  void start_stream(Response head) override;
  void write(std::string piece) override;
  void end_stream() override;
  void on_client_gone(std::function<void()> function) override;

  // The rest is for the connection, on its thread.
  bool ended() const { return stage_ == Stage::kEnded; }
  bool close_after() const { return close_; }
  int status() const { return status_; }
  void abandon();  // the client has gone
  // Bytes that may be sent now and change nothing for a client that listens; empty when there are
  // none.
  std::string probe() const;

 private:
  enum class Stage { kOpen, kStreaming, kEnded };

  // Runs `task` with the connection, on its thread, unless either has ended.
  void with_connection(std::function<void(Connection&)> task);
  bool must_close(const Connection& connection) const;
  std::string head_of(Response& response, const Connection& connection, bool chunked) const;
  void append_piece(Connection& connection, std::string piece);
  void end();

  const std::weak_ptr<Connection> connection_;
  const boost::asio::any_io_executor executor_;
  std::vector<Header> headers_;
  const int version_minor_;
  const bool head_only_;
  bool close_;
  Stage stage_ = Stage::kOpen;
  bool gone_ = false;
  bool events_ = false;  // the stream is one of server-sent events
  int status_ = 0;
  std::function<void()> on_gone_;
};

}  // namespace autoglm::serve
