// Turns answers into bytes of the connection's output.
#include "serve/http/exchange.h"

#include <fmt/format.h>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <exception>

namespace autoglm::serve {

void ConnectionExchange::post(std::function<void()> task) {
  boost::asio::post(executor_, std::move(task));
}

void ConnectionExchange::with_connection(std::function<void(Connection&)> task) {
  boost::asio::dispatch(executor_, [self = shared_from_this(), task = std::move(task)] {
    const std::shared_ptr<Connection> connection = self->connection_.lock();
    if (connection == nullptr || self->gone_ || self->ended()) return;
    try {
      task(*connection);
    } catch (const std::exception&) {  // out of memory, mostly: the answer cannot be whole
      connection->close();
    }
    connection->wake();
  });
}

std::string ConnectionExchange::head_of(Response& response, const Connection& connection,
                                        bool chunked) const {
  response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
  return response_head(response, connection.server_->options.headers,
                       {.chunked = chunked, .close = close_, .version_minor = version_minor_});
}

bool ConnectionExchange::must_close(const Connection& connection) const {
  return close_ || connection.server_->draining;
}

void ConnectionExchange::add_headers(std::vector<Header> headers) {
  with_connection([this, headers = std::move(headers)](Connection&) {
    for (const Header& header : headers) {
      std::erase_if(headers_, [&](const Header& old) { return old.name == header.name; });
      headers_.push_back(header);
    }
  });
}

void ConnectionExchange::respond(Response response) {
  with_connection([this, response = std::move(response)](Connection& connection) mutable {
    if (stage_ != Stage::kOpen) return;
    status_ = response.status;
    close_ = must_close(connection);
    connection.append_output(head_of(response, connection, false));
    if (!head_only_) connection.append_output(std::move(response.body));
    end();
    connection.make_room();
  });
}

void ConnectionExchange::start_stream(Response head) {
  with_connection([this, head = std::move(head)](Connection& connection) mutable {
    if (stage_ != Stage::kOpen) return;
    status_ = head.status;
    stage_ = Stage::kStreaming;
    events_ = head.content_type.starts_with("text/event-stream");
    // HTTP/1.0 has no chunks: the end of the connection is the end of the stream.
    close_ = must_close(connection) || version_minor_ == 0;
    connection.append_output(head_of(head, connection, true));
    append_piece(connection, std::move(head.body));
  });
}

void ConnectionExchange::write(std::string piece) {
  with_connection([this, piece = std::move(piece)](Connection& connection) mutable {
    if (stage_ == Stage::kStreaming) append_piece(connection, std::move(piece));
  });
}

void ConnectionExchange::end_stream() {
  with_connection([this](Connection& connection) {
    if (stage_ != Stage::kStreaming) return;
    if (version_minor_ > 0 && !head_only_) connection.append_output("0\r\n\r\n");
    end();
  });
}

void ConnectionExchange::on_client_gone(std::function<void()> function) {
  boost::asio::dispatch(executor_, [self = shared_from_this(), function = std::move(function)] {
    if (self->ended()) return;
    if (self->gone_) {
      function();
    } else {
      self->on_gone_ = function;
    }
  });
}

std::string ConnectionExchange::probe() const {
  // RFC 9110, 15.2.1: a client that asked for no 100 discards it. HTTP/1.0 knows no such answers.
  if (stage_ == Stage::kOpen) return version_minor_ > 0 ? "HTTP/1.1 100 Continue\r\n\r\n" : "";
  if (stage_ != Stage::kStreaming || !events_ || head_only_) return {};
  return version_minor_ > 0 ? "3\r\n:\n\n\r\n" : ":\n\n";  // a comment among the events
}

void ConnectionExchange::append_piece(Connection& connection, std::string piece) {
  if (piece.empty() || head_only_) return;  // an empty chunk would end the stream
  if (version_minor_ > 0) {
    connection.append_output(fmt::format("{:x}\r\n", piece.size()));
    connection.append_output(std::move(piece));
    connection.append_output("\r\n");
  } else {
    connection.append_output(std::move(piece));
  }
  if (connection.leaves_too_much_unsent()) connection.close();
}

void ConnectionExchange::end() {
  stage_ = Stage::kEnded;
  on_gone_ = nullptr;
}

void ConnectionExchange::abandon() {
  if (gone_ || ended()) return;
  gone_ = true;
  if (const auto function = std::exchange(on_gone_, nullptr)) function();
}

}  // namespace autoglm::serve
