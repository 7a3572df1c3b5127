// vLLM's result keys (vllm bench serve --save-result), and what it does not have.
#include <fmt/format.h>

#include <cmath>

#include "cli/load/report.h"

namespace autoglm::load {
namespace {

void add_times(json::object& out, std::string_view name, const Distribution& d) {
  const auto key = [&](std::string_view what) { return fmt::format("{}_{}_ms", what, name); };
  out[key("mean")] = d.mean;
  out[key("median")] = d.p50;
  out[key("std")] = d.std;
  out[key("p50")] = d.p50;
  out[key("p90")] = d.p90;
  out[key("p99")] = d.p99;
  out[key("min")] = d.min;
  out[key("max")] = d.max;
}

json::object request_json(const Observation& seen) {
  json::object out{{"conversation", seen.conversation},
                   {"turn", seen.turn},
                   {"arrival_s", seen.arrival_s},
                   {"start_s", seen.start_s},
                   {"end_s", seen.end_s}};
  if (seen.failure != Failure::kNone) {
    out["error"] = failure_name(seen.failure);
    out["status"] = seen.status;
    out["detail"] = seen.detail;
    return out;
  }
  out["input_tokens"] = seen.input_tokens;
  out["output_tokens"] = seen.output_tokens;
  out["cached_tokens"] = seen.cached_tokens;
  out["ttft_ms"] = seen.ttft_ms();
  out["tpot_ms"] = seen.tpot_ms();
  out["itl_ms"] = boost::json::value_from(seen.gaps_ms);
  if (seen.structured) out["valid_json"] = seen.valid_json;
  return out;
}

}  // namespace

json::object to_json(const Measured& measured, Detail detail) {
  const Summary& s = measured.summary;
  const RunOptions& options = measured.options;
  json::object out{{"base_url", measured.url},
                   {"endpoint", measured.form.path},
                   {"model_id", measured.form.model},
                   {"prompts", describe_prompts(measured.form)},
                   {"prompt_form", measured.form.token_ids ? "token_ids" : "text"},
                   {"tokens_counted_by", s.with_usage == s.completed ? "usage" : "pieces"},
                   {"arrivals", describe_arrivals(options)},
                   {"num_prompts", s.completed + s.failed},
                   {"burstiness", options.burstiness},
                   {"input_len", options.workload.input.describe()},
                   {"output_len", options.workload.output.describe()},
                   {"prefix_len", options.workload.prefix_tokens},
                   {"num_prefixes", options.workload.n_prefixes},
                   {"turns", options.workload.turns},
                   {"seed", options.workload.seed},
                   {"interrupted", measured.run.interrupted},
                   {"duration", s.duration_s},
                   {"completed", s.completed},
                   {"failed", s.failed},
                   {"total_input_tokens", s.input_tokens},
                   {"total_output_tokens", s.output_tokens},
                   {"total_cached_tokens", s.cached_tokens},
                   {"request_throughput", s.per_second(s.completed)},
                   {"input_throughput", s.per_second(s.input_tokens)},
                   {"output_throughput", s.per_second(s.output_tokens)},
                   {"total_token_throughput", s.per_second(s.input_tokens + s.output_tokens)},
                   {"max_concurrent_requests", s.peak_concurrency}};
  // JSON has no infinity: vLLM writes the word.
  out["request_rate"] =
      std::isfinite(options.request_rate) ? json::value(options.request_rate) : json::value("inf");
  out["max_concurrency"] =
      options.max_concurrency > 0 ? json::value(options.max_concurrency) : json::value(nullptr);
  add_times(out, "ttft", s.ttft_ms);
  add_times(out, "tpot", s.tpot_ms);
  add_times(out, "itl", s.itl_ms);
  add_times(out, "e2el", s.e2el_ms);
  add_times(out, "client_wait", s.client_wait_ms);
  if (measured.objective.any()) out["request_goodput"] = s.per_second(s.good);
  if (s.structured > 0) {
    out["structured"] = s.structured;
    out["structured_valid"] = s.valid_json;
  }
  json::object errors;
  for (const auto& [kind, count] : s.errors) {
    errors[kind] = json::object{{"count", count}, {"example", s.error_examples.at(kind)}};
  }
  out["errors"] = std::move(errors);
  if (detail == Detail::kRequests) {
    json::array requests;
    for (const Observation& seen : measured.run.observations) {
      requests.push_back(request_json(seen));
    }
    out["requests"] = std::move(requests);
  }
  return out;
}

}  // namespace autoglm::load
