// The registry and every series in it. Buckets are those of vLLM's loggers.
#include "observe/metrics.h"

#include <fmt/format.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <mutex>
#include <utility>

namespace autoglm::observe {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;
using Labels = prometheus::Labels;
using Buckets = Histogram::BucketBoundaries;

const Buckets& first_token_buckets() {
  static const Buckets buckets{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
                               1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
  return buckets;
}
const Buckets& inter_token_buckets() {
  static const Buckets buckets{.01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
                               .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80};
  return buckets;
}
const Buckets& request_buckets() {
  static const Buckets buckets{.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
                               30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
  return buckets;
}
const Buckets& step_token_buckets() {
  static const Buckets buckets{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
  return buckets;
}
const Buckets& http_buckets() {
  static const Buckets buckets{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 600};
  return buckets;
}

// 1, 2, 5, 10, ... up to the longest sequence.
Buckets token_buckets(int64_t most) {
  Buckets buckets;
  for (int64_t decade = 1; decade <= most; decade *= 10) {
    for (const int64_t digit : {1, 2, 5}) {
      if (decade * digit <= most) buckets.push_back(static_cast<double>(decade * digit));
    }
  }
  if (buckets.empty()) buckets.push_back(1);
  return buckets;
}

std::string_view finished_reason(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "abort";
    case FinishReason::kNone:
    case FinishReason::kError: return "error";
  }
  return "error";
}

// Counters of the engine arrive as totals; Prometheus' take increments.
template <class Number>
void raise_to(Counter& counter, Number total) {
  const double increment = static_cast<double>(total) - counter.Value();
  if (increment > 0) counter.Increment(increment);
}

}  // namespace

struct Metrics::Series {
  explicit Series(const MetricsOptions& options)
      : labels{{"model_name", options.model_name}, {"engine", "0"}} {}

  Labels labels_and(const std::string& name, const std::string& value) const {
    Labels all = labels;
    all[name] = value;
    return all;
  }
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& more) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(more);
  }
  Gauge& gauge(const std::string& name, const std::string& help) {
    return gauge(name, help, labels);
  }
  Counter& counter(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add(labels);
  }
  Counter& plain_counter(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry).Add({});
  }
  Histogram& histogram(const std::string& name, const std::string& help, const Buckets& buckets) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry).Add(labels,
                                                                                     buckets);
  }

  prometheus::Registry registry;
  const Labels labels;
  std::mutex update_mutex;  // two updates must not both raise a counter

  Gauge& running = gauge("vllm:num_requests_running", "Requests being computed");
  Gauge& waiting = gauge("vllm:num_requests_waiting", "Requests in the queue");
  Gauge& kv_usage = gauge("vllm:kv_cache_usage_perc", "Share of the KV pool in use, 0 to 1");
  Gauge& kv_usage_old = gauge("vllm:gpu_cache_usage_perc", "Earlier name of kv_cache_usage_perc");
  Counter& prompt_tokens = counter("vllm:prompt_tokens_total", "Prompt tokens computed");
  Counter& generation_tokens = counter("vllm:generation_tokens_total", "Tokens generated");
  Counter& preemptions = counter("vllm:num_preemptions_total", "Sequences put back in the queue");
  Counter& prefix_queries =
      counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache");
  Counter& prefix_hits =
      counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache");
  Counter& grammars_compiled =
      counter("autoglm:grammars_compiled_total", "Grammars and schemas of requests compiled");
  Counter& grammars_reused = counter("autoglm:grammars_reused_total",
                                     "Requests whose grammar or schema was compiled before");
  Counter& grammar_seconds =
      counter("autoglm:grammar_compile_seconds_total", "Time spent compiling grammars and schemas");
  Gauge& grammar_bytes =
      gauge("autoglm:grammar_cache_bytes",
            "Memory of compiled grammars and token masks kept for later requests");
  prometheus::Family<Counter>& internal_errors =
      prometheus::BuildCounter()
          .Name("autoglm:internal_errors_total")
          .Help("Requests that ended by a fault of the program, by where it was met")
          .Register(registry);
  Counter& engine_errors = internal_errors.Add(labels_and("where", "engine"));
  prometheus::Family<Counter>& quota_refusals =
      prometheus::BuildCounter()
          .Name("autoglm:quota_refusals_total")
          .Help("Requests refused since their tenant had used up a quota, by which one")
          .Register(registry);
  Counter& handler_errors = internal_errors.Add(labels_and("where", "handler"));
  Counter& forced_tokens =
      counter("autoglm:forced_tokens_total", "Tokens that a grammar left no choice about");
  Counter& drafts = counter("vllm:spec_decode_num_drafts_total", "Drafts verified");
  Counter& draft_tokens =
      counter("vllm:spec_decode_num_draft_tokens_total", "Drafted tokens verified");
  Counter& accepted_tokens =
      counter("vllm:spec_decode_num_accepted_tokens_total", "Drafted tokens that answers took");
  prometheus::Family<Counter>& accepted_per_position =
      prometheus::BuildCounter()
          .Name("vllm:spec_decode_num_accepted_tokens_per_pos_total")
          .Help("The same by place in the draft, from 0")
          .Register(registry);
  Counter& spill_written =
      counter("autoglm:kv_spill_pages_written_total", "KV pages written to the spill's file");
  Counter& spill_read =
      counter("autoglm:kv_spill_pages_read_total", "KV pages read back from the spill's file");
  Counter& spill_failures = counter("autoglm:kv_spill_failures_total",
                                    "KV pages that the disk refused or gave back damaged");
  Counter& steps = counter("autoglm:engine_steps_total", "Steps of the engine");
  Counter& steps_given_up =
      counter("autoglm:engine_steps_given_up_total",
              "Steps given up for an interactive request that came meanwhile, and computed again");
  prometheus::Family<Counter>& success = prometheus::BuildCounter()
                                             .Name("vllm:request_success_total")
                                             .Help("Requests ended, by reason")
                                             .Register(registry);

  Histogram& first_token = histogram("vllm:time_to_first_token_seconds",
                                     "Acceptance to first token", first_token_buckets());
  Histogram& inter_token =
      histogram("vllm:inter_token_latency_seconds", "Token to token", inter_token_buckets());
  Histogram& inter_token_old =
      histogram("vllm:time_per_output_token_seconds", "Earlier name of inter_token_latency_seconds",
                inter_token_buckets());
  Histogram& step_tokens =
      histogram("vllm:iteration_tokens_total", "Tokens computed in one step", step_token_buckets());
  Histogram& step_seconds =
      histogram("autoglm:engine_step_seconds", "One step of the engine", first_token_buckets());
  Histogram& end_to_end =
      histogram("vllm:e2e_request_latency_seconds", "Acceptance to last token", request_buckets());
  Histogram& queue_time =
      histogram("vllm:request_queue_time_seconds", "Acceptance to first step", request_buckets());
  Histogram& prefill_time = histogram("vllm:request_prefill_time_seconds",
                                      "First step to first token", request_buckets());
  Histogram& decode_time =
      histogram("vllm:request_decode_time_seconds", "First token to last token", request_buckets());
  Histogram& inference_time = histogram("vllm:request_inference_time_seconds",
                                        "First step to last token", request_buckets());
  Histogram& per_output_token =
      histogram("vllm:request_time_per_output_token_seconds", "Mean time of one token of a request",
                inter_token_buckets());
  Histogram& params_n =
      histogram("vllm:request_params_n", "The parameter n of requests", {1, 2, 5, 10, 20});
  // These four have buckets that depend on the model.
  Histogram* request_prompt = nullptr;
  Histogram* request_generation = nullptr;
  Histogram* params_max_tokens = nullptr;
  Histogram* prefill_computed = nullptr;

  Gauge& connections = gauge("autoglm:http_open_connections", "Open HTTP connections", {});
  Counter& accepted = plain_counter("autoglm:http_connections_total", "HTTP connections accepted");
  Counter& refused = plain_counter("autoglm:http_connections_refused_total",
                                   "HTTP connections turned away at the limit");
  Counter& received = plain_counter("autoglm:http_received_bytes_total", "Bytes received");
  Counter& sent = plain_counter("autoglm:http_sent_bytes_total", "Bytes sent");
  prometheus::Family<Counter>& requests = prometheus::BuildCounter()
                                              .Name("http_requests_total")
                                              .Help("HTTP requests by route, method and status")
                                              .Register(registry);
  prometheus::Family<Histogram>& durations =
      prometheus::BuildHistogram()
          .Name("http_request_duration_seconds")
          .Help("HTTP requests, from the last byte received to the last byte sent")
          .Register(registry);
};

