#include "runtime/plan_model.h"

#include <utility>

#include "base/log.h"
#include "models/registry.h"
#include "runtime/answer_format.h"
#include "runtime/load_tokenizer.h"
#include "runtime/model_defaults.h"

namespace autoglm {
namespace {

// The option's template must parse. One that came with the checkpoint and does not leaves the
// model usable without it, and the reason is given to whoever asks for the template.
Result<ChatPrompt> make_chat_prompt(const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                                    const LoadOptions& options) {
  if (!options.chat_template.empty()) {
    return ChatPrompt::make({{std::string(kDefaultTemplate), options.chat_template}},
                            "chat_template", tokenizer);
  }
  const NamedTemplates templates = checkpoint.chat_templates();
  if (templates.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "the checkpoint has no chat template",
                 .where = checkpoint.path()};
  }
  auto parsed = ChatPrompt::make(templates, checkpoint.path() + ": chat template", tokenizer);
  if (!parsed) logger()->warn("no chat: {}", parsed.error().message());
  return parsed;
}

}  // namespace

Result<ModelPlan> plan_model(const std::string& path, const Checkpoint& checkpoint,
                             const ExecutorOptions& executor, const LoadOptions& options) {
  ModelPlan plan;
  plan.executor = AGLM_TRY(plan_executor(checkpoint, executor));
  plan.tokenizer = AGLM_TRY(load_tokenizer(path));
  const auto vocab_size = static_cast<int32_t>(plan.executor.vocab_size);
  if (plan.tokenizer->vocab_size() > vocab_size) {
    // Fine-tuned models often come so: the token was added, the embedding was not enlarged.
    logger()->warn(
        "{}: the tokenizer has ids up to {}, the model up to {}: prompts with larger ones are "
        "refused",
        path, plan.tokenizer->vocab_size() - 1, vocab_size - 1);
  }
  if (plan.executor.model->encoder) {
    plan.chat_prompt = Error{.code = ErrorCode::kUnsupported,
                             .what = "the model does not generate text: it is an encoder",
                             .where = path,
                             .reason = ErrorReason::kNotThisModel};
    return plan;
  }
  plan.chat_prompt = make_chat_prompt(checkpoint, *plan.tokenizer, options);
  if (!options.chat_template.empty() && !plan.chat_prompt) return plan.chat_prompt.error();
  plan.answer_format = AGLM_TRY(answer_format(
      options, plan.chat_prompt ? plan.chat_prompt->answer_format() : tools::OutputFormat()));
  plan.end = AGLM_TRY(end_of_sequence(checkpoint, *plan.tokenizer, vocab_size));
  plan.sampling = AGLM_TRY(default_sampling(checkpoint, vocab_size));
  return plan;
}

}  // namespace autoglm
