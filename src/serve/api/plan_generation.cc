// Chat completions, completions and /infer: from a body to requests for the engine.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "serve/api/chat_reading.h"
#include "serve/api/encoder_plan.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/plan_generation.h"
#include "serve/api/plans.h"
#include "serve/api/prompts.h"

namespace autoglm::serve {
namespace {

constexpr size_t kMaxPrompts = 256;
constexpr size_t kMaxSequences = 512;  // prompts x n
// Scores of prompts come as fast as prompts are read and are all kept until the answer: with the
// JSON made of them some 100 bytes each.
constexpr size_t kMaxPromptScores = size_t{4} << 20;
// Of `echo` and `return_token_ids`, once for each choice.
constexpr size_t kMaxRepeatedBytes = size_t{64} << 20;
constexpr size_t kTokenIdBytes = 7;  // as text, with a comma

AnswerFacts facts_for(const ServiceContext& context, std::string_view prefix,
                      AnswerOptions options) {
  AnswerFacts facts;
  facts.context = &context;
  facts.id = new_id(prefix);
  facts.created = unix_time();
  facts.options = std::move(options);
  return facts;
}

// What would tell by ids and scores of the prompt what a text does not.
Result<void> check_redactable(const AnswerOptions& options) {
  constexpr std::string_view kWhat = "not offered while answers are redacted";
  if (options.return_token_ids) return bad_field("return_token_ids", std::string(kWhat));
  if (options.sampling.prompt_logprobs) return bad_field("prompt_logprobs", std::string(kWhat));
  return {};
}

// Asks for no more than there is room for; whether it was more.
bool cut_to_context(const ModelInfo& model, const std::vector<TokenId>& prompt,
                    SamplingParams& sampling) {
  const int64_t room = model.max_model_len - std::ssize(prompt);
  if (room < 1 || !sampling.max_tokens || *sampling.max_tokens <= room) return false;
  sampling.max_tokens = room;
  return true;
}

struct RequestForm {
  bool begins_text = false;             // as in GenerationRequest
  bool prompt_in_every_choice = false;  // what is told of a prompt is told n times
};

// What an answer tells of its prompts is known before it is begun, however much it is.
Result<void> check_told_of_prompts(const AnswerFacts& facts, const RequestForm& form) {
  const SamplingParams& sampling = facts.options.sampling;
  const auto n = static_cast<size_t>(sampling.n);
  const size_t n_told = form.prompt_in_every_choice ? n : 1;
  size_t n_tokens = 0;
  for (const std::vector<TokenId>& prompt : facts.prompts) n_tokens += prompt.size();
  if (sampling.prompt_logprobs) {
    const auto each = static_cast<size_t>(*sampling.prompt_logprobs) + 1;
    if (n_tokens * each * n_told > kMaxPromptScores) {
      return bad_field("prompt_logprobs", "too many scores in one answer",
                       fmt::format("prompt tokens x (prompt_logprobs + 1) x times told at most {}",
                                   kMaxPromptScores),
                       fmt::format("{} x {} x {}", n_tokens, each, n_told));
    }
  }
  size_t n_bytes = facts.options.return_token_ids ? n_tokens * kTokenIdBytes * n_told : 0;
  for (const std::string& text : facts.echo_texts) n_bytes += text.size() * n;
  if (n_bytes <= kMaxRepeatedBytes) return {};
  return bad_field("n", "the prompts would be repeated too often",
                   fmt::format("at most {} bytes of them in one answer", kMaxRepeatedBytes),
                   fmt::format("{}", n_bytes));
}

Result<std::vector<GenerationRequest>> requests_for(const RequestContext& request,
                                                    AnswerFacts& facts, RequestForm form,
                                                    Shared<std::vector<TokenId>> prediction) {
  AGLM_TRY(check_told_of_prompts(facts, form));
  if (const Redaction* redaction = facts.context->redaction.get()) {
    AGLM_TRY(check_redactable(facts.options));
    for (std::string& text : facts.echo_texts) text = redaction->redacted(request.tenant, text);
  }
  SamplingParams sampling = facts.options.sampling;
  if (sampling.max_tokens) sampling.max_tokens = std::max<int64_t>(*sampling.max_tokens, 1);
  const Shared<StructuredOutput> structured_output(facts.options.structured_output);
  std::vector<GenerationRequest> requests;
  for (const std::vector<TokenId>& prompt : facts.prompts) {
    requests.push_back({.prompt = prompt,
                        .sampling = sampling,
                        .request_id = request.id,
                        .begins_text = form.begins_text,
                        .structured_output = structured_output,
                        .prediction = prediction,
                        .scheduling = facts.options.scheduling});
  }
  return requests;
}

}  // namespace

Result<GenerationPlan> plan_chat(const ServiceContext& context, std::string_view body,
                                 const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  return plan_chat_request(context, object, task,
                           {.id_prefix = "chatcmpl-", .format = chat_format});
}

Result<GenerationPlan> plan_chat_request(const ServiceContext& context, const json::object& body,
                                         const RequestTask& task, const ChatDialect& dialect) {
  const json::Fields fields(body, "");
  const ModelInfo& model = context.backend->info();
  AGLM_TRY(check_model(context, fields));
  AGLM_TRY(check_generates(context, "Chat Completions"));
  AnswerFacts facts =
      facts_for(context, dialect.id_prefix,
                AGLM_TRY(read_answer_options(fields, Dialect::kChat, model, task.context())));
  SamplingParams& sampling = facts.options.sampling;
  const ChatContext chat = AGLM_TRY(read_chat(fields));
  if (!task.wanted()) return not_wanted();
  RenderedChat prompt = AGLM_TRY(render_chat(*context.backend, chat));
  if (!task.wanted()) return not_wanted();
  ChatReading reading = AGLM_TRY(read_chat_reading(context, fields, chat, prompt.text,
                                                   std::move(facts.options.structured_output)));
  facts.options.structured_output = reading.form;
  prompt.text += reading.begun;
  facts.prompts.push_back(AGLM_TRY(
      prompt_ids(*context.backend, std::move(prompt), chat.add_special_tokens, "messages")));
  ChatStyle style{.short_ids = model.tool_call_format == "mistral"};
  style.cut_to_context =
      dialect.cuts_to_context && cut_to_context(model, facts.prompts.front(), sampling);
  AGLM_TRY(
      check_context(model, fields, facts.prompts.front().size(), sampling.max_tokens, "messages"));
  if (reading.reader && model.answer_tags_are_special) sampling.skip_special_tokens = false;
  if (facts.options.echo) {
    facts.echo_texts.push_back(chat.last_content);
    style.role = chat.last_role;
  }
  GenerationPlan plan;
  plan.stream = facts.options.stream;
  const auto prediction = AGLM_TRY(read_prediction(*context.backend, fields));
  plan.generation.requests = AGLM_TRY(requests_for(
      task.context(), facts, {.begins_text = !chat.continue_final_message}, prediction));
  plan.generation.reading = std::move(reading);
  plan.format = dialect.format(std::move(facts), std::move(style));
  return plan;
}

Result<int64_t> count_chat_request(const ServiceContext& context, const json::object& body) {
  const json::Fields fields(body, "");
  AGLM_TRY(check_model(context, fields));
  AGLM_TRY(check_generates(context, "Chat Completions"));
  const ChatContext chat = AGLM_TRY(read_chat(fields));
  RenderedChat prompt = AGLM_TRY(render_chat(*context.backend, chat));
  const std::vector<TokenId> ids =
      AGLM_TRY(prompt_ids(*context.backend, std::move(prompt), false, "messages"));
  return std::ssize(ids);
}

Result<GenerationPlan> plan_completions(const ServiceContext& context, std::string_view body,
                                        const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  return plan_completions_request(
      context, object, task, {.id_prefix = "cmpl-", .format = [](AnswerFacts facts, ChatStyle) {
                                return completions_format(std::move(facts));
                              }});
}

Result<GenerationPlan> plan_completions_request(const ServiceContext& context,
                                                const json::object& object, const RequestTask& task,
                                                const ChatDialect& dialect) {
  const json::Fields fields(object, "");
  const ModelInfo& model = context.backend->info();
  AGLM_TRY(check_model(context, fields));
  AGLM_TRY(check_generates(context, "Completions"));
  AnswerFacts facts = facts_for(
      context, dialect.id_prefix,
      AGLM_TRY(read_answer_options(fields, Dialect::kCompletions, model, task.context())));
  SamplingParams& sampling = facts.options.sampling;
  const bool add_special = AGLM_TRY(boolean_field(fields, "add_special_tokens", true));
  const std::vector<Prompt> prompts =
      AGLM_TRY(read_prompts(fields, "prompt", kMaxPrompts, model.vocab_size));
  if (prompts.size() * sampling.n > kMaxSequences) {
    return bad_field("n", "too many answers at once",
                     fmt::format("prompts x n at most {}", kMaxSequences),
                     fmt::format("{} x {}", prompts.size(), sampling.n));
  }
  if (sampling.max_tokens == 0 && !facts.options.echo) {
    return bad_field("max_tokens", "out of range", "at least 1 without \"echo\": true", "0");
  }
  if (facts.options.echo && facts.options.logprobs && !sampling.prompt_logprobs) {
    sampling.prompt_logprobs = sampling.logprobs;
  }
  ChatStyle style;
  for (const Prompt& prompt : prompts) {
    if (!task.wanted()) return not_wanted();
    std::vector<TokenId> ids =
        AGLM_TRY(prompt_ids(*context.backend, prompt, add_special, "prompt"));
    if (dialect.cuts_to_context) style.cut_to_context |= cut_to_context(model, ids, sampling);
    AGLM_TRY(check_context(model, fields, ids.size(), sampling.max_tokens, "prompt"));
    if (facts.options.echo) {
      const auto* text = std::get_if<std::string>(&prompt);
      facts.echo_texts.push_back(text != nullptr ? *text
                                                 : AGLM_TRY(context.backend->detokenize(
                                                       ids, sampling.skip_special_tokens)));
    }
    facts.prompts.push_back(std::move(ids));
  }
  GenerationPlan plan;
  plan.stream = facts.options.stream;
  const auto prediction = AGLM_TRY(read_prediction(*context.backend, fields));
  plan.generation.requests =
      AGLM_TRY(requests_for(task.context(), facts, {.prompt_in_every_choice = true}, prediction));
  plan.format = dialect.format(std::move(facts), style);
  return plan;
}

Result<GenerationPlan> plan_infer(const ServiceContext& context, std::string_view body,
                                  const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  const ModelInfo& model = context.backend->info();
  AGLM_TRY(check_model(context, fields));
  AGLM_TRY(check_generates(context, "Infer"));
  AnswerFacts facts =
      facts_for(context, "infer-",
                AGLM_TRY(read_answer_options(fields, Dialect::kInfer, model, task.context())));
  const bool has_text = fields.find("text") != nullptr;
  if (has_text == (fields.find("prompt") != nullptr)) {
    return bad_field(has_text ? "prompt" : "text", "exactly one of text and prompt is needed");
  }
  const std::string_view key = has_text ? "text" : "prompt";
  const std::vector<Prompt> prompts = AGLM_TRY(read_prompts(fields, key, 1, model.vocab_size));
  const auto* text = std::get_if<std::string>(&prompts.front());
  // `text` is a question to an assistant, `prompt` a text to go on with.
  const bool chat = AGLM_TRY(
      boolean_field(fields, "chat", has_text && text != nullptr && model.has_chat_template));
  Prompt prompt = prompts.front();
  bool add_special = AGLM_TRY(boolean_field(fields, "add_special_tokens", !chat));
  if (chat) {
    if (text == nullptr) return bad_field("chat", "needs a text, not token ids");
    ChatContext messages;
    messages.context["messages"] = json::array{json::object{{"role", "user"}, {"content", *text}}};
    messages.context["add_generation_prompt"] = true;
    facts.options.structured_output.after_reasoning = model.separates_reasoning;
    prompt = AGLM_TRY(render_chat(*context.backend, messages));
    if (!task.wanted()) return not_wanted();
  }
  facts.prompts.push_back(AGLM_TRY(prompt_ids(*context.backend, prompt, add_special, key)));
  AGLM_TRY(check_context(model, fields, facts.prompts.front().size(),
                         facts.options.sampling.max_tokens, key));
  if (facts.options.echo) {
    facts.echo_texts.push_back(
        text != nullptr ? *text
                        : AGLM_TRY(context.backend->detokenize(
                              facts.prompts.front(), facts.options.sampling.skip_special_tokens)));
  }
  GenerationPlan plan;
  plan.stream = facts.options.stream;
  const auto prediction = AGLM_TRY(read_prediction(*context.backend, fields));
  plan.generation.requests =
      AGLM_TRY(requests_for(task.context(), facts, {.begins_text = chat}, prediction));
  plan.format = infer_format(std::move(facts));
  return plan;
}

}  // namespace autoglm::serve