Metrics::Metrics(const MetricsOptions& options, const ModelInfo& model)
    : series_(std::make_unique<Series>(options)) {
  Series& s = *series_;
  const Buckets tokens = token_buckets(model.max_model_len);
  s.request_prompt =
      &s.histogram("vllm:request_prompt_tokens", "Prompt tokens of a request", tokens);
  s.request_generation =
      &s.histogram("vllm:request_generation_tokens", "Generated tokens of a request", tokens);
  s.params_max_tokens = &s.histogram("vllm:request_params_max_tokens",
                                     "The parameter max_tokens of requests", tokens);
  s.prefill_computed = &s.histogram("vllm:request_prefill_kv_computed_tokens",
                                    "Prompt tokens computed, cached ones left out", tokens);
  s.gauge("autoglm:build_info", "The program and the model it serves",
          {{"version", options.version},
           {"instruction_set", model.instruction_set},
           {"architecture", model.architecture},
           {"quantization", model.quantization},
           {"model_name", options.model_name}})
      .Set(1);
  s.gauge("autoglm:model_parameters", "Parameters of the model")
      .Set(static_cast<double>(model.parameters));
  s.gauge("autoglm:model_weight_bytes", "Memory of the weights")
      .Set(static_cast<double>(model.weight_bytes));
  s.gauge("autoglm:kv_pool_bytes", "Memory of the KV pool")
      .Set(static_cast<double>(model.kv_pool_bytes));
  s.gauge("autoglm:kv_pool_tokens", "Tokens that the KV pool holds")
      .Set(static_cast<double>(model.kv_pool_tokens));
  s.gauge("autoglm:max_model_len", "Tokens of one sequence at most")
      .Set(static_cast<double>(model.max_model_len));
  s.gauge("autoglm:start_time_seconds", "When serving began, since the epoch").SetToCurrentTime();
  for (const FinishReason reason : {FinishReason::kStop, FinishReason::kLength,
                                    FinishReason::kCancelled, FinishReason::kError}) {
    // From the start, so that a rate over it is never empty.
    s.success.Add(s.labels_and("finished_reason", std::string(finished_reason(reason))));
  }
}

