// Gathers what an answer's text comes to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/tools.h"
#include "text/tools/json_scanner.h"

namespace autoglm::tools {

// Gathers deltas; those of one kind that come one after the other are one. Arguments that are left
// open are closed when something else follows, and what they held back is content: they are JSON
// whatever the model does.
class DeltaSink {
 public:
  void content(std::string_view text) {
    if (text.empty()) return;
    const std::string held = calls_are_open() ? arguments_.take_held() : std::string();
    close_arguments();
    add(AnswerDelta::Kind::kContent, held);
    add(AnswerDelta::Kind::kContent, text);
  }
  void reasoning(std::string_view text) { add(AnswerDelta::Kind::kReasoning, text); }
  void call(std::string_view name) {
    close_arguments();
    deltas_.push_back({AnswerDelta::Kind::kCall, n_calls_++, std::string(name)});
    arguments_ = OpenJson();
  }
  // Precondition: a call has begun.
  void arguments(std::string_view text) {
    add(AnswerDelta::Kind::kArguments, arguments_.feed(text));
  }
  // The answer ends. One that was cut leaves its last arguments as far as they came.
  void finish(AnswerEnd end) {
    if (end == AnswerEnd::kTurn) {
      close_arguments();
    } else if (calls_are_open()) {
      add(AnswerDelta::Kind::kArguments, arguments_.take_held());
    }
  }
  bool calls_are_open() const { return n_calls_ > 0 && !arguments_.done(); }

  int32_t n_calls() const { return n_calls_; }
  std::vector<AnswerDelta> take() { return std::exchange(deltas_, {}); }

 private:
  void close_arguments() {
    if (calls_are_open()) add(AnswerDelta::Kind::kArguments, arguments_.close());
  }

  void add(AnswerDelta::Kind kind, std::string_view text) {
    if (text.empty()) return;
    const int32_t call = kind == AnswerDelta::Kind::kArguments ? n_calls_ - 1 : 0;
    if (!deltas_.empty() && deltas_.back().kind == kind && deltas_.back().call == call) {
      deltas_.back().text += text;
    } else {
      deltas_.push_back({kind, call, std::string(text)});
    }
  }

  std::vector<AnswerDelta> deltas_;
  OpenJson arguments_;  // of the last call
  int32_t n_calls_ = 0;
};

}  // namespace autoglm::tools
