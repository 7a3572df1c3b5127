// Puts server, routes, metrics and model together.
#include "serve/service_core.h"

#include <filesystem>
#include <string>
#include <utility>

#include "autoglm/version.h"
#include "serve/api/errors.h"
#include "serve/router.h"

namespace autoglm::serve {
namespace {

// Templates and tokenizing take milliseconds; two threads keep one huge prompt from holding up the
// rest.
constexpr int kPrepareThreads = 2;
constexpr size_t kPrepareWaiting = 512;
constexpr size_t kEmbeddingsWaiting = 64;

std::string name_of_checkpoint(const std::string& path) {
  std::filesystem::path name = std::filesystem::path(path).lexically_normal();
  if (!name.has_filename()) name = name.parent_path();
  std::string text = name.extension() == ".gguf" ? name.stem().string() : name.filename().string();
  return text.empty() ? "model" : text;
}

ServerOptions server_options(const ServiceOptions& options) {
  ServerOptions server;
  server.host = options.host;
  server.port = options.port;
  server.parser.max_header_bytes = static_cast<size_t>(options.max_header_bytes);
  server.parser.max_body_bytes = static_cast<size_t>(options.max_body_bytes);
  server.max_connections = options.max_connections;
  server.read_timeout_ms = options.read_timeout_ms;
  server.write_timeout_ms = options.write_timeout_ms;
  server.idle_timeout_ms = options.idle_timeout_ms;
  server.drain_timeout_ms = options.drain_timeout_ms;
  server.headers.push_back({"X-Content-Type-Options", "nosniff"});
  if (!options.cors_allow_origin.empty()) {
    server.headers.push_back({"Access-Control-Allow-Origin", options.cors_allow_origin});
    server.headers.push_back({"Access-Control-Allow-Methods", "GET, POST, OPTIONS"});
    server.headers.push_back({"Access-Control-Allow-Headers", "Authorization, Content-Type"});
    server.headers.push_back({"Vary", "Origin"});
  }
  return server;
}

}  // namespace

class ServiceCore::WireMetrics : public HttpObserver {
 public:
  explicit WireMetrics(observe::Metrics& metrics) : metrics_(metrics) {}
  void connection_opened() override { metrics_.connection_opened(); }
  void connection_closed() override { metrics_.connection_closed(); }
  void connection_refused() override { metrics_.connection_refused(); }
  void bytes_received(size_t n_bytes) override { metrics_.bytes_received(n_bytes); }
  void bytes_sent(size_t n_bytes) override { metrics_.bytes_sent(n_bytes); }
  void request_done(std::string_view method, std::string_view path, int status,
                    double seconds) override {
    metrics_.http_request(route_label(path), method_label(method), status, seconds);
  }

 private:
  observe::Metrics& metrics_;
};

ServiceCore::ServiceCore(std::unique_ptr<ModelBackend> backend, ServiceOptions options) {
  const ModelInfo& info = backend->info();
  context_.model_names = options.served_model_names;
  if (context_.model_names.empty()) context_.model_names.push_back(name_of_checkpoint(info.path));
  context_.metrics = std::make_shared<observe::Metrics>(
      observe::MetricsOptions{.model_name = context_.model_name(), .version = kVersion}, info);
  backend->observe(context_.metrics);
  context_.backend = std::move(backend);
  context_.created = unix_time();
  context_.chat_page = options.chat_page;
  context_.draining = [this] { return server_->draining(); };
  context_.prepare = std::make_unique<WorkQueue>(kPrepareThreads, kPrepareWaiting);
  context_.embeddings = std::make_unique<WorkQueue>(1, kEmbeddingsWaiting);
  wire_ = std::make_unique<WireMetrics>(*context_.metrics);

  ServerHooks hooks;
  hooks.handle = [this](Request request, const std::shared_ptr<Exchange>& exchange) {
    route(context_, std::move(request), exchange);
  };
  hooks.refusal_body = [](int status, std::string_view message) {
    return error_body(ApiError{.status = status, .message = std::string(message)});
  };
  hooks.observer = wire_.get();
  hooks.on_drain_limit = [this] { context_.backend->drain(0); };
  server_ = std::make_unique<HttpServer>(server_options(options), std::move(hooks));
}

// Order matters: work that is under way speaks to the server's connections and to the model.
ServiceCore::~ServiceCore() {
  context_.prepare.reset();
  context_.embeddings.reset();
  context_.backend->drain(0);
  context_.backend->observe(nullptr);
  server_.reset();
}

Result<void> ServiceCore::run() { return server_->run(); }

}  // namespace autoglm::serve