Metrics::~Metrics() = default;

void Metrics::update(const EngineStats& stats) {
  Series& s = *series_;
  const std::lock_guard lock(s.update_mutex);
  s.running.Set(static_cast<double>(stats.requests_running));
  s.waiting.Set(static_cast<double>(stats.requests_waiting));
  s.kv_usage.Set(stats.kv_cache_usage);
  s.kv_usage_old.Set(stats.kv_cache_usage);
  raise_to(s.prompt_tokens, stats.prompt_tokens);
  raise_to(s.generation_tokens, stats.generation_tokens);
  raise_to(s.preemptions, stats.preemptions);
  raise_to(s.prefix_queries, stats.prefix_cache_queries);
  raise_to(s.prefix_hits, stats.prefix_cache_hits);
  raise_to(s.spill_written, stats.kv_spill_pages_written);
  raise_to(s.spill_read, stats.kv_spill_pages_read);
  raise_to(s.spill_failures, stats.kv_spill_failures);
  raise_to(s.steps, stats.steps);
  raise_to(s.steps_given_up, stats.steps_given_up);
  raise_to(s.grammars_compiled, stats.grammars_compiled);
  raise_to(s.grammars_reused, stats.grammars_reused);
  raise_to(s.grammar_seconds, stats.grammar_compile_seconds);
  s.grammar_bytes.Set(static_cast<double>(stats.grammar_cache_bytes));
  raise_to(s.engine_errors, stats.internal_errors);
  raise_to(s.forced_tokens, stats.forced_tokens);
  raise_to(s.drafts, stats.spec_decode_drafts);
  raise_to(s.draft_tokens, stats.spec_decode_draft_tokens);
  raise_to(s.accepted_tokens, stats.spec_decode_accepted_tokens);
  for (size_t i = 0; i < stats.spec_decode_accepted_per_position.size(); ++i) {
    raise_to(s.accepted_per_position.Add(s.labels_and("position", fmt::to_string(i))),
             stats.spec_decode_accepted_per_position[i]);
  }
}

