// GLMService: the service over a loaded model.
#include "autoglm/service.h"

#include <utility>

#include "serve/backend.h"
#include "serve/service_core.h"

namespace autoglm {

class GLMService::Impl {
 public:
  Impl(GLMModel model, ServiceOptions options)
      : core(serve::backend_of(std::move(model)), std::move(options)) {}
  explicit Impl(ServiceOptions options) : core(std::move(options)) {}
  serve::ServiceCore core;
};

namespace {
ServiceOptions options_at(std::string host, uint16_t port) {
  ServiceOptions options;
  options.host = std::move(host);
  options.port = port;
  return options;
}
}  // namespace

GLMService::GLMService(GLMModel model, std::string host, uint16_t port)
    : GLMService(std::move(model), options_at(std::move(host), port)) {}
GLMService::GLMService(GLMModel model, ServiceOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(options))) {}
GLMService::GLMService(ServiceOptions options)
    : impl_(std::make_unique<Impl>(std::move(options))) {}
GLMService::~GLMService() = default;
GLMService::GLMService(GLMService&&) noexcept = default;
GLMService& GLMService::operator=(GLMService&&) noexcept = default;

void GLMService::attach(GLMModel model) { impl_->core.attach(serve::backend_of(std::move(model))); }
Result<void> GLMService::listen() { return impl_->core.listen(); }
uint16_t GLMService::port() const { return impl_->core.port(); }
Result<void> GLMService::run() { return impl_->core.run(); }
void GLMService::stop() { impl_->core.stop(); }
std::string GLMService::key_notice() const { return impl_->core.key_notice(); }
int GLMService::second_signal() const { return impl_->core.second_signal(); }

}  // namespace autoglm
