// Events come on the engine's thread and are handled, in order, on the connection's.
#include "serve/api/generation.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <utility>

#include "serve/api/errors.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(const ServiceContext& context, std::shared_ptr<Exchange> exchange, size_t n_prompts,
             int32_t n_choices, bool stream, std::unique_ptr<AnswerFormat> format)
      : context_(context),
        exchange_(std::move(exchange)),
        stream_(stream),
        format_(std::move(format)),
        results_(n_prompts),
        unfinished_(n_prompts) {
    for (GenerationResult& result : results_) result.choices.resize(n_choices);
  }

  void start(std::vector<GenerationRequest> requests) {
    exchange_->on_client_gone([self = shared_from_this()] { self->cancel(); });
    for (size_t i = 0; i < requests.size(); ++i) {
      if (gone_) return;
      auto handle = context_.backend->submit(
          std::move(requests[i]), [self = shared_from_this(), i](const GenerationEvent& event) {
            self->exchange_->post([self, i, event] { self->on_event(i, event); });
          });
      if (!handle) {
        exchange_->post([self = shared_from_this(), error = handle.error()] { self->fail(error); });
        cancel();
        return;
      }
      const std::lock_guard lock(mutex_);
      handles_.push_back(*handle);
      if (gone_) handle->cancel();  // the client left between submit() and here
    }
  }

 private:
  void cancel() {
    gone_ = true;
    std::vector<GenerationHandle> handles;
    {
      const std::lock_guard lock(mutex_);
      handles = handles_;
    }
    for (const GenerationHandle& handle : handles) handle.cancel();
  }

  // From here on: on the connection's thread.
  void on_event(size_t prompt, const GenerationEvent& event) {
    if (ended_) return;
    if (event.finish_reason == FinishReason::kError) {
      cancel();
      fail(event.error.value_or(Error{ErrorCode::kIo, "the answer failed", "", "", ""}));
      return;
    }
    if (event.finish_reason == FinishReason::kCancelled) {
      // By the drain: a client that left itself is not there to be told.
      cancel();
      fail(Error{ErrorCode::kUnavailable, "the server is shutting down", "", "", ""});
      return;
    }
    GenerationResult& result = results_[prompt];
    result.usage = event.usage;
    if (stream_) {
      begin_stream();
      exchange_->write(format_->piece(prompt, event, usage()));
    } else {
      gather(result, event);
    }
    if (event.last && --unfinished_ == 0) finish();
  }

  static void gather(GenerationResult& result, const GenerationEvent& event) {
    if (event.choice < 0 || event.choice >= std::ssize(result.choices)) return;
    Choice& choice = result.choices[event.choice];
    choice.text += event.text;
    choice.tokens.insert(choice.tokens.end(), event.tokens.begin(), event.tokens.end());
    choice.logprobs.insert(choice.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
    if (!event.prompt_logprobs.empty()) result.prompt_logprobs = event.prompt_logprobs;
    if (event.finish_reason != FinishReason::kNone) {
      choice.finish_reason = event.finish_reason;
      choice.stop_reason = event.stop_reason;
      choice.stop_token = event.stop_token;
    }
  }

  Usage usage() const {
    Usage sum;
    for (const GenerationResult& result : results_) {
      sum.prompt_tokens += result.usage.prompt_tokens;
      sum.completion_tokens += result.usage.completion_tokens;
      sum.cached_tokens += result.usage.cached_tokens;
      sum.accepted_prediction_tokens += result.usage.accepted_prediction_tokens;
      sum.rejected_prediction_tokens += result.usage.rejected_prediction_tokens;
    }
    return sum;
  }

  void begin_stream() {
    if (begun_) return;
    begun_ = true;
    Response head{.content_type = "text/event-stream; charset=utf-8"};
    head.headers.push_back({"Cache-Control", "no-cache"});
    head.headers.push_back({"X-Accel-Buffering", "no"});  // asks proxies to pass pieces on at once
    head.body = format_->begin();
    exchange_->start_stream(std::move(head));
  }

  void finish() {
    ended_ = true;
    if (stream_) {
      exchange_->write(format_->end(usage()));
      exchange_->end_stream();
    } else {
      exchange_->respond(Response{.body = dump(format_->whole(results_, usage()))});
    }
    release();
  }

  void fail(const Error& error) {
    if (ended_) return;
    ended_ = true;
    ApiError told = api_error(error);
    if (begun_) {
      exchange_->write("data: " + error_body(told) + "\n\n" + std::string(kSseDone));
      exchange_->end_stream();
    } else {
      told.retry_after_seconds = context_.backend->stats().seconds_to_drain;
      exchange_->respond(error_response(told));
    }
    release();
  }

  void release() {
    const std::lock_guard lock(mutex_);
    handles_.clear();
  }

  const ServiceContext& context_;
  const std::shared_ptr<Exchange> exchange_;
  const bool stream_;
  const std::unique_ptr<AnswerFormat> format_;
  std::vector<GenerationResult> results_;
  size_t unfinished_;
  bool begun_ = false;
  bool ended_ = false;

  std::atomic<bool> gone_{false};
  std::mutex mutex_;
  std::vector<GenerationHandle> handles_;
};

}  // namespace

void start_generation(const ServiceContext& context, std::shared_ptr<Exchange> exchange,
                      std::vector<GenerationRequest> requests, bool stream,
                      std::unique_ptr<AnswerFormat> format) {
  const int32_t n_choices = requests.front().sampling.n;
  std::make_shared<Generation>(context, std::move(exchange), requests.size(), n_choices, stream,
                               std::move(format))
      ->start(std::move(requests));
}

}  // namespace autoglm::serve
