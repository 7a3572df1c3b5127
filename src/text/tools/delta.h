// Gathers what an answer's text comes to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/tools.h"

namespace autoglm::tools {

// Gathers deltas; those of one kind that come one after the other are one.
class DeltaSink {
 public:
  void content(std::string_view text) { add(AnswerDelta::Kind::kContent, text); }
  void reasoning(std::string_view text) { add(AnswerDelta::Kind::kReasoning, text); }
  void call(std::string_view name) {
    deltas_.push_back({AnswerDelta::Kind::kCall, n_calls_++, std::string(name)});
  }
  // Precondition: a call has begun.
  void arguments(std::string_view text) { add(AnswerDelta::Kind::kArguments, text); }

  int32_t n_calls() const { return n_calls_; }
  std::vector<AnswerDelta> take() { return std::exchange(deltas_, {}); }

 private:
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
  int32_t n_calls_ = 0;
};

}  // namespace autoglm::tools
