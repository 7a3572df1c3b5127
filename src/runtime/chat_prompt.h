// A model's chat templates with what they need from the tokenizer: a conversation in, a prompt out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/model.h"
#include "autoglm/result.h"
#include "formats/chat_template_source.h"
#include "text/chat_template.h"
#include "text/glm_messages.h"
#include "text/literal_text.h"
#include "text/tokenizer.h"
#include "text/tools/output_format.h"

namespace autoglm {

class ChatPrompt {
 public:
  // Of several templates "default" and "tool_use" count. `where` names them in errors.
  static Result<ChatPrompt> make(const NamedTemplates& sources, const std::string& where,
                                 const Tokenizer& tokenizer);

  // `context_json`: {"messages": [...], "tools": [...], "add_generation_prompt": true, ...}. With
  // tools the template "tool_use" is used where there is one, else "default".
  Result<RenderedChat> render(std::string_view context_json) const;

  // How answers are written, as the templates have it: calls as the one for tools says.
  tools::OutputFormat answer_format() const;

 private:
  explicit ChatPrompt(LiteralText literal_text) : literal_text_(std::move(literal_text)) {}

  struct Template {
    ChatTemplate parsed;
    tools::OutputFormat answer_format;
    ToolMessages tool_messages;
  };
  static Result<std::optional<Template>> parse(const NamedTemplates& sources, std::string_view name,
                                               const std::string& where);

  std::optional<Template> default_, tool_use_;  // one of them at least
  std::vector<std::pair<std::string, std::string>> special_tokens_;
  LiteralText literal_text_;
};

// Of a directory or .gguf file, which need not hold weights. No template is an error.
Result<ChatPrompt> load_chat_prompt(const std::string& path);

}  // namespace autoglm
