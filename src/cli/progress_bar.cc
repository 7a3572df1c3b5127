#include "cli/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <mutex>

#include "base/log.h"

namespace autoglm {

struct ProgressBar::State {
  std::mutex mutex;
  bool ended = false;
  bool drawn = false;

  void draw(double fraction, std::string_view stage) {
    const std::lock_guard lock(mutex);
    if (ended) return;
    constexpr int kWidth = 32;
    fraction = std::clamp(fraction, 0.0, 1.0);
    const int filled = static_cast<int>(fraction * kWidth);
    set_line_is_drawn(true);
    drawn = true;
    fmt::print(stderr, "\r{:<24} [{:=<{}}{:<{}}] {:3.0f}%\033[K", stage, "", filled, "",
               kWidth - filled, fraction * 100);
    std::fflush(stderr);
  }

  void erase() {
    const std::lock_guard lock(mutex);
    ended = true;
    if (!drawn) return;
    drawn = false;
    set_line_is_drawn(false);
    fmt::print(stderr, "\r\033[K");
    std::fflush(stderr);
  }
};

ProgressBar::ProgressBar()
    : state_(::isatty(STDERR_FILENO) != 0 ? std::make_shared<State>() : nullptr) {}

std::function<void(double, std::string_view)> ProgressBar::callback() const {
  if (!state_) return {};
  return
      [state = state_](double fraction, std::string_view stage) { state->draw(fraction, stage); };
}

void ProgressBar::erase() {
  if (state_) state_->erase();
}

}  // namespace autoglm
