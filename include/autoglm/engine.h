// InferenceEngine: the two-step form of GLMModel for programs that build the object before they
// load.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "autoglm/model.h"

#pragma GCC visibility push(default)
namespace autoglm {

class InferenceEngine {
 public:
  explicit InferenceEngine(std::string model_path, bool offline_mode = true,
                           LoadOptions options = {})
      : model_path_(std::move(model_path)), options_(std::move(options)) {
    options_.offline = offline_mode;
  }

  Result<void> load();
  bool loaded() const { return model_.has_value(); }
  // The model behind it. Precondition: loaded().
  const GLMModel& model() const { return *model_; }

  // The answer's text. An error when load() has not succeeded.
  Result<std::string> generate(std::string_view prompt, const SamplingParams& params = {}) const;
  // The same, handing each piece of text to `on_text` as it comes; returning false stops the
  // answer.
  Result<std::string> generate(std::string_view prompt, const SamplingParams& params,
                               const std::function<bool(std::string_view)>& on_text) const;

 private:
  std::string model_path_;
  LoadOptions options_;
  std::optional<GLMModel> model_;
};

}  // namespace autoglm
#pragma GCC visibility pop
