// Names, labels and buckets are a contract with other people's dashboards.
#include "observe/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autoglm::observe {
namespace {

using testing::HasSubstr;
using testing::Not;

Metrics small_metrics() {
  ModelInfo model;
  model.max_model_len = 100;
  model.instruction_set = "avx2";
  return Metrics({.model_name = "tiny", .version = "1.2.3"}, model);
}

TEST(Metrics, CarriesVllmsNamesAndLabels) {
  Metrics metrics = small_metrics();
  metrics.update({.requests_running = 3, .kv_cache_usage = 0.25, .prompt_tokens = 40});
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("vllm:num_requests_running{engine=\"0\",model_name=\"tiny\"} 3"));
  EXPECT_THAT(text, HasSubstr("vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"tiny\"} 0.25"));
  EXPECT_THAT(text, HasSubstr("vllm:prompt_tokens_total{engine=\"0\",model_name=\"tiny\"} 40"));
  EXPECT_THAT(text, HasSubstr("# TYPE vllm:prompt_tokens_total counter"));
  EXPECT_THAT(text, HasSubstr("instruction_set=\"avx2\""));
  EXPECT_THAT(text, HasSubstr("version=\"1.2.3\""));
}

TEST(Metrics, CountersFollowTheEnginesTotals) {
  Metrics metrics = small_metrics();
  metrics.update({.generation_tokens = 10});
  metrics.update({.generation_tokens = 10});
  metrics.update({.generation_tokens = 25});
  EXPECT_THAT(metrics.text(), HasSubstr("vllm:generation_tokens_total{engine=\"0\",model_name="
                                        "\"tiny\"} 25"));
}

TEST(Metrics, CountsDraftsUnderVllmsNames) {
  Metrics metrics = small_metrics();
  metrics.update({.spec_decode_drafts = 3,
                  .spec_decode_draft_tokens = 12,
                  .spec_decode_accepted_tokens = 4,
                  .spec_decode_accepted_per_position = {3, 1}});
  const std::string text = metrics.text();
  const std::string labels = "{engine=\"0\",model_name=\"tiny\"";
  EXPECT_THAT(text, HasSubstr("vllm:spec_decode_num_drafts_total" + labels + "} 3"));
  EXPECT_THAT(text, HasSubstr("vllm:spec_decode_num_draft_tokens_total" + labels + "} 12"));
  EXPECT_THAT(text, HasSubstr("vllm:spec_decode_num_accepted_tokens_total" + labels + "} 4"));
  EXPECT_THAT(text, HasSubstr("vllm:spec_decode_num_accepted_tokens_per_pos_total" + labels +
                              ",position=\"1\"} 1"));
}

TEST(Metrics, SortsTimesIntoVllmsBuckets) {
  Metrics metrics = small_metrics();
  metrics.on_step({.seconds = 0.03,
                   .decode_rows = 2,
                   .prefill_rows = 7,
                   .time_to_first_token = {0.03},
                   .inter_token = {0.02, 0.2}});
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("vllm:time_to_first_token_seconds_bucket{engine=\"0\",model_name="
                              "\"tiny\",le=\"0.02\"} 0"));
  EXPECT_THAT(text, HasSubstr("vllm:time_to_first_token_seconds_bucket{engine=\"0\",model_name="
                              "\"tiny\",le=\"0.04\"} 1"));
  EXPECT_THAT(text, HasSubstr("vllm:inter_token_latency_seconds_count{engine=\"0\",model_name="
                              "\"tiny\"} 2"));
  EXPECT_THAT(text, HasSubstr("vllm:iteration_tokens_total_sum{engine=\"0\",model_name="
                              "\"tiny\"} 9"));
}

TEST(Metrics, CountsEndedRequestsByReason) {
  Metrics metrics = small_metrics();
  RequestObservation request;
  request.finish_reason = FinishReason::kCancelled;
  request.usage = {.prompt_tokens = 12, .completion_tokens = 3, .cached_tokens = 4};
  metrics.on_request_end(request);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("vllm:request_success_total{engine=\"0\",finished_reason=\"abort\","
                              "model_name=\"tiny\"} 1"));
  EXPECT_THAT(text, HasSubstr("vllm:request_success_total{engine=\"0\",finished_reason=\"stop\","
                              "model_name=\"tiny\"} 0"));
  EXPECT_THAT(text, HasSubstr("vllm:request_prefill_kv_computed_tokens_sum{engine=\"0\","
                              "model_name=\"tiny\"} 8"));
  // Token buckets end where sequences do.
  EXPECT_THAT(text, HasSubstr("vllm:request_prompt_tokens_bucket{engine=\"0\",model_name=\"tiny\","
                              "le=\"100\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("le=\"200\"")));
}

TEST(Metrics, CountsHttpRequestsByRouteAndStatus) {
  Metrics metrics = small_metrics();
  metrics.http_request("/v1/models", "GET", 200, 0.001);
  metrics.http_request("/v1/models", "GET", 200, 0.001);
  metrics.http_request("other", "GET", 404, 0.001);
  metrics.connection_opened();
  metrics.connection_opened();
  metrics.connection_closed();
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("http_requests_total{code=\"200\",handler=\"/v1/models\",method="
                              "\"GET\",status=\"2xx\"} 2"));
  EXPECT_THAT(text, HasSubstr("autoglm:http_open_connections 1"));
  EXPECT_THAT(text, HasSubstr("autoglm:http_connections_total 2"));
}

}  // namespace
}  // namespace autoglm::observe
