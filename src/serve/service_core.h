// The service over any backend: GLMService is this over a GLMModel, the tests' is this over a
// script.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "autoglm/service.h"
#include "serve/context.h"
#include "serve/http/server.h"

namespace autoglm::serve {

class ServiceCore {
 public:
  // Answers 503 until attach().
  explicit ServiceCore(ServiceOptions options);
  ServiceCore(std::unique_ptr<ModelBackend> backend, ServiceOptions options);
  ~ServiceCore();
  ServiceCore(const ServiceCore&) = delete;
  ServiceCore& operator=(const ServiceCore&) = delete;

  // One more to be told of every request; before attach(). It outlives the service.
  void observe(observe::RequestObserver& observer) { context_.observers.push_back(&observer); }

  // From any thread, once.
  void attach(std::unique_ptr<ModelBackend> backend);

  Result<void> listen();
  uint16_t port() const { return server_->port(); }
  Result<void> run();
  void stop() { server_->stop(); }
  std::string key_notice() const { return key_notice_; }
  int second_signal() const { return server_->second_signal(); }
  const ServiceContext& context() const { return context_; }

 private:
  class WireMetrics;
  const ServiceOptions options_;
  Result<void> wrong_option_;
  std::string key_notice_;
  bool has_keys_ = false;   // listen() has been called
  ServiceContext context_;  // the model's part of it once `loaded_`
  std::atomic<bool> loaded_ = false;
  std::unique_ptr<WireMetrics> wire_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace autoglm::serve
