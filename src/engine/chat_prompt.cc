#include "engine/chat_prompt.h"

#include <optional>

#include "base/json.h"
#include "engine/load_tokenizer.h"
#include "formats/chat_template_source.h"
#include "text/chat_context.h"

namespace autoglm {

Result<ChatPrompt> ChatPrompt::make(std::string_view source, std::string_view where,
                                    const Tokenizer& tokenizer) {
  ChatTemplate chat_template = AGLM_TRY(ChatTemplate::parse(source, where));
  std::vector<std::pair<std::string, std::string>> special_tokens;
  if (const auto bos = tokenizer.bos()) {
    special_tokens.emplace_back("bos_token", tokenizer.token_spelling(*bos));
  }
  if (const auto eos = tokenizer.eos()) {
    special_tokens.emplace_back("eos_token", tokenizer.token_spelling(*eos));
  }
  return ChatPrompt(std::move(chat_template), std::move(special_tokens),
                    tools::detect_output_format(source), tool_messages_of(source),
                    LiteralText(tokenizer));
}

Result<RenderedChat> ChatPrompt::render(std::string_view context_json) const {
  const json::value parsed = AGLM_TRY(json::parse(context_json, "chat template context"));
  const json::Fields fields = AGLM_TRY(json::fields_of(parsed, "chat template context"));
  json::object context = AGLM_TRY(chat_context(
      fields.raw(),
      {.content_format = [this](std::string_view role) { return template_.content_format(role); },
       .special_tokens = special_tokens_}));
  const std::string mark = literal_text_.mark(context);
  write_tool_messages(tool_messages_, context);
  RenderedChat rendered{.text = AGLM_TRY(template_.render(context))};
  rendered.literal = LiteralText::unmark(rendered.text, mark);
  return rendered;
}

Result<ChatPrompt> load_chat_prompt(const std::string& path) {
  const std::optional<std::string> source = AGLM_TRY(read_chat_template(path));
  if (!source) {
    return Error{ErrorCode::kNotFound, "there is no chat template here", path,
                 "chat_template.jinja, or chat_template in tokenizer_config.json", ""};
  }
  const auto tokenizer = AGLM_TRY(load_tokenizer(path));
  return ChatPrompt::make(*source, path + ": chat template", *tokenizer);
}

}  // namespace autoglm
