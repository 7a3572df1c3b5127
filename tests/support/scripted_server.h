// A server that answers with the very bytes that a test gives it, and closes, resets or hangs as it
// is told: what clients must bear. One thread a connection, one request a turn of its script.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace autoglm {

struct ScriptedReply {
  enum class Then { kKeep, kClose, kReset, kHang };
  std::vector<std::string> pieces;  // each a write of its own
  Then then = Then::kKeep;
};

class ScriptedServer {
 public:
  // `script` is asked for each whole request, on the connection's thread.
  using Script = std::function<ScriptedReply(const std::string& request)>;
  explicit ScriptedServer(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(listener_, 128);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept(); });
  }
  ~ScriptedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      const std::lock_guard lock(mutex_);
      for (const int socket : open_) ::shutdown(socket, SHUT_RDWR);
    }
    for (std::thread& thread : threads_) thread.join();
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  uint16_t port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::atomic<int> n_connections{0};

 private:
  void accept() {
    for (;;) {
      const int socket = ::accept(listener_, nullptr, nullptr);
      if (socket < 0) return;
      ++n_connections;
      const std::lock_guard lock(mutex_);
      open_.push_back(socket);
      threads_.emplace_back([this, socket] { serve(socket); });
    }
  }

  void serve(int socket) {
    std::string buffer;
    for (;;) {
      const std::string request = read_request(socket, buffer);
      if (request.empty()) break;
      const ScriptedReply reply = script_(request);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      for (const std::string& piece : reply.pieces) {
        if (::send(socket, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
      }
      if (reply.then == ScriptedReply::Then::kHang) {
        char byte = 0;
        while (::recv(socket, &byte, 1, 0) > 0) {
        }
      }
      if (reply.then == ScriptedReply::Then::kReset) {
        const linger at_once{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      }
      if (reply.then != ScriptedReply::Then::kKeep) break;
    }
    const std::lock_guard lock(mutex_);
    std::erase(open_, socket);
    ::close(socket);
  }

  // Empty when the client has gone.
  static std::string read_request(int socket, std::string& buffer) {
    const auto receive = [&] {
      char bytes[16384];
      const ssize_t n = ::recv(socket, bytes, sizeof bytes, 0);
      if (n > 0) buffer.append(bytes, static_cast<size_t>(n));
      return n > 0;
    };
    size_t head_end = 0;
    while ((head_end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) return "";
    }
    const size_t field = buffer.find("Content-Length: ");
    size_t size = head_end + 4;
    if (field < head_end) size += std::strtoull(buffer.c_str() + field + 16, nullptr, 10);
    while (buffer.size() < size) {
      if (!receive()) return "";
    }
    std::string request = buffer.substr(0, size);
    buffer.erase(0, size);
    return request;
  }

  const Script script_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread acceptor_;
  mutable std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::vector<std::string> requests_;
};

inline std::string http_answer(const std::string& status, const std::string& body,
                               const std::string& headers = "") {
  return "HTTP/1.1 " + status + "\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline std::string chunk_of(const std::string& bytes) {
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  return size + bytes + "\r\n";
}

inline const std::string kSseHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace autoglm
