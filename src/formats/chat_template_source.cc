#include "formats/chat_template_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <span>

#include "base/files.h"
#include "base/json.h"
#include "formats/gguf.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxTemplateBytes = size_t{16} << 20;
constexpr size_t kMaxTokenizerConfigBytes = size_t{64} << 20;  // holds every added token
constexpr size_t kMaxTemplates = 64;                           // the most seen are four
constexpr std::string_view kDefaultFile = "chat_template.jinja";
constexpr std::string_view kOthersFolder = "additional_chat_templates";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

Error too_many(const std::string& where) {
  return Error{ErrorCode::kResourceExhausted, "too many chat templates", where,
               fmt::format("at most {}", kMaxTemplates), "more"};
}

Result<NamedTemplates> from_files(const fs::path& directory) {
  NamedTemplates templates;
  const auto add = [&](std::string name, const fs::path& file) -> Result<void> {
    if (templates.size() == kMaxTemplates) return too_many(file.parent_path().string());
    templates[std::move(name)] = AGLM_TRY(read_text_file(file.string(), kMaxTemplateBytes));
    return {};
  };
  if (is_file(directory / kDefaultFile)) {
    AGLM_TRY(add(std::string(kDefaultTemplate), directory / kDefaultFile));
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(directory / kOthersFolder, ignored)) {
    if (entry.path().extension() != ".jinja" || !is_file(entry.path())) continue;
    AGLM_TRY(add(entry.path().stem().string(), entry.path()));
  }
  return templates;
}

// chat_template: a string, a list of {name, template}, or {name: template}.
Result<NamedTemplates> from_json(const std::string& file) {
  const json::value document =
      AGLM_TRY(json::parse_file(file, {.max_bytes = kMaxTokenizerConfigBytes, .max_depth = 64}));
  const json::Fields fields = AGLM_TRY(json::fields_of(document, file));
  const json::value* source = fields.find("chat_template");
  NamedTemplates templates;
  if (source == nullptr) return templates;
  if (source->is_array()) {
    for (const json::value& item : source->get_array()) {
      const json::Fields named = AGLM_TRY(json::fields_of(item, file + ": chat_template"));
      std::string name = AGLM_TRY(named.string("name"));
      if (templates.size() == kMaxTemplates) return too_many(file);
      templates[std::move(name)] = AGLM_TRY(named.string("template"));
    }
  } else if (source->is_object()) {
    const json::Fields named = AGLM_TRY(fields.child("chat_template"));
    for (const auto& entry : named.raw()) {
      if (templates.size() == kMaxTemplates) return too_many(file);
      templates[std::string(entry.key())] = AGLM_TRY(named.string(entry.key()));
    }
  } else {
    templates[std::string(kDefaultTemplate)] = AGLM_TRY(fields.string("chat_template"));
  }
  return templates;
}

Result<NamedTemplates> from_gguf(const std::string& path) {
  constexpr std::string_view kKey = "tokenizer.chat_template";
  const MappedFile file = AGLM_TRY(MappedFile::open(path));
  const Gguf gguf = AGLM_TRY(parse_gguf(file.bytes(), path));
  NamedTemplates templates;
  for (const auto& [key, value] : gguf.metadata) {
    if (!key.starts_with(kKey)) continue;
    const std::string_view rest = key.substr(kKey.size());
    if (!rest.empty() && rest.front() != '.') continue;  // tokenizer.chat_templates: their names
    const auto source = AGLM_TRY(gguf.string(key));
    if (templates.size() == kMaxTemplates) return too_many(path);
    templates[std::string(rest.empty() ? kDefaultTemplate : rest.substr(1))] = *source;
  }
  return templates;
}

// A template's name becomes a file's.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && name.front() != '.' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.';
         });
}

}  // namespace

Result<NamedTemplates> read_chat_templates(const std::string& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return from_gguf(path);
  const fs::path directory(path);
  NamedTemplates templates = AGLM_TRY(from_files(directory));
  for (const char* file : {"tokenizer_config.json", "chat_template.json"}) {
    if (!templates.empty() || !is_file(directory / file)) continue;
    templates = AGLM_TRY(from_json((directory / file).string()));
  }
  return templates;
}

Result<void> write_chat_templates(const NamedTemplates& templates, const std::string& folder) {
  const auto write = [](const fs::path& file, std::string_view text) {
    return write_file(file.string(), std::as_bytes(std::span(text)));
  };
  for (const auto& [name, source] : templates) {
    if (name == kDefaultTemplate) {
      AGLM_TRY(write(fs::path(folder) / kDefaultFile, source));
    } else if (is_plain_name(name)) {
      const fs::path others = fs::path(folder) / kOthersFolder;
      std::error_code failure;
      fs::create_directory(others, failure);
      if (failure) {
        return Error{ErrorCode::kIo, "cannot create the directory", others.string(), "",
                     failure.message()};
      }
      AGLM_TRY(write(others / (name + ".jinja"), source));
    }
  }
  return {};
}

}  // namespace autoglm
