// Events come on the engine's thread and are handled, in order, on the connection's, or where long
// answers are written.
#include "serve/api/generation.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/log.h"
#include "serve/api/errors.h"
#include "serve/api/json_text.h"
#include "serve/guarded.h"

namespace autoglm::serve {
namespace {

// Scores, tokens and so on in one piece of work on the connection's thread: some 10 ms to write.
constexpr size_t kShortAnswer = 10'000;

size_t prompt_scores(const std::vector<GenerationRequest>& requests) {
  size_t n = 0;
  for (const GenerationRequest& request : requests) {
    const std::optional<int32_t>& each = request.sampling.prompt_logprobs;
    if (each) n += request.prompt.size() * (static_cast<size_t>(*each) + 1);
  }
  return n;
}

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(const ServiceContext& context, std::shared_ptr<Exchange> exchange,
             std::shared_ptr<RequestTask> task, const GenerationPlan& plan,
             std::unique_ptr<AnswerFormat> format)
      : context_(context),
        exchange_(std::move(exchange)),
        task_(std::move(task)),
        stream_(plan.stream),
        long_(prompt_scores(plan.requests) > kShortAnswer),
        format_(std::move(format)),
        results_(plan.requests.size()),
        unfinished_(plan.requests.size()) {
    const int32_t n_choices = plan.requests.front().sampling.n;
    for (GenerationResult& result : results_) result.choices.resize(n_choices);
  }

  void start(std::vector<GenerationRequest> requests) {
    task_->on_cancel([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->cancel();
    });
    for (size_t i = 0; i < requests.size(); ++i) {
      if (gone_) break;
      auto handle = context_.backend->submit(
          std::move(requests[i]),
          [self = shared_from_this(), i](const GenerationEvent& event) { self->take(i, event); });
      if (!handle) {
        if (handle.error().code == ErrorCode::kInternal) {
          logger()->error("{}", handle.error().message());
        }
        later([self = shared_from_this(), error = handle.error()] { self->fail(error); });
        cancel();
        return;
      }
      const std::lock_guard lock(mutex_);
      handles_.push_back(*handle);
      if (gone_) handle->cancel();  // cancelled between submit() and here
    }
    if (gone_) later([self = shared_from_this()] { self->fail(not_wanted()); });
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

  // On the thread where this answer is written, in order.
  void later(std::function<void()> work) {
    if (long_) {
      context_.long_answers->run(std::move(work));
    } else {
      exchange_->post(std::move(work));
    }
  }

  // On the engine's thread.
  void take(size_t prompt, const GenerationEvent& event) {
    const Result<void> taken = guarded([&] {
      later([self = shared_from_this(), prompt, event] { self->on_event(prompt, event); });
    });
    if (taken) return;
    lost_ = true;  // an event: what comes after it must not pass for the answer
    std::ignore = guarded([&] {
      later([self = shared_from_this(), error = taken.error()] { self->fail(error); });
      cancel();
    });
  }

  void on_event(size_t prompt, const GenerationEvent& event) {
    if (ended_) return;
    const Result<void> done = guarded([&]() -> Result<void> {
      if (!task_->wanted()) return not_wanted();
      if (lost_) return out_of_memory();
      tell(prompt, event);
      return {};
    });
    if (done) return;
    cancel();
    fail(done.error());
  }

  void tell(size_t prompt, const GenerationEvent& event) {
    if (event.finish_reason == FinishReason::kError) {
      cancel();
      fail(event.error.value_or(Error{ErrorCode::kIo, "the answer failed", "", "", ""}),
           MetBy::kEngine);
      return;
    }
    if (event.finish_reason == FinishReason::kCancelled) {
      // By the drain: a client that left itself is not there to be told.
      cancel();
      fail(Error{ErrorCode::kUnavailable, "the server is shutting down", "", "", ""});
      return;
    }
    if (!event.tokens.empty() && !std::exchange(has_tokens_, true)) task_->first_token();
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
    if (!event.prompt_logprobs->empty()) result.prompt_logprobs = event.prompt_logprobs;
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
    if (stream_) {
      ended_ = true;
      exchange_->write(format_->end(usage()));
      task_->finished(usage());
      exchange_->end_stream();
    } else if (long_ || size() <= kShortAnswer) {
      write_whole();
    } else {
      context_.long_answers->run([self = shared_from_this()] {
        const Result<void> done = guarded([&]() -> Result<void> {
          if (!self->task_->wanted()) return not_wanted();
          self->write_whole();
          return {};
        });
        if (!done) self->fail(done.error());
      });
      return;
    }
    release();
  }

  void write_whole() {
    Response response{.body = format_->whole(results_, usage())};
    ended_ = true;
    task_->finished(usage());
    exchange_->respond(std::move(response));
    release();
  }

  // What the answer's text takes to write, in scores.
  size_t size() const {
    size_t n = 0;
    for (const GenerationResult& result : results_) {
      n += result.prompt_logprobs->size();
      for (const Choice& choice : result.choices) {
        n += choice.tokens.size() + choice.text.size() / 16;
        for (const PositionLogprobs& position : choice.logprobs) n += position.top.size() + 1;
      }
    }
    return n;
  }

  enum class MetBy { kHandler, kEngine };
  void fail(const Error& error, MetBy met_by = MetBy::kHandler) {
    if (ended_) return;
    ended_ = true;
    task_->failed({.error = error, .of_engine = met_by == MetBy::kEngine});
    std::ignore = guarded([&] { tell_error(error); });
    release();
  }

  void tell_error(const Error& error) {
    ApiError told = api_error(error);
    if (begun_) {
      exchange_->write("data: " + error_body(told) + "\n\n" + std::string(kSseDone));
      exchange_->end_stream();
    } else {
      told.retry_after_seconds = context_.backend->stats().seconds_to_drain;
      exchange_->respond(error_response(told));
    }
  }

  void release() {
    task_->on_cancel(nullptr);
    const std::lock_guard lock(mutex_);
    handles_.clear();
  }

  const ServiceContext& context_;
  const std::shared_ptr<Exchange> exchange_;
  const std::shared_ptr<RequestTask> task_;
  const bool stream_;
  const bool long_;  // written where long answers are
  const std::unique_ptr<AnswerFormat> format_;
  std::vector<GenerationResult> results_;
  size_t unfinished_;
  bool begun_ = false;
  bool has_tokens_ = false;
  bool ended_ = false;

  std::atomic<bool> gone_{false};
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::vector<GenerationHandle> handles_;
};

}  // namespace

void start_generation(const ServiceContext& context, std::shared_ptr<Exchange> exchange,
                      std::shared_ptr<RequestTask> task, GenerationPlan plan) {
  std::unique_ptr<AnswerFormat> format = std::move(plan.format);
  std::make_shared<Generation>(context, std::move(exchange), std::move(task), plan,
                               std::move(format))
      ->start(std::move(plan.requests));
}

}  // namespace autoglm::serve
