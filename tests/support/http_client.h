// A raw HTTP client for tests: sends the bytes it is given, reads what comes, understands just
// enough of an answer to take it apart. Blocking sockets with a time limit, so that a hanging
// server fails a test instead of stopping it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace autoglm {

struct HttpAnswer {
  int status = 0;                              // 0: none came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // chunks joined
  bool whole = false;                          // ended as its framing said

  std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

class HttpClient {
 public:
  explicit HttpClient(uint16_t port, int timeout_s = 10) {
    socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit{.tv_sec = timeout_s, .tv_usec = 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~HttpClient() { close(); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  bool connected() const { return connected_; }
  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void close_sending() { ::shutdown(socket_, SHUT_WR); }
  // Small buffers, so that a client that reads nothing is soon noticed. Before any data flows.
  void shrink_receive_buffer() {
    const int bytes = 4096;
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }

  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // Receives some more into buffer(); false at the end, on an error or after the time limit.
  bool receive() {
    char bytes[16384];
    const ssize_t n = ::recv(socket_, bytes, sizeof bytes, 0);
    ended_ = n == 0;
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<size_t>(n));
    return true;
  }
  // Until the server closes. True when it did, false when the time limit passed.
  bool receive_all() {
    while (receive()) {
    }
    return ended_;
  }
  bool receive_until(std::string_view mark) {
    while (buffer_.find(mark) == std::string::npos) {
      if (!receive()) return false;
    }
    return true;
  }
  const std::string& buffer() const { return buffer_; }

  // The next answer on this connection.
  HttpAnswer read_answer(bool head_only = false) {
    HttpAnswer answer;
    if (!receive_until("\r\n\r\n")) return answer;
    const size_t head_end = buffer_.find("\r\n\r\n");
    parse_head(buffer_.substr(0, head_end + 2), answer);
    buffer_.erase(0, head_end + 4);
    if (answer.status / 100 == 1) return answer;
    if (head_only || answer.status == 204) {
      answer.whole = true;
    } else if (answer.header("transfer-encoding") == "chunked") {
      read_chunks(answer);
    } else if (!answer.header("content-length").empty()) {
      const size_t length = std::strtoull(answer.header("content-length").c_str(), nullptr, 10);
      while (buffer_.size() < length && receive()) {
      }
      answer.whole = buffer_.size() >= length;
      answer.body = buffer_.substr(0, length);
      buffer_.erase(0, length);
    } else {
      answer.whole = receive_all();
      answer.body = std::exchange(buffer_, {});
    }
    return answer;
  }

  HttpAnswer get(std::string_view path) {
    send("GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    return read_answer();
  }
  // `headers`: lines that each end in CR and LF.
  static std::string post_text(std::string_view path, std::string_view body,
                               std::string_view headers = "") {
    return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(headers) +
           "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + std::string(body);
  }
  HttpAnswer post(std::string_view path, std::string_view body) {
    send(post_text(path, body));
    return read_answer();
  }

 private:
  static void parse_head(const std::string& head, HttpAnswer& answer) {
    if (head.size() > 12) answer.status = std::atoi(head.c_str() + 9);
    size_t line = head.find("\r\n") + 2;
    while (line < head.size()) {
      const size_t end = head.find("\r\n", line);
      const size_t colon = head.find(':', line);
      if (end == std::string::npos || colon > end) break;
      std::string name = head.substr(line, colon - line);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const size_t value = head.find_first_not_of(' ', colon + 1);
      answer.headers[name] = head.substr(value, end - value);
      line = end + 2;
    }
  }
  void read_chunks(HttpAnswer& answer) {
    for (;;) {
      if (!receive_until("\r\n")) return;
      const size_t size = std::strtoull(buffer_.c_str(), nullptr, 16);
      buffer_.erase(0, buffer_.find("\r\n") + 2);
      while (buffer_.size() < size + 2) {
        if (!receive()) return;
      }
      answer.body += buffer_.substr(0, size);
      buffer_.erase(0, size + 2);
      if (size == 0) {
        answer.whole = true;
        return;
      }
    }
  }

  int socket_ = -1;
  bool connected_ = false;
  bool ended_ = false;
  std::string buffer_;
};

}  // namespace autoglm
