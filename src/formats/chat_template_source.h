// The chat template that a model carries, read without its weights or its configuration.
#pragma once

#include <optional>
#include <string>

#include "autoglm/result.h"

namespace autoglm {

// `path`: a directory (chat_template.jinja, else tokenizer_config.json) or a .gguf file
// (tokenizer.chat_template). Nothing when there is no template.
Result<std::optional<std::string>> read_chat_template(const std::string& path);

}  // namespace autoglm
