// The program's metrics in Prometheus' text form. vLLM's names, labels and buckets where vLLM has
// the metric, so that its dashboards and autoscalers work unchanged; prefix "autoglm:" for the
// rest. All members may be called from any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "autoglm/model.h"
#include "observe/request_observer.h"

namespace autoglm::observe {

struct MetricsOptions {
  std::string model_name;
  std::string version;
};

class Metrics : public EngineObserver, public RequestObserver {
 public:
  Metrics(const MetricsOptions& options, const ModelInfo& model);
  ~Metrics() override;

  // The engine's gauges and counters, as they are now; to be called before text().
  void update(const EngineStats& stats);

  void on_step(const StepObservation& step) override;
  void on_request_end(const RequestObservation& request) override;
  // Counts faults of ours that a request's handler has met, where the engine's come with update();
  // and requests over a quota, whose name is the error's `where`.
  void failed(const RequestContext& request, const RequestFailure& failure) override;

  // `route` must come from a fixed set: each one is a time series of its own.
  void http_request(std::string_view route, std::string_view method, int status, double seconds);
  void connection_opened();
  void connection_closed();
  void connection_refused();
  void bytes_received(size_t n_bytes);
  void bytes_sent(size_t n_bytes);

  std::string text() const;  // "text/plain; version=0.0.4"

 private:
  struct Series;
  std::unique_ptr<Series> series_;
};

}  // namespace autoglm::observe