void Metrics::on_step(const StepObservation& step) {
  Series& s = *series_;
  s.step_tokens.Observe(step.decode_rows + step.prefill_rows + step.draft_rows);
  s.step_seconds.Observe(step.seconds);
  for (const double seconds : step.time_to_first_token) s.first_token.Observe(seconds);
  for (const double seconds : step.inter_token) {
    s.inter_token.Observe(seconds);
    s.inter_token_old.Observe(seconds);
  }
}

void Metrics::on_request_end(const RequestObservation& request) {
  Series& s = *series_;
  Labels labels = s.labels;
  labels["finished_reason"] = finished_reason(request.finish_reason);
  s.success.Add(labels).Increment();
  const Usage& usage = request.usage;
  s.request_prompt->Observe(static_cast<double>(usage.prompt_tokens));
  s.request_generation->Observe(static_cast<double>(usage.completion_tokens));
  s.prefill_computed->Observe(static_cast<double>(usage.prompt_tokens - usage.cached_tokens));
  s.params_n.Observe(request.n);
  if (request.max_tokens) s.params_max_tokens->Observe(static_cast<double>(*request.max_tokens));
  s.end_to_end.Observe(request.end_to_end);
  s.queue_time.Observe(request.queued);
  s.prefill_time.Observe(request.prefill);
  s.decode_time.Observe(request.decode);
  s.inference_time.Observe(request.prefill + request.decode);
  const int64_t later_tokens = usage.completion_tokens / std::max(request.n, 1) - 1;
  if (later_tokens > 0) {
    s.per_output_token.Observe(request.decode / static_cast<double>(later_tokens));
  }
}

void Metrics::http_request(std::string_view route, std::string_view method, int status,
                           double seconds) {
  const std::string handler(route);
  series_->requests
      .Add({{"handler", handler},
            {"method", std::string(method)},
            {"status", fmt::format("{}xx", status / 100)},
            {"code", fmt::to_string(status)}})
      .Increment();
  series_->durations.Add({{"handler", handler}, {"method", std::string(method)}}, http_buckets())
      .Observe(seconds);
}

void Metrics::failed(const RequestContext&, const RequestFailure& failure) {
  if (failure.error.reason == ErrorReason::kQuota) {
    series_->quota_refusals.Add(series_->labels_and("quota", failure.error.where)).Increment();
  }
  if (failure.error.code == ErrorCode::kInternal && !failure.of_engine) {
    series_->handler_errors.Increment();
  }
}
void Metrics::connection_opened() {
  series_->connections.Increment();
  series_->accepted.Increment();
}
void Metrics::connection_closed() { series_->connections.Decrement(); }
void Metrics::connection_refused() { series_->refused.Increment(); }
void Metrics::bytes_received(size_t n_bytes) {
  series_->received.Increment(static_cast<double>(n_bytes));
}
void Metrics::bytes_sent(size_t n_bytes) { series_->sent.Increment(static_cast<double>(n_bytes)); }

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(series_->registry.Collect());
}

}  // namespace autoglm::observe
