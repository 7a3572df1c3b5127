#include "serve/api/chat_reading.h"

#include <fmt/format.h>

#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

using Kind = StructuredOutput::Kind;

// Calls that must come, or must be right when they come, are a form of the answer; so is the choice
// between calls and what response_format says of the content (decision 111). Other forms are about
// the whole answer, and leave no room for calls. Sets options.tools_json where calls may come.
Result<void> hold_calls(const ServiceContext& context, const ToolWish& wish,
                        AnswerReaderOptions& options, ChatReading& reading) {
  StructuredOutput& form = reading.form;
  const bool required = wish.choice == ToolWish::Choice::kRequired;
  const bool of_content = form.kind == Kind::kNone || form.field == "response_format";
  if (required && !of_content) {
    return bad_field("tool_choice",
                     fmt::format("a required call and {} exclude each other", form.field));
  }
  const bool may_call =
      !wish.tools.empty() && of_content && context.backend->info().tool_call_format != "none";
  if (!required && !may_call) return {};
  const std::string tools = dump(wish.tools);
  const ToolRules rules =
      AGLM_TRY(context.backend->tool_rules({.tools_json = tools,
                                            .prompt = options.prompt,
                                            .required = required,
                                            .name = wish.name,
                                            .parallel = wish.parallel,
                                            .form = required ? StructuredOutput() : form}));
  if (rules.structural_tag.empty() && form.kind != Kind::kNone) return {};
  options.tools_json = tools;
  options.calls_first = !required && form.kind != Kind::kNone;
  if (rules.structural_tag.empty()) return {};
  form = {.kind = Kind::kStructuralTag,
          .text = rules.structural_tag,
          .field = options.calls_first ? form.field : "tools"};
  reading.begun = rules.begun;
  return {};
}

}  // namespace

Result<ChatReading> read_chat_reading(const ServiceContext& context, const json::Fields& fields,
                                      const ChatContext& chat, const std::string& prompt,
                                      StructuredOutput form) {
  const ModelInfo& model = context.backend->info();
  const ToolWish& wish = chat.tools;
  ChatReading reading{.parallel_calls = wish.parallel, .form = std::move(form)};
  // vLLM's field, and llama-server's.
  reading.include_reasoning = AGLM_TRY(boolean_field(fields, "include_reasoning", true));
  const std::string format = AGLM_TRY(string_field(fields, "reasoning_format")).value_or("auto");
  if (format != "auto" && format != "none" && format != "deepseek") {
    return bad_field("reasoning_format", "unknown format", "auto, deepseek or none",
                     repair_utf8(utf8_prefix(format, 40)));
  }
  AnswerReaderOptions options{.prompt = prompt, .separate_reasoning = format != "none"};
  AGLM_TRY(hold_calls(context, wish, options, reading));
  // What goes on with a message, or with the tag of a call, has had its thoughts.
  reading.form.after_reasoning =
      model.separates_reasoning && !chat.continue_final_message && reading.begun.empty();
  if (options.tools_json.empty() && !(model.separates_reasoning && options.separate_reasoning)) {
    return reading;
  }
  std::shared_ptr<const AnswerReader> first = AGLM_TRY(context.backend->answer_reader(options));
  reading.reader = [first = std::move(first), begun = reading.begun] {
    std::unique_ptr<AnswerReader> reader = first->another();
    reader->push(begun);  // tags alone, which say nothing yet
    return reader;
  };
  return reading;
}

}  // namespace autoglm::serve
