// A service over a scripted model, running on a free port for as long as a test lasts.
#pragma once

#include <memory>
#include <thread>
#include <utility>

#include "serve/service_core.h"
#include "support/fake_backend.h"
#include "support/http_client.h"

namespace autoglm::serve {

class RunningService {
 public:
  explicit RunningService(FakeScript script = {}, ServiceOptions options = {}) {
    auto backend = std::make_unique<FakeBackend>(std::move(script));
    backend_ = backend.get();
    options.port = 0;
    core_ = std::make_unique<ServiceCore>(std::move(backend), std::move(options));
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

}  // namespace autoglm::serve
