// A bar on standard error while something takes long; nothing where that is not a terminal.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

namespace autoglm {

class ProgressBar {
 public:
  ProgressBar();
  ~ProgressBar() { erase(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // What a long task calls; empty where there is no terminal. May outlive the bar: it draws nothing
  // then.
  std::function<void(double fraction, std::string_view stage)> callback() const;
  // Takes the bar off the screen, for good, whether it was full or not. The cursor is at the
  // beginning of its line again.
  void erase();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace autoglm
