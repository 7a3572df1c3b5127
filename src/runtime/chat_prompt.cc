#include "runtime/chat_prompt.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.h"
#include "runtime/load_tokenizer.h"
#include "text/chat_context.h"

namespace autoglm {
namespace {

bool offers_tools(const json::object& context) {
  const json::value* tools = context.if_contains("tools");
  return tools != nullptr && tools->is_array() && !tools->get_array().empty();
}

}  // namespace

Result<std::optional<ChatPrompt::Template>> ChatPrompt::parse(const NamedTemplates& sources,
                                                              std::string_view name,
                                                              const std::string& where) {
  const auto source = sources.find(name);
  if (source == sources.end()) return std::optional<Template>();
  const bool alone = sources.size() == 1 && name == kDefaultTemplate;
  const std::string place = alone ? where : fmt::format("{} {}", where, name);
  ChatTemplate parsed = AGLM_TRY(ChatTemplate::parse(source->second, place));
  return std::optional(Template{.parsed = std::move(parsed),
                                .answer_format = tools::detect_output_format(source->second),
                                .tool_messages = tool_messages_of(source->second)});
}

Result<ChatPrompt> ChatPrompt::make(const NamedTemplates& sources, const std::string& where,
                                    const Tokenizer& tokenizer) {
  ChatPrompt prompt((LiteralText(tokenizer)));
  prompt.default_ = AGLM_TRY(parse(sources, kDefaultTemplate, where));
  prompt.tool_use_ = AGLM_TRY(parse(sources, kToolUseTemplate, where));
  if (!prompt.default_ && !prompt.tool_use_) {
    std::vector<std::string_view> names;
    for (const auto& [name, source] : sources) names.push_back(name);
    return Error{ErrorCode::kUnsupported, "none of the chat templates is the default", where,
                 fmt::format("one named {} or {}", kDefaultTemplate, kToolUseTemplate),
                 fmt::format("{}", fmt::join(names, ", "))};
  }
  if (const auto bos = tokenizer.bos()) {
    prompt.special_tokens_.emplace_back("bos_token", tokenizer.token_spelling(*bos));
  }
  if (const auto eos = tokenizer.eos()) {
    prompt.special_tokens_.emplace_back("eos_token", tokenizer.token_spelling(*eos));
  }
  return prompt;
}

Result<RenderedChat> ChatPrompt::render(std::string_view context_json) const {
  const json::value parsed = AGLM_TRY(json::parse(context_json, "messages"));
  const json::Fields fields = AGLM_TRY(json::fields_of(parsed, "messages"));
  const std::optional<Template>& chosen =
      tool_use_ && offers_tools(fields.raw()) ? tool_use_ : default_;
  if (!chosen) {
    return Error{ErrorCode::kInvalidArgument,
                 "this model's only chat template is for requests with tools", "tools",
                 "at least one", "none"};
  }
  json::object context = AGLM_TRY(chat_context(
      fields.raw(),
      {.content_format = [&](std::string_view role) { return chosen->parsed.content_format(role); },
       .special_tokens = special_tokens_}));
  const std::string mark = literal_text_.mark(context);
  write_tool_messages(chosen->tool_messages, context);
  Result<std::string> text = chosen->parsed.render(context);
  if (!text) {
    text.error().reason = ErrorReason::kTemplateRefused;
    return std::move(text).error();
  }
  RenderedChat rendered{.text = *std::move(text)};
  rendered.literal = LiteralText::unmark(rendered.text, mark);
  return rendered;
}

tools::OutputFormat ChatPrompt::answer_format() const {
  if (!tool_use_) return default_->answer_format;
  if (!default_) return tool_use_->answer_format;
  tools::OutputFormat format = tool_use_->answer_format.calls == tools::CallFormat::kNone
                                   ? default_->answer_format
                                   : tool_use_->answer_format;
  format.reasoning = default_->answer_format.reasoning || tool_use_->answer_format.reasoning;
  return format;
}

Result<ChatPrompt> load_chat_prompt(const std::string& path) {
  const NamedTemplates sources = AGLM_TRY(read_chat_templates(path));
  if (sources.empty()) {
    return Error{ErrorCode::kNotFound, "there is no chat template here", path,
                 "chat_template.jinja, or chat_template in tokenizer_config.json", ""};
  }
  const auto tokenizer = AGLM_TRY(load_tokenizer(path));
  return ChatPrompt::make(sources, path + ": chat template", *tokenizer);
}

}  // namespace autoglm
