// All that can be known of a model, and refused, before a weight is read:
// GLMModel::from_pretrained() begins with it, and `autoglm info` is it, so that what one refuses
// the other does.
#pragma once

#include <memory>
#include <string>

#include "autoglm/model.h"
#include "engine/answer.h"
#include "formats/checkpoint.h"
#include "runtime/chat_prompt.h"
#include "runtime/load_executor.h"
#include "text/tokenizer.h"
#include "text/tools/output_format.h"

namespace autoglm {

struct ModelPlan {
  ExecutorPlan executor;
  std::shared_ptr<const Tokenizer> tokenizer;
  Result<ChatPrompt> chat_prompt = Error{};  // an error is told to whoever asks for the template
  tools::OutputFormat answer_format;
  EndOfSequence end;
  SamplingParams sampling;
};

// `path`: where `checkpoint` was opened. Of `options`, what is said of templates and answers.
Result<ModelPlan> plan_model(const std::string& path, const Checkpoint& checkpoint,
                             const ExecutorOptions& executor, const LoadOptions& options);

}  // namespace autoglm
