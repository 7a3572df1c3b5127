// Reading of prompts; chat_context.cc reads messages.
#include "serve/api/prompts.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"

namespace autoglm::serve {
namespace {

// Texts up to this may always be tried: what a tokenizer does not know may become one token,
// however long it is.
constexpr int64_t kAlwaysTried = 64 << 10;

}  // namespace

Result<std::vector<Prompt>> read_prompts(const json::Fields& fields, std::string_view key,
                                         size_t max_prompts, int64_t vocab_size) {
  constexpr std::string_view kForms =
      "a string, a list of strings, a list of token ids, or a list of lists of token ids";
  const json::value* value = fields.find(key);
  if (value == nullptr) return bad_field(key, "field is missing", kForms);
  std::vector<Prompt> prompts;
  if (value->is_string()) {
    prompts.emplace_back(std::string(value->get_string()));
    return prompts;
  }
  if (!value->is_array()) {
    return bad_field(key, "wrong kind", kForms, json::kind_name(*value));
  }
  const json::array& list = value->get_array();
  if (list.empty()) return bad_field(key, "the list is empty", kForms);
  if (list[0].is_int64()) {
    prompts.emplace_back(AGLM_TRY(token_ids(list, key, vocab_size)));
    return prompts;
  }
  if (list.size() > max_prompts) {
    return bad_field(key, "too many prompts", fmt::format("at most {}", max_prompts),
                     fmt::to_string(list.size()));
  }
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string param = fmt::format("{}[{}]", key, i);
    if (list[i].is_string() && list[0].is_string()) {
      prompts.emplace_back(std::string(list[i].get_string()));
    } else if (list[i].is_array() && list[0].is_array()) {
      prompts.emplace_back(AGLM_TRY(token_ids(list[i].get_array(), param, vocab_size)));
    } else {
      return bad_field(param, "wrong kind", kForms, json::kind_name(list[i]));
    }
  }
  return prompts;
}

Result<void> check_text_length(const ModelInfo& model, size_t n_bytes, std::string_view param) {
  const int64_t longest = std::max<int64_t>(model.longest_token_bytes, 1);
  const int64_t most = std::max(kAlwaysTried, model.max_model_len * longest);
  if (n_bytes <= static_cast<size_t>(most)) return {};
  return context_too_long(
      param, model.max_model_len, static_cast<int64_t>(n_bytes) / longest,
      fmt::format("{} bytes of text are more than any that fits: at most {}", n_bytes, most));
}

Result<std::vector<TokenId>> tokenize_field(const ModelBackend& backend, std::string_view text,
                                            TokenizeOptions options, std::string_view param) {
  auto ids = backend.tokenize(text, std::move(options));
  if (!ids && ids.error().code == ErrorCode::kTooLarge) ids.error().where = param;
  return ids;
}

Result<std::vector<TokenId>> prompt_ids(const ModelBackend& backend, const Prompt& prompt,
                                        bool add_special_tokens, std::string_view param) {
  std::vector<TokenId> ids;
  if (const auto* text = std::get_if<std::string>(&prompt)) {
    AGLM_TRY(check_text_length(backend.info(), text->size(), param));
    ids =
        AGLM_TRY(tokenize_field(backend, *text, {.add_special_tokens = add_special_tokens}, param));
  } else if (const auto* chat = std::get_if<RenderedChat>(&prompt)) {
    AGLM_TRY(check_text_length(backend.info(), chat->text.size(), param));
    ids = AGLM_TRY(tokenize_field(
        backend, chat->text, {.add_special_tokens = add_special_tokens, .literal = chat->literal},
        param));
  } else {
    ids = std::get<std::vector<TokenId>>(prompt);
  }
  if (ids.empty()) return bad_field(param, "the prompt has no tokens", "at least one token");
  return ids;
}

Result<std::vector<TokenId>> read_prediction(const ModelBackend& backend,
                                             const json::Fields& fields) {
  if (fields.find("prediction") == nullptr) return std::vector<TokenId>();
  const json::Fields prediction = AGLM_TRY(required_object(fields, "prediction"));
  const std::string type = AGLM_TRY(required_string(prediction, "type"));
  if (type != "content") {
    return bad_field("prediction.type", "unknown kind", "\"content\"", repair_utf8(type));
  }
  const json::value* content = prediction.find("content");
  if (content == nullptr) {
    return bad_field("prediction.content", "field is missing", "a text or text parts");
  }
  std::string text;
  if (!content->is_array()) text = AGLM_TRY(required_string(prediction, "content"));
  const size_t n_parts = content->is_array() ? content->get_array().size() : 0;
  for (size_t i = 0; i < n_parts; ++i) {
    const std::string param = fmt::format("prediction.content[{}]", i);
    const json::Fields part = AGLM_TRY(json::fields_of(content->get_array()[i], param));
    const std::string kind = AGLM_TRY(required_string(part, "type"));
    if (kind != "text") {
      return bad_field(param + ".type", "a part is no text", "\"text\"");
    }
    text += AGLM_TRY(required_string(part, "text"));
  }
  AGLM_TRY(check_text_length(backend.info(), text.size(), "prediction"));
  return tokenize_field(backend, text, {.add_special_tokens = false}, "prediction");
}

Result<void> check_context(const ModelInfo& model, const json::Fields& fields, size_t prompt_tokens,
                           const std::optional<int64_t>& max_tokens, std::string_view param) {
  const int64_t prompt = static_cast<int64_t>(prompt_tokens);
  const int64_t asked = std::max<int64_t>(max_tokens.value_or(1), 1);
  if (prompt + asked <= model.max_model_len) return {};
  if (prompt >= model.max_model_len) {
    return context_too_long(
        param, model.max_model_len, prompt,
        fmt::format("the {} alone came to {}, with none left for an answer", param, prompt));
  }
  std::string_view length = "max_tokens";
  for (const std::string_view key : {"max_new_tokens", "n_predict", "max_completion_tokens"}) {
    if (fields.find(key) != nullptr) length = key;
  }
  return context_too_long(length, model.max_model_len, prompt + asked,
                          fmt::format("the request needs {}: {} of the {} and {} of the answer",
                                      prompt + asked, prompt, param, asked));
}

}  // namespace autoglm::serve
