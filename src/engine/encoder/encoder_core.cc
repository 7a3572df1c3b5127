#include "engine/encoder/encoder_core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "autoglm/limits.h"
#include "base/check.h"
#include "engine/request_check.h"

namespace autoglm {
namespace {

constexpr double kNewestStepShare = 0.1;  // in the average of the last steps

Error invalid(std::string where, std::string expected, std::string found) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = "parameter out of range",
          .where = std::move(where),
          .expected = std::move(expected),
          .found = std::move(found)};
}

}  // namespace

int64_t tokens_of(const EncodingRequest& request) {
  int64_t n = 0;
  for (const EncoderText& text : request.texts) n += std::ssize(text.tokens);
  return n;
}

EncoderCore::EncoderCore(Executor& executor, EncoderCoreOptions options)
    : executor_(executor), options_(std::move(options)), tenants_(options_.tenant_weights) {
  const ExecutorLimits& limits = executor.limits();
  AGLM_CHECK(options_.max_model_len >= 1 && options_.max_model_len <= limits.max_rows,
             "texts of {} tokens in steps of {} rows", options_.max_model_len, limits.max_rows);
  AGLM_CHECK(options_.output.info.labels.size() == static_cast<size_t>(limits.n_scores),
             "{} labels for {} scores", options_.output.info.labels.size(), limits.n_scores);
}

Result<void> EncoderCore::check(const EncodingRequest& request) const {
  const ExecutorLimits& limits = executor_.limits();
  if (request.texts.empty() || request.texts.size() > limits::kMaxEncoderTexts) {
    return invalid("texts", fmt::format("1 to {} texts", limits::kMaxEncoderTexts),
                   fmt::format("{}", request.texts.size()));
  }
  RequestLimits of_text{.vocab_size = limits.vocab_size,
                        .max_model_len = options_.max_model_len,
                        .pool_tokens = options_.max_model_len};
  for (const EncoderText& text : request.texts) {
    AGLM_TRY(check_prompt(text.tokens, of_text));
    if (!text.token_types.empty() && text.token_types.size() != text.tokens.size()) {
      return invalid("token_types", fmt::format("one for each of {} tokens", text.tokens.size()),
                     fmt::format("{}", text.token_types.size()));
    }
    for (const uint8_t type : text.token_types) {
      if (type < limits.token_types) continue;
      return invalid("token_types", fmt::format("0 to {}", limits.token_types - 1),
                     fmt::format("{}", type));
    }
  }
  if (request.dimensions && (*request.dimensions < 1 || *request.dimensions > limits.hidden_size)) {
    return invalid("dimensions", fmt::format("1 to {}", limits.hidden_size),
                   fmt::format("{}", *request.dimensions));
  }
  return check_scheduling(request.scheduling);
}

void EncoderCore::add(EncodingJob&& job) {
  auto request = std::make_unique<Active>();
  request->rows_left = tokens_of(job.request);
  request->results.reserve(job.request.texts.size());
  requests_.reserve(requests_.size() + 1);
  request->tenant = tenants_.join(job.request.scheduling.tenant, 1);
  request->job = std::move(job);
  requests_.push_back(std::move(request));
}

void EncoderCore::end(Active& request, Result<std::vector<std::vector<float>>> result,
                      FinishReason reason) {
  const double now = options_.clock();
  const double begun = request.first_computed_at.value_or(now);
  if (!result && result.error().code == ErrorCode::kInternal) ++counters_.internal_errors;
  if (observer_) {
    observer_->on_request_end(
        {.request_id = request.job.request.request_id,
         .finish_reason = reason,
         .usage = {.prompt_tokens = tokens_of(request.job.request) - request.rows_left},
         .queued = begun - request.job.accepted_at,
         .prefill = now - begun,
         .end_to_end = now - request.job.accepted_at});
  }
  tenants_.leave(request.job.request.scheduling.tenant);
  request.tenant = nullptr;
  ended_.push_back({std::move(request.job.on_result), std::move(result)});
}

void EncoderCore::drop_ended() {
  std::erase_if(requests_, [](const ActivePtr& request) { return request->tenant == nullptr; });
}

void EncoderCore::cancel(uint64_t id) {
  for (const ActivePtr& request : requests_) {
    if (request->job.id != id) continue;
    end(*request, Error{.code = ErrorCode::kCancelled, .what = "the request was cancelled"},
        FinishReason::kCancelled);
  }
  drop_ended();
}

void EncoderCore::cancel_all() {
  for (const ActivePtr& request : requests_) {
    end(*request, Error{.code = ErrorCode::kCancelled, .what = "the request was cancelled"},
        FinishReason::kCancelled);
  }
  drop_ended();
}

void EncoderCore::recover(const Error& error) {
  for (const ActivePtr& request : requests_) {
    if (request->tenant != nullptr) end(*request, error, FinishReason::kError);
  }
  requests_.clear();
  tenants_.clear();
}

void EncoderCore::end_overdue(double now) {
  for (const ActivePtr& request : requests_) {
    const std::optional<int64_t>& timeout = request->job.request.scheduling.timeout_ms;
    if (!timeout) continue;
    if ((now - request->job.accepted_at) * 1e3 < static_cast<double>(*timeout)) continue;
    end(*request,
        Error{.code = ErrorCode::kUnavailable,
              .what = "the answer came too late",
              .where = "timeout_ms",
              .expected = fmt::format("{} ms", *timeout),
              .reason = ErrorReason::kDeadlinePassed},
        FinishReason::kError);
  }
  drop_ended();
}

