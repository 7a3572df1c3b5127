// What is to be answered: prompts as text or token ids, chat messages as a template's context.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "autoglm/model.h"
#include "base/json.h"
#include "serve/backend.h"

namespace autoglm::serve {

// Text, a conversation's text, or token ids.
using Prompt = std::variant<std::string, RenderedChat, std::vector<TokenId>>;

// A string, a list of strings, a list of ids, or a list of lists of ids.
Result<std::vector<Prompt>> read_prompts(const json::Fields& fields, std::string_view key,
                                         size_t max_prompts, int64_t vocab_size);

// What the model may, must or must not do with the request's tools.
struct ToolWish {
  enum class Choice { kAuto, kNone, kRequired };
  Choice choice = Choice::kAuto;
  std::string name;      // with kRequired: the only tool to call; empty: any
  json::array tools;     // empty with kNone
  bool parallel = true;  // more than one call in an answer
};

// The messages and everything else a chat template sees, checked: roles, text parts joined by line
// ends, tool calls' arguments parsed.
struct ChatContext {
  json::object context;
  ToolWish tools;
  bool continue_final_message = false;
  bool add_special_tokens = false;
  std::string last_content;  // of the last message: what `echo` repeats
  std::string last_role;
};
Result<ChatContext> read_chat(const json::Fields& fields);
// The rendered prompt.
Result<RenderedChat> render_chat(const ModelBackend& backend, const ChatContext& chat);

// An error when no prompt of this model has a text so long: asked before a text is tokenized.
Result<void> check_text_length(const ModelInfo& model, size_t n_bytes, std::string_view param);

// The tokens of a field's text; what is too much for the tokenizer is the field's fault.
Result<std::vector<TokenId>> tokenize_field(const ModelBackend& backend, std::string_view text,
                                            TokenizeOptions options, std::string_view param);

// Ids of a prompt; special tokens spelled in the text become tokens. An error when none result.
Result<std::vector<TokenId>> prompt_ids(const ModelBackend& backend, const Prompt& prompt,
                                        bool add_special_tokens, std::string_view param);

// OpenAI's predicted output, {"type": "content", "content": text or text parts}, as the tokens of
// that text; none when there is no such field.
Result<std::vector<TokenId>> read_prediction(const ModelBackend& backend,
                                             const json::Fields& fields);

// Errors when the prompt and the answer asked for do not fit, naming the field that is too large:
// `param`, the prompt's, or the one of the answer's length. An unset max_tokens stays unset.
Result<void> check_context(const ModelInfo& model, const json::Fields& fields, size_t prompt_tokens,
                           const std::optional<int64_t>& max_tokens, std::string_view param);

}  // namespace autoglm::serve
