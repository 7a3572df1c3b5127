#include "serve/api/chat_reading.h"

#include <utility>

#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {

Result<ChatReading> read_chat_reading(const ServiceContext& context, const json::Fields& fields,
                                      const ToolWish& tools, const std::string& prompt) {
  const ModelInfo& model = context.backend->info();
  if (tools.choice == ToolWish::Choice::kRequired) {
    return not_offered("tool_choice", "only \"auto\" and \"none\" are supported");
  }
  ChatReading reading;
  reading.parallel_calls = tools.parallel;
  // vLLM's field, and llama-server's.
  reading.include_reasoning = AGLM_TRY(boolean_field(fields, "include_reasoning", true));
  const std::string format = AGLM_TRY(string_field(fields, "reasoning_format")).value_or("auto");
  if (format != "auto" && format != "none" && format != "deepseek") {
    return bad_field("reasoning_format", "unknown format", "auto, deepseek or none",
                     printable_utf8(std::string_view(format).substr(0, 40)));
  }
  reading.short_ids = model.tool_call_format == "mistral";
  AnswerReaderOptions options{.prompt = prompt, .separate_reasoning = format != "none"};
  const bool calls = !tools.tools.empty() && model.tool_call_format != "none";
  if (!calls && !(model.separates_reasoning && options.separate_reasoning)) return reading;
  if (calls) options.tools_json = dump(tools.tools);
  AGLM_TRY(context.backend->answer_reader(options));  // what is wrong with them shows now
  reading.reader = [backend = context.backend.get(), options]() -> std::unique_ptr<AnswerReader> {
    Result<std::unique_ptr<AnswerReader>> reader = backend->answer_reader(options);
    return reader ? std::move(*reader) : nullptr;
  };
  return reading;
}

}  // namespace autoglm::serve
