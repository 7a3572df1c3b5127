// Writing an answer to the terminal while it is being made.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <utility>

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
  request.sampling.n = 1;
  const InterruptGuard guard;
  AnswerStream stream = AGLM_TRY(model.stream(std::move(request)));
  GenerationResult result;
  std::optional<Error> error;
  bool cancelled = false;
  while (true) {
    // A signal does not wake who waits: look for it ten times a second.
    const bool unread = std::ferror(stdout) != 0;  // standard output takes no more
    if ((g_interrupted != 0 || unread) && !std::exchange(cancelled, true)) stream.cancel();
    if (!stream.wait_ms(100)) continue;
    const std::optional<GenerationEvent> event = stream.next();
    if (!event) break;
    const std::string text = for_output(event->text);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    result.add(*event);
    if (event->error) error = event->error;
  }
  std::fputc('\n', stdout);
  std::fflush(stdout);
  if (error) return *std::move(error);
  return std::move(result.choices.front());
}

}  // namespace autoglm