std::vector<QueuedSequence> EncoderCore::queue() const {
  std::vector<QueuedSequence> queue;
  queue.reserve(requests_.size());
  for (const ActivePtr& request : requests_) {
    queue.push_back({.priority = request->job.request.scheduling.priority,
                     .tenant = request->tenant->index,
                     .arrived = request->job.accepted_at,
                     .cost = request->rows_left,
                     .has_run = request->n_begun > 0});
  }
  return queue;
}

std::optional<double> EncoderCore::resting_until() const {
  if (requests_.empty()) return std::nullopt;
  return admission_time(options_.window, queue());
}

void EncoderCore::take_text(Active& request) {
  const EncoderText& text = request.job.request.texts[request.n_begun];
  const auto first = static_cast<int32_t>(tokens_.size());
  const auto n = static_cast<int32_t>(text.tokens.size());
  tokens_.insert(tokens_.end(), text.tokens.begin(), text.tokens.end());
  types_.insert(types_.end(), text.token_types.begin(), text.token_types.end());
  types_.resize(tokens_.size());
  sequences_.push_back({.first_row = first, .n_rows = n});
  const bool last = options_.output.row == EncoderOutput::Rows::kLast;
  output_rows_.push_back(last ? first + n - 1 : first);
  places_.push_back({&request, request.n_begun});
  ++request.n_begun;
  request.rows_left -= n;
  request.tenant->share.paid += n / request.tenant->share.weight;
}

// Whole texts as long as there is room; where one has none, those of other requests may.
void EncoderCore::fill_step(double now) {
  tokens_.clear();
  types_.clear();
  sequences_.clear();
  output_rows_.clear();
  places_.clear();
  const std::vector<TenantShare> shares = tenants_.shares();
  const std::vector<int32_t> order = admission_order(options_.window, now, queue(), shares,
                                                     static_cast<int32_t>(requests_.size()));
  const ExecutorLimits& limits = executor_.limits();
  for (const int32_t i : order) {
    Active& request = *requests_[static_cast<size_t>(i)];
    const std::vector<EncoderText>& texts = request.job.request.texts;
    while (request.n_begun < texts.size() && std::ssize(places_) < limits.max_output_rows &&
           std::ssize(tokens_) + std::ssize(texts[request.n_begun].tokens) <= limits.max_rows) {
      if (!request.first_computed_at) request.first_computed_at = now;
      take_text(request);
    }
  }
}

void EncoderCore::take_outputs() {
  for (size_t i = 0; i < places_.size(); ++i) {
    Active& request = *places_[i].request;
    if (request.tenant == nullptr) continue;  // another of its texts has ended it
    const auto row = static_cast<int32_t>(i);
    const EncodingRequest& asked = request.job.request;
    Result<std::vector<float>> result =
        options_.output.info.labels.empty()
            ? finished_vector(executor_.hidden_state(row), options_.output, asked)
            : finished_scores(executor_.scores(row), options_.output, asked);
    if (!result) {
      end(request, std::move(result).error(), FinishReason::kError);
      continue;
    }
    request.results.push_back(*std::move(result));
    if (request.results.size() == asked.texts.size()) {
      end(request, std::move(request.results), FinishReason::kStop);
    }
  }
  drop_ended();
}

void EncoderCore::step() {
  const double begin = options_.clock();
  end_overdue(begin);
  fill_step(begin);
  if (places_.empty()) return;
  executor_.step({.tokens = tokens_,
                  .token_types = types_,
                  .sequences = sequences_,
                  .output_rows = output_rows_});
  ++counters_.steps;
  counters_.prompt_tokens += std::ssize(tokens_);
  take_outputs();
  const double seconds = options_.clock() - begin;
  const double a_row = seconds / static_cast<double>(tokens_.size());
  seconds_per_row_ += (a_row - seconds_per_row_) * (seconds_per_row_ == 0 ? 1 : kNewestStepShare);
  if (observer_) {
    StepObservation observation;
    observation.seconds = seconds;
    observation.prefill_rows = static_cast<int32_t>(tokens_.size());
    observer_->on_step(observation);
  }
}

std::vector<EndedEncoding> EncoderCore::take_ended() { return std::exchange(ended_, {}); }

int64_t EncoderCore::waiting_rows(ServiceClass most) const {
  int64_t rows = 0;
  for (const ActivePtr& request : requests_) {
    if (service_class(request->job.request.scheduling.priority) <= most) rows += request->rows_left;
  }
  return rows;
}

EngineStats EncoderCore::stats() const {
  EngineStats stats = counters_;
  for (const ActivePtr& request : requests_) {
    ++(request->n_begun > 0 ? stats.requests_running : stats.requests_waiting);
  }
  stats.seconds_to_drain =
      static_cast<double>(waiting_rows(ServiceClass::kOffline)) * seconds_per_row_;
  return stats;
}

WaitingRequests EncoderCore::waiting_requests() const {
  WaitingRequests waiting;
  for (const ActivePtr& request : requests_) {
    if (request->n_begun > 0) continue;
    const Scheduling& scheduling = request->job.request.scheduling;
    waiting.add(service_class(scheduling.priority), scheduling.tenant);
  }
  return waiting;
}

}  // namespace autoglm
