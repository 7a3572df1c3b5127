// AnswerStream: events cross from the engine's thread to the one that waits for them.
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "autoglm/model.h"

namespace autoglm {
namespace {

Error cancelled() {
  return {.code = ErrorCode::kCancelled, .what = "the request was cancelled", .where = "engine"};
}

}  // namespace

// Shared with the callback: the engine's thread may still be leaving it when the stream is gone.
struct AnswerStream::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<GenerationEvent> events;
  bool last_has_come = false;

  void take(const GenerationEvent& event) {
    const std::lock_guard lock(mutex);
    events.push_back(event);
    last_has_come = event.last;
    changed.notify_one();
  }
  bool ready() const { return last_has_come || !events.empty(); }
};

Result<AnswerStream> AnswerStream::begin(const Submit& submit) {
  auto state = std::make_shared<State>();
  GenerationHandle handle =
      AGLM_TRY(submit([state](const GenerationEvent& event) { state->take(event); }));
  return AnswerStream(std::move(state), std::move(handle));
}

AnswerStream::AnswerStream(std::shared_ptr<State> state, GenerationHandle handle)
    : state_(std::move(state)), handle_(std::move(handle)) {}
AnswerStream::AnswerStream(AnswerStream&&) noexcept = default;
AnswerStream& AnswerStream::operator=(AnswerStream&& other) noexcept {
  std::swap(state_, other.state_);
  std::swap(handle_, other.handle_);
  return *this;
}

AnswerStream::~AnswerStream() {
  if (state_ == nullptr) return;  // moved from
  std::unique_lock lock(state_->mutex);
  const bool ended = state_->last_has_come;
  lock.unlock();
  if (!ended) cancel();
}

std::optional<GenerationEvent> AnswerStream::next() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [this] { return state_->ready(); });
  if (state_->events.empty()) return std::nullopt;
  GenerationEvent event = std::move(state_->events.front());
  state_->events.pop_front();
  return event;
}

bool AnswerStream::wait_ms(int64_t timeout_ms) const {
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                  [this] { return state_->ready(); });
}

Result<GenerationResult> AnswerStream::rest() {
  GenerationResult result;
  std::optional<Error> error;
  while (const std::optional<GenerationEvent> event = next()) {
    result.add(*event);
    if (event->error) error = event->error;
    if (event->finish_reason == FinishReason::kCancelled && !error) error = cancelled();
  }
  if (error) return *std::move(error);
  return result;
}

void AnswerStream::cancel() const { handle_.cancel(); }

}  // namespace autoglm
