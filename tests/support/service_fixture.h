// A service over a scripted model, running on a free port for as long as a test lasts.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/json.h"
#include "serve/service_core.h"
#include "support/fake_backend.h"
#include "support/http_client.h"

namespace autoglm::serve {

class RunningService {
 public:
  // `observer`, if any, outlives it.
  explicit RunningService(FakeScript script = {}, ServiceOptions options = {},
                          observe::RequestObserver* observer = nullptr) {
    auto backend = std::make_unique<FakeBackend>(std::move(script));
    backend_ = backend.get();
    options.port = 0;
    core_ = std::make_unique<ServiceCore>(std::move(options));
    if (observer != nullptr) core_->observe(*observer);
    core_->attach(std::move(backend));
    listening_ = core_->listen().has_value();
    thread_ = std::thread([this] { ran_ = core_->run().has_value(); });
  }
  ~RunningService() { stop(); }

  uint16_t port() const { return core_->port(); }
  FakeBackend& backend() { return *backend_; }
  ServiceCore& core() { return *core_; }
  bool listening() const { return listening_; }
  // Waits until run() has returned; its result.
  bool stop() {
    if (thread_.joinable()) {
      core_->stop();
      thread_.join();
    }
    return ran_;
  }

  // One request on a connection of its own.
  HttpAnswer get(std::string_view path) { return HttpClient(port()).get(path); }
  HttpAnswer post(std::string_view path, std::string_view body) {
    return HttpClient(port()).post(path, body);
  }

 private:
  FakeBackend* backend_ = nullptr;
  std::unique_ptr<ServiceCore> core_;
  std::thread thread_;
  bool listening_ = false;
  bool ran_ = false;
};

inline json::value parsed(const std::string& text) {
  auto value = json::parse(text, "answer");
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value(nullptr);
}

// The events of a stream, without "data: ".
inline std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> events;
  size_t at = 0;
  while (at < body.size()) {
    const size_t end = body.find("\n\n", at);
    EXPECT_NE(end, std::string::npos) << body;
    EXPECT_EQ(body.substr(at, 6), "data: ");
    events.push_back(body.substr(at + 6, end - at - 6));
    at = end + 2;
  }
  return events;
}

// Looks again and again, for ten seconds at most.
template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

inline constexpr const char* kHello = R"({"messages": [{"role": "user", "content": "Hi"}]})";

}  // namespace autoglm::serve
