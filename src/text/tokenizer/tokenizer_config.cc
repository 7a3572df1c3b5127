// Tokens appear there as strings or as objects with flags.
#include "text/tokenizer/tokenizer_config.h"

#include <charconv>
#include <filesystem>

namespace autoglm {
namespace {

// "<s>" or {"content": "<s>", ...}; null and false count as none.
Result<std::optional<std::string>> read_token(const json::Fields& fields, std::string_view key) {
  const json::value* v = fields.find(key);
  if (v == nullptr || (v->is_bool() && !v->get_bool())) return std::optional<std::string>();
  if (v->is_string()) return std::optional(std::string(v->get_string()));
  if (v->is_object()) {
    const json::Fields token = AGLM_TRY(fields.child(key));
    return std::optional(AGLM_TRY(token.string("content")));
  }
  return fields.wrong(key, "a token");
}

Result<std::optional<bool>> read_flag(const json::Fields& fields, std::string_view key) {
  if (fields.find(key) == nullptr) return std::optional<bool>();
  return std::optional(AGLM_TRY(fields.boolean(key)));
}

Result<void> read_added(const json::Fields& fields, TokenizerConfig& config) {
  if (fields.find("added_tokens_decoder") == nullptr) return {};
  const json::Fields entries = AGLM_TRY(fields.child("added_tokens_decoder"));
  for (const auto& entry : entries.raw()) {
    const std::string key(entry.key());
    int64_t id = -1;
    const auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (code != std::errc() || end != key.data() + key.size() || id < 0) {
      return entries.wrong(key, "a token id as its key");
    }
    const json::Fields token = AGLM_TRY(entries.child(key));
    config.added.emplace_back(id, AGLM_TRY(read_added_token(token)));
  }
  return {};
}

// Tokens in a list, or by names of the model's own: {"image_token": "<image>"}.
Result<void> read_special(const json::Fields& fields, std::string_view key,
                          TokenizerConfig& config) {
  const json::value* tokens = fields.find(key);
  if (tokens == nullptr || !config.special.empty()) return {};
  const auto read = [&](const json::value& token) -> Result<void> {
    if (token.is_string()) {
      config.special.emplace_back(token.get_string());
    } else {
      const json::Fields object = AGLM_TRY(json::fields_of(token, fields.where()));
      config.special.push_back(AGLM_TRY(object.string("content")));
    }
    return {};
  };
  if (const json::object* named = tokens->if_object()) {
    for (const auto& entry : *named) AGLM_TRY(read(entry.value()));
    return {};
  }
  for (const json::value& token : *AGLM_TRY(fields.list(key))) AGLM_TRY(read(token));
  return {};
}

Result<void> read_file_into(const std::string& path, TokenizerConfig& config) {
  if (!std::filesystem::exists(path)) return {};
  constexpr size_t kMaxBytes = size_t{64} << 20;
  const json::value document = AGLM_TRY(json::parse_file(path, {.max_bytes = kMaxBytes}));
  const json::Fields fields = AGLM_TRY(json::fields_of(document, path));
  const auto token = [&](std::string_view key, std::optional<std::string>& to) -> Result<void> {
    if (!to) to = AGLM_TRY(read_token(fields, key));
    return {};
  };
  const auto flag = [&](std::string_view key, std::optional<bool>& to) -> Result<void> {
    if (!to) to = AGLM_TRY(read_flag(fields, key));
    return {};
  };
  AGLM_TRY(token("bos_token", config.bos));
  AGLM_TRY(token("eos_token", config.eos));
  AGLM_TRY(token("unk_token", config.unknown));
  AGLM_TRY(token("pad_token", config.padding));
  AGLM_TRY(token("pat_str", config.pattern));
  AGLM_TRY(flag("add_bos_token", config.add_bos));
  AGLM_TRY(flag("add_eos_token", config.add_eos));
  AGLM_TRY(flag("add_prefix_space", config.add_prefix_space));
  AGLM_TRY(flag("do_lower_case", config.lowercase));
  AGLM_TRY(flag("legacy", config.legacy));
  if (config.tokenizer_class.empty()) {
    config.tokenizer_class = AGLM_TRY(fields.string_or("tokenizer_class", ""));
  }
  if (config.added.empty()) AGLM_TRY(read_added(fields, config));
  AGLM_TRY(read_special(fields, "extra_special_tokens", config));
  AGLM_TRY(read_special(fields, "additional_special_tokens", config));
  return {};
}

}  // namespace

Result<AddedToken> read_added_token(const json::Fields& fields) {
  AddedToken token;
  token.content = AGLM_TRY(fields.string("content"));
  token.special = AGLM_TRY(fields.boolean_or("special", false));
  token.lstrip = AGLM_TRY(fields.boolean_or("lstrip", false));
  token.rstrip = AGLM_TRY(fields.boolean_or("rstrip", false));
  token.single_word = AGLM_TRY(fields.boolean_or("single_word", false));
  token.normalized = AGLM_TRY(fields.boolean_or("normalized", !token.special));
  return token;
}

Result<TokenizerConfig> read_tokenizer_config(const std::string& directory) {
  TokenizerConfig config;
  AGLM_TRY(read_file_into(directory + "/tokenizer_config.json", config));
  AGLM_TRY(read_file_into(directory + "/special_tokens_map.json", config));
  return config;
}

}  // namespace autoglm
