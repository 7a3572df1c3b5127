// The service over any backend: GLMService is this over a GLMModel, the tests' is this over a
// script.
#pragma once

#include <cstdint>
#include <memory>

#include "autoglm/service.h"
#include "serve/context.h"
#include "serve/http/server.h"

namespace autoglm::serve {

class ServiceCore {
 public:
  ServiceCore(std::unique_ptr<ModelBackend> backend, ServiceOptions options);
  ~ServiceCore();
  ServiceCore(const ServiceCore&) = delete;
  ServiceCore& operator=(const ServiceCore&) = delete;

  Result<void> listen() { return server_->listen(); }
  uint16_t port() const { return server_->port(); }
  Result<void> run();
  void stop() { server_->stop(); }
  const ServiceContext& context() const { return context_; }

 private:
  class WireMetrics;
  ServiceContext context_;
  std::unique_ptr<WireMetrics> wire_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace autoglm::serve
