// Events come on the engine's thread and are handled, in order, where the sink writes, or where
// long answers are written.
#include "serve/api/generation.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "serve/api/piece_reader.h"
#include "serve/guarded.h"

namespace autoglm::serve {
namespace {

// Scores, tokens and so on in one piece of work where the sink writes: some 10 ms.
constexpr size_t kShortAnswer = 10'000;

size_t prompt_scores(const std::vector<GenerationRequest>& requests) {
  size_t n = 0;
  for (const GenerationRequest& request : requests) {
    const std::optional<int32_t>& each = request.sampling.prompt_logprobs;
    if (each) n += request.prompt.size() * (static_cast<size_t>(*each) + 1);
  }
  return n;
}

class GenerationRun : public std::enable_shared_from_this<GenerationRun> {
 public:
  GenerationRun(const ServiceContext& context, std::shared_ptr<RequestTask> task,
                const std::vector<GenerationRequest>& requests, ChatReading reading,
                std::unique_ptr<GenerationSink> sink)
      : context_(context),
        task_(std::move(task)),
        sink_(std::move(sink)),
        long_(prompt_scores(requests) > kShortAnswer),
        reading_(std::move(reading)),
        n_choices_(static_cast<size_t>(requests.front().sampling.n)),
        usages_(requests.size()),
        unfinished_(requests.size()) {
    for (size_t i = 0; i < requests.size() * n_choices_; ++i) readers_.emplace_back(reading_);
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
        const Error& error = handle.error();
        if (error.code == ErrorCode::kInternal) logger()->error("{}", error.message());
        later([self = shared_from_this(), error] { self->fail(error); });
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

  // Where this answer is written, in order.
  void later(std::function<void()> work) {
    if (long_) {
      context_.long_answers->run(std::move(work));
    } else {
      sink_->post(std::move(work));
    }
  }

  // On the engine's thread.
  void take(size_t prompt, const GenerationEvent& event) {
    const Result<void> taken = guarded([&] {
      later([self = shared_from_this(), prompt, event = event]() mutable {
        self->on_event(prompt, std::move(event));
      });
    });
    if (taken) return;
    lost_ = true;  // an event: what comes after it must not pass for the answer
    std::ignore = guarded([&] {
      later([self = shared_from_this(), error = taken.error()] { self->fail(error); });
      cancel();
    });
  }

  void on_event(size_t prompt, GenerationEvent event) {
    if (ended_) return;
    // Also of what nobody waits for any more; errors may come without.
    if (event.usage.prompt_tokens > 0) usages_[prompt] = event.usage;
    const Result<void> done = guarded([&]() -> Result<void> {
      if (!task_->wanted()) return not_wanted();
      if (lost_) return out_of_memory();
      tell(prompt, std::move(event));
      return {};
    });
    if (done) return;
    cancel();
    fail(done.error());
  }

  void tell(size_t prompt, GenerationEvent event) {
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
    const bool last = event.last;
    PieceReader& reader = readers_[prompt * n_choices_ + static_cast<size_t>(event.choice)];
    sink_->piece(reader.read(prompt, std::move(event)), usage());
    if (last && --unfinished_ == 0) finish();
  }

  Usage usage() const {
    Usage sum;
    for (const Usage& usage : usages_) {
      sum.prompt_tokens += usage.prompt_tokens;
      sum.completion_tokens += usage.completion_tokens;
      sum.cached_tokens += usage.cached_tokens;
      sum.accepted_prediction_tokens += usage.accepted_prediction_tokens;
      sum.rejected_prediction_tokens += usage.rejected_prediction_tokens;
    }
    return sum;
  }

  void finish() {
    if (long_ || sink_->unwritten() <= kShortAnswer) {
      end();
      return;
    }
    context_.long_answers->run([self = shared_from_this()] {
      const Result<void> done = guarded([&]() -> Result<void> {
        if (!self->task_->wanted()) return not_wanted();
        self->end();
        return {};
      });
      if (!done) self->fail(done.error());
    });
  }

  void end() {
    sink_->end(usage());
    ended_ = true;
    task_->finished(usage());
    release();
  }

  enum class MetBy { kHandler, kEngine };
  void fail(const Error& error, MetBy met_by = MetBy::kHandler) {
    if (ended_) return;
    ended_ = true;
    task_->failed({.error = error, .of_engine = met_by == MetBy::kEngine, .usage = usage()});
    std::ignore = guarded([&] { sink_->fail(error); });
    release();
  }

  void release() {
    task_->on_cancel(nullptr);
    const std::lock_guard lock(mutex_);
    handles_.clear();
  }

  const ServiceContext& context_;
  const std::shared_ptr<RequestTask> task_;
  const std::unique_ptr<GenerationSink> sink_;
  const bool long_;  // written where long answers are
  const ChatReading reading_;
  const size_t n_choices_;            // of a prompt
  std::vector<PieceReader> readers_;  // one a choice
  std::vector<Usage> usages_;         // one a prompt
  size_t unfinished_;                 // prompts
  bool has_tokens_ = false;
  bool ended_ = false;

  std::atomic<bool> gone_{false};
  std::atomic<bool> lost_{false};
  std::mutex mutex_;
  std::vector<GenerationHandle> handles_;
};

}  // namespace

void start_generation(const ServiceContext& context, std::shared_ptr<RequestTask> task,
                      Generation generation, std::unique_ptr<GenerationSink> sink) {
  std::make_shared<GenerationRun>(context, std::move(task), generation.requests,
                                  std::move(generation.reading), std::move(sink))
      ->start(std::move(generation.requests));
}

}  // namespace autoglm::serve
