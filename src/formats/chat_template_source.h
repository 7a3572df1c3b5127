// The chat templates that a model carries, read without its weights or its configuration.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

// Sources by name. A model's only template is "default"; "tool_use" is for requests with tools.
using NamedTemplates = std::map<std::string, std::string, std::less<>>;
inline constexpr std::string_view kDefaultTemplate = "default";
inline constexpr std::string_view kToolUseTemplate = "tool_use";

// `path`: a directory, or a .gguf file. Of a directory the first that there is: chat_template.jinja
// (the default) and additional_chat_templates/NAME.jinja; chat_template in tokenizer_config.json, a
// string or several with names; chat_template.json. Of a GGUF file tokenizer.chat_template and
// tokenizer.chat_template.NAME. Empty when there is none.
Result<NamedTemplates> read_chat_templates(const std::string& path);

// As files that read_chat_templates() finds in `folder`.
Result<void> write_chat_templates(const NamedTemplates& templates, const std::string& folder);

}  // namespace autoglm
