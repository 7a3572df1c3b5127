#include "formats/chat_template_source.h"

#include <filesystem>

#include "base/files.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTemplateBytes = size_t{16} << 20;
constexpr size_t kMaxTokenizerConfigBytes = size_t{64} << 20;  // holds every added token

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// A string, or a list of {name, template} of which "default" counts.
Result<std::optional<std::string>> from_tokenizer_config(const std::string& name) {
  const json::value document =
      AGLM_TRY(json::parse_file(name, {.max_bytes = kMaxTokenizerConfigBytes, .max_depth = 64}));
  const json::Fields fields = AGLM_TRY(json::fields_of(document, name));
  const json::value* source = fields.find("chat_template");
  if (source == nullptr) return std::optional<std::string>();
  if (!source->is_array()) {
    return std::optional<std::string>(AGLM_TRY(fields.string("chat_template")));
  }
  for (const json::value& item : source->get_array()) {
    const json::Fields named = AGLM_TRY(json::fields_of(item, name + ": chat_template"));
    if (AGLM_TRY(named.string("name")) == "default") {
      return std::optional<std::string>(AGLM_TRY(named.string("template")));
    }
  }
  return std::optional<std::string>();
}

Result<std::optional<std::string>> from_gguf(const std::string& path) {
  const MappedFile file = AGLM_TRY(MappedFile::open(path));
  const Gguf gguf = AGLM_TRY(parse_gguf(file.bytes(), path));
  const auto source = AGLM_TRY(gguf.string("tokenizer.chat_template"));
  if (!source) return std::optional<std::string>();
  return std::optional<std::string>(std::string(*source));
}

}  // namespace

Result<std::optional<std::string>> read_chat_template(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return from_gguf(path);
  // transformers' order: the file of its own comes first.
  const fs::path directory(path);
  if (is_file(directory / "chat_template.jinja")) {
    return std::optional<std::string>(
        AGLM_TRY(read_text_file((directory / "chat_template.jinja").string(), kMaxTemplateBytes)));
  }
  if (!is_file(directory / "tokenizer_config.json")) return std::optional<std::string>();
  return from_tokenizer_config((directory / "tokenizer_config.json").string());
}

}  // namespace autoglm
