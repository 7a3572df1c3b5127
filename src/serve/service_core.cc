// Puts server, routes, metrics and model together.
#include "serve/service_core.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "autoglm/version.h"
#include "serve/api/errors.h"
#include "serve/key_rules.h"
#include "serve/request_context.h"
#include "serve/router.h"

namespace autoglm::serve {
namespace {

// Templates and tokenizing take milliseconds, or up to a second where a prompt is as large as it
// may be: two at a time for one tenant, and always a thread for another's.
constexpr FairQueueLimits kPrepare{.n_threads = 3, .running_of_owner = 2, .waiting_of_owner = 512};
constexpr FairQueueLimits kGrammars{.n_threads = 2};
// These only wait for the engine, in which tenants share: one for each tenant that is served at
// once.
constexpr FairQueueLimits kEmbeddings{.n_threads = 8};
// The answers that are written there are bounded where requests are taken.
constexpr size_t kNoBound = std::numeric_limits<size_t>::max();

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
  return server;
}

}  // namespace

// Counts from when there is a model, and so metrics, on; connections that are open then as well.
class ServiceCore::WireMetrics : public HttpObserver {
 public:
  explicit WireMetrics(const ServiceCore& core) : core_(core) {}
  void connection_opened() override {
    ++n_open_;
    ready();
  }
  void connection_closed() override {
    observe::Metrics* metrics = ready();
    --n_open_;
    if (metrics == nullptr) return;
    --n_counted_;
    metrics->connection_closed();
  }
  void connection_refused() override {
    if (observe::Metrics* metrics = ready()) metrics->connection_refused();
  }
  void bytes_received(size_t n_bytes) override {
    if (observe::Metrics* metrics = ready()) metrics->bytes_received(n_bytes);
  }
  void bytes_sent(size_t n_bytes) override {
    if (observe::Metrics* metrics = ready()) metrics->bytes_sent(n_bytes);
  }
  void request_done(std::string_view method, std::string_view path, int status,
                    double seconds) override {
    if (observe::Metrics* metrics = ready()) {
      metrics->http_request(route_label(path), method_label(method), status, seconds);
    }
  }

 private:
  // Null until there is a model.
  observe::Metrics* ready() {
    if (!core_.loaded_) return nullptr;
    observe::Metrics* metrics = core_.context_.metrics.get();
    for (; n_counted_ < n_open_; ++n_counted_) metrics->connection_opened();
    return metrics;
  }

  const ServiceCore& core_;
  int64_t n_open_ = 0;
  int64_t n_counted_ = 0;  // of these, by the metrics
};

ServiceCore::ServiceCore(ServiceOptions options)
    : options_(std::move(options)), wire_(std::make_unique<WireMetrics>(*this)) {
  if (Result<AccessRules> rules = access_rules(options_)) {
    context_.access = *std::move(rules);
  } else {
    wrong_option_ = rules.error();
  }
  if (Result<TrustedProxies> proxies = TrustedProxies::of(options_.trusted_proxies)) {
    context_.proxies = *std::move(proxies);
  } else {
    wrong_option_ = proxies.error();
  }
  context_.forwarded_needs_key = !options_.no_auth;
  context_.chat_page = options_.chat_page;
  context_.draining = [this] { return server_->draining(); };

  ServerHooks hooks;
  hooks.handle = [this](Request request, const std::shared_ptr<Exchange>& exchange) {
    if (loaded_) return route(context_, std::move(request), exchange);
    exchange->respond(error_response(
        ApiError{.status = 503, .message = "the model is being loaded", .code = "loading"}));
  };
  hooks.id_of = request_id;
  hooks.headers_for = [this](const Request& request) {
    return answer_headers(context_.access, request);
  };
  hooks.refusal_body = [](int status, std::string_view message) {
    return error_body(ApiError{.status = status, .message = std::string(message)});
  };
  hooks.observer = wire_.get();
  hooks.on_drain_limit = [this] { context_.tasks.cancel_all(); };
  server_ = std::make_unique<HttpServer>(server_options(options_), std::move(hooks));
}

ServiceCore::ServiceCore(std::unique_ptr<ModelBackend> backend, ServiceOptions options)
    : ServiceCore(std::move(options)) {
  attach(std::move(backend));
}

void ServiceCore::attach(std::unique_ptr<ModelBackend> backend) {
  const ModelInfo& info = backend->info();
  context_.model_names = options_.served_model_names;
  if (context_.model_names.empty()) context_.model_names.push_back(info.name);
  context_.metrics = std::make_shared<observe::Metrics>(
      observe::MetricsOptions{.model_name = context_.model_name(), .version = kVersion}, info);
  backend->observe(context_.metrics);
  context_.observers.push_back(context_.metrics.get());
  context_.backend = std::move(backend);
  context_.created = unix_time();
  context_.prepare = std::make_unique<FairQueue>(kPrepare);
  context_.grammars = std::make_unique<FairQueue>(kGrammars);
  context_.embeddings = std::make_unique<FairQueue>(kEmbeddings);
  context_.long_answers = std::make_unique<WorkQueue>(1, kNoBound);
  loaded_ = true;  // from here on the server's thread looks at all this
}

// Order matters: work that is under way speaks to the server's connections and to the model.
ServiceCore::~ServiceCore() {
  context_.tasks.cancel_all();
  context_.prepare.reset();
  context_.grammars.reset();
  context_.embeddings.reset();
  if (context_.backend != nullptr) context_.backend->drain(0);
  context_.long_answers.reset();
  if (context_.backend != nullptr) context_.backend->observe(nullptr);
  server_.reset();
}

Result<void> ServiceCore::listen() {
  AGLM_TRY(wrong_option_);
  // Before the address is open: nothing is answered without it.
  KeyRules keys = AGLM_TRY(key_rules(options_));
  context_.gate = std::move(keys.gate);
  key_notice_ = std::move(keys.notice);
  context_.tenancy = AGLM_TRY(Tenancy::over(std::move(keys.state_folder), options_.timezone));
  context_.redaction = AGLM_TRY(Redaction::of(options_));
  AGLM_TRY(server_->listen());
  has_keys_ = true;
  return {};
}

Result<void> ServiceCore::run() {
  if (!has_keys_) AGLM_TRY(listen());
  return server_->run();
}

}  // namespace autoglm::serve
