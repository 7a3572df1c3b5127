// A model's chat template with what it needs from the tokenizer: a conversation in, a prompt out.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/model.h"
#include "autoglm/result.h"
#include "text/chat_template.h"
#include "text/glm_messages.h"
#include "text/literal_text.h"
#include "text/tokenizer.h"
#include "text/tools/output_format.h"

namespace autoglm {

class ChatPrompt {
 public:
  // `where` names the template in errors.
  static Result<ChatPrompt> make(std::string_view source, std::string_view where,
                                 const Tokenizer& tokenizer);

  // `context_json`: {"messages": [...], "tools": [...], "add_generation_prompt": true, ...}.
  Result<RenderedChat> render(std::string_view context_json) const;

  // How answers are written, as the template has it.
  const tools::OutputFormat& answer_format() const { return answer_format_; }

 private:
  ChatPrompt(ChatTemplate chat_template,
             std::vector<std::pair<std::string, std::string>> special_tokens,
             tools::OutputFormat answer_format, ToolMessages tool_messages,
             LiteralText literal_text)
      : template_(std::move(chat_template)),
        special_tokens_(std::move(special_tokens)),
        answer_format_(answer_format),
        tool_messages_(tool_messages),
        literal_text_(std::move(literal_text)) {}

  ChatTemplate template_;
  std::vector<std::pair<std::string, std::string>> special_tokens_;
  tools::OutputFormat answer_format_;
  ToolMessages tool_messages_;
  LiteralText literal_text_;
};

// Of a directory or .gguf file, which need not hold weights. No template is an error.
Result<ChatPrompt> load_chat_prompt(const std::string& path);

}  // namespace autoglm
