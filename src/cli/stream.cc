// Writing an answer to the terminal while it is being made.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>

#include "cli/command.h"

namespace autoglm {
namespace {

volatile std::sig_atomic_t g_interrupted = 0;  // set by the handler: the only state it may touch

// Turns Ctrl-C into a flag while an answer runs.
class InterruptGuard {
 public:
  InterruptGuard() {
    g_interrupted = 0;
    struct sigaction action {};
    action.sa_handler = [](int) { g_interrupted = 1; };
    ::sigaction(SIGINT, &action, &before_);
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard() { ::sigaction(SIGINT, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

}  // namespace

Result<Choice> stream_answer(const GLMModel& model, GenerationRequest request) {
  struct State {
    std::mutex mutex;
    std::condition_variable ended;
    bool last = false;
    bool unread = false;  // standard output takes no more
    Choice choice;
    std::optional<Error> error;
  };
  const auto state = std::make_shared<State>();
  request.sampling.n = 1;
  const InterruptGuard guard;
  const GenerationHandle handle =
      AGLM_TRY(model.submit(std::move(request), [state](const GenerationEvent& event) {
        const std::string text = for_output(event.text);
        std::fwrite(text.data(), 1, text.size(), stdout);
        const bool unread = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
        const std::lock_guard lock(state->mutex);
        state->unread = unread;
        state->choice.text += event.text;
        state->choice.tokens.insert(state->choice.tokens.end(), event.tokens.begin(),
                                    event.tokens.end());
        if (event.finish_reason != FinishReason::kNone)
          state->choice.finish_reason = event.finish_reason;
        if (event.error) state->error = event.error;
        state->last = event.last;
        if (event.last) state->ended.notify_one();
      }));
  std::unique_lock lock(state->mutex);
  bool cancelled = false;
  // A signal does not wake a condition variable: look for it ten times a second.
  while (
      !state->ended.wait_for(lock, std::chrono::milliseconds(100), [&] { return state->last; })) {
    if ((g_interrupted != 0 || state->unread) && !cancelled) {
      cancelled = true;
      lock.unlock();
      handle.cancel();
      lock.lock();
    }
  }
  std::fputc('\n', stdout);
  std::fflush(stdout);
  if (state->error) return *state->error;
  return std::move(state->choice);
}

}  // namespace autoglm
