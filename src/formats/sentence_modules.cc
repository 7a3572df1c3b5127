#include "formats/sentence_modules.h"

#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/utf8.h"

namespace autoglm {
namespace {

constexpr json::ParseLimits kSmall{.max_bytes = size_t{1} << 20, .max_depth = 16};

bool is_file(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

// A folder inside the checkpoint's: "1_Pooling".
bool is_plain_folder(std::string_view path) {
  return !path.empty() && path.size() <= 255 && path != "." && path != ".." &&
         path.find_first_of("/\\") == std::string_view::npos &&
         path.find('\0') == std::string_view::npos;
}

// "Pooling" of "sentence_transformers.models.Pooling".
std::string_view last_name(std::string_view type) {
  const size_t dot = type.rfind('.');
  return dot == std::string_view::npos ? type : type.substr(dot + 1);
}

Error unsupported(std::string what, std::string where, std::string expected,
                  std::string_view found) {
  return {ErrorCode::kUnsupported, std::move(what), std::move(where), std::move(expected),
          repair_utf8(utf8_prefix(found, 80))};
}

struct PoolingMode {
  std::string_view key;
  std::string_view name;
};
constexpr std::array<PoolingMode, 6> kModes{{
    {"pooling_mode_cls_token", "cls"},
    {"pooling_mode_mean_tokens", "mean"},
    {"pooling_mode_max_tokens", "max"},
    {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len"},
    {"pooling_mode_weightedmean_tokens", "weightedmean"},
    {"pooling_mode_lasttoken", "last"},
}};

// "mean", or a list of one such name.
Result<std::string> named_mode(const json::Fields& fields) {
  const json::value* mode = fields.find("pooling_mode");
  if (const json::array* list = mode->if_array(); list != nullptr && list->size() == 1) {
    mode = &list->front();
  }
  if (!mode->is_string()) return fields.wrong("pooling_mode", "the name of one way to pool");
  const std::string_view name = mode->get_string();
  if (name == "lasttoken") return std::string("last");
  if (name == "mean_sqrt_len_tokens") return std::string("mean_sqrt_len");
  for (const PoolingMode& known : kModes) {
    if (known.name == name) return std::string(name);
  }
  return unsupported("pooling is unknown", fields.where() + ": pooling_mode",
                     "cls, mean, max, mean_sqrt_len, weightedmean or lasttoken", name);
}

Result<std::string> read_pooling_mode(const json::Fields& fields) {
  if (fields.find("pooling_mode") != nullptr) return named_mode(fields);
  std::vector<std::string> wanted;
  for (const auto& [key, value] : fields.raw()) {
    const std::string_view name(key);
    if (!name.starts_with("pooling_mode_")) continue;
    if (!AGLM_TRY(fields.boolean(name))) continue;
    std::string_view found;
    for (const PoolingMode& known : kModes) {
      if (known.key == name) found = known.name;
    }
    if (found.empty()) {
      return unsupported("pooling is unknown", fields.where(),
                         "cls, mean, max, mean_sqrt_len, weightedmean or lasttoken", name);
    }
    wanted.emplace_back(found);
  }
  // What sentence-transformers does where nothing is said.
  if (wanted.empty()) return std::string("mean");
  if (wanted.size() > 1) {
    return unsupported("several poolings beside each other are not offered", fields.where(),
                       "one pooling mode", fmt::format("{} and {}", wanted[0], wanted[1]));
  }
  return std::move(wanted[0]);
}

Result<void> read_pooling(const std::string& path, SentenceModules& modules) {
  const json::value document = AGLM_TRY(json::parse_file(path, kSmall));
  const json::Fields fields = AGLM_TRY(json::fields_of(document, path));
  modules.pooling = AGLM_TRY(read_pooling_mode(fields));
  for (const std::string_view key : {"word_embedding_dimension", "embedding_dimension"}) {
    if (fields.find(key) != nullptr) modules.dimension = AGLM_TRY(fields.integer(key));
  }
  return {};
}

}  // namespace

Result<std::optional<SentenceModules>> read_sentence_modules(const std::string& directory) {
  const std::string path = directory + "/modules.json";
  if (!is_file(path)) return std::optional<SentenceModules>();
  const json::value document = AGLM_TRY(json::parse_file(path, kSmall));
  if (!document.is_array()) {
    return Error{ErrorCode::kCorrupt, "file is no list of modules", path, "a JSON array",
                 std::string(json::kind_name(document))};
  }
  SentenceModules modules;
  for (size_t i = 0; i < document.get_array().size(); ++i) {
    const std::string where = fmt::format("{}[{}]", path, i);
    const json::Fields module = AGLM_TRY(json::fields_of(document.get_array()[i], where));
    const std::string type = AGLM_TRY(module.string("type"));
    const std::string_view name = last_name(type);
    const bool pooled = !modules.pooling.empty();
    if (i == 0 && name == "Transformer") {
      const std::string folder = AGLM_TRY(module.string_or("path", ""));
      if (!folder.empty()) {
        return unsupported("model is in a folder of its own", where,
                           "its files beside modules.json", folder);
      }
    } else if (i == 1 && name == "Pooling") {
      const std::string folder = AGLM_TRY(module.string("path"));
      if (!is_plain_folder(folder)) return module.wrong("path", "a folder's name");
      AGLM_TRY(read_pooling(fmt::format("{}/{}/config.json", directory, folder), modules));
    } else if (pooled && name == "Normalize") {
      modules.normalize = true;
    } else {
      return unsupported("module is not offered", where,
                         "Transformer, then Pooling, then perhaps Normalize", type);
    }
  }
  if (modules.pooling.empty()) {
    return Error{ErrorCode::kUnsupported, "modules do not pool", path,
                 "Transformer, then Pooling, then perhaps Normalize", ""};
  }
  return std::optional(std::move(modules));
}

Result<std::optional<int64_t>> read_sentence_length(const std::string& directory) {
  for (const std::string_view kind :
       {"bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"}) {
    const std::string path = fmt::format("{}/sentence_{}_config.json", directory, kind);
    if (!is_file(path)) continue;
    const json::value document = AGLM_TRY(json::parse_file(path, kSmall));
    const json::Fields fields = AGLM_TRY(json::fields_of(document, path));
    if (AGLM_TRY(fields.boolean_or("do_lower_case", false))) {
      return unsupported("texts in lower case before the tokenizer are not offered",
                         path + ": do_lower_case", "false", "true");
    }
    if (fields.find("max_seq_length") == nullptr) return std::optional<int64_t>();
    const int64_t length = AGLM_TRY(fields.integer("max_seq_length"));
    if (length < 1) return fields.wrong("max_seq_length", "at least 1");
    return std::optional(length);
  }
  return std::optional<int64_t>();
}

}  // namespace autoglm
