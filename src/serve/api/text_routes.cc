// /tokenize, /detokenize, /apply-template and /v1/models.
#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/api/prompts.h"

namespace autoglm::serve {
namespace {

// An answer larger than this is refused while it is written. Many of the largest would have no room
// beside each other.
constexpr size_t kMaxAnswerBytes = size_t{64} << 20;
// A text that no prompt has room for can still be counted, and cut, if it is no longer than this.
constexpr size_t kAlwaysTokenized = size_t{1} << 20;

// A list as text: of a million tokens a tree of JSON values would be a gigabyte.
template <class Append>
Result<void> append_list(std::string& out, const std::vector<TokenId>& ids, const RequestTask& task,
                         Append append) {
  out += '[';
  for (size_t i = 0; i < ids.size(); ++i) {
    if (i > 0) out += ',';
    append(out, ids[i]);
    if (i % 1024 != 0) continue;
    if (!task.wanted()) return not_wanted();
    if (out.size() > kMaxAnswerBytes) {
      return Error{ErrorCode::kInvalidArgument, "the answer would be too large", "",
                   fmt::format("at most {} bytes", kMaxAnswerBytes),
                   fmt::format("{} tokens", ids.size())};
    }
  }
  out += ']';
  return {};
}

void append_id(std::string& out, TokenId id) {
  fmt::format_to(std::back_inserter(out), "{}", static_cast<int32_t>(id));
}

// llama-server's piece: a string, or a list of bytes when it is a part of a character.
void append_piece(std::string& out, const std::string& bytes) {
  if (is_valid_utf8(bytes)) return append_string(out, bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    fmt::format_to(std::back_inserter(out), "{}{}", i == 0 ? '[' : ',',
                   static_cast<unsigned char>(bytes[i]));
  }
  out += ']';
}

Result<std::vector<TokenId>> tokens_of(const ServiceContext& context, std::string_view text,
                                       const TokenizeOptions& options, std::string_view param) {
  if (text.size() > kAlwaysTokenized) {
    AGLM_TRY(check_text_length(context.backend->info(), text.size(), param));
  }
  return tokenize_field(*context.backend, text, options, param);
}

// {"content": ...} -> {"tokens": [...]}
Result<std::string> llama_tokenize(const ServiceContext& context, const json::Fields& fields,
                                   const RequestTask& task) {
  const std::string content = AGLM_TRY(required_string(fields, "content"));
  TokenizeOptions options;
  options.add_special_tokens = AGLM_TRY(boolean_field(fields, "add_special", false));
  options.parse_special = AGLM_TRY(boolean_field(fields, "parse_special", true));
  const bool with_pieces = AGLM_TRY(boolean_field(fields, "with_pieces", false));
  const std::vector<TokenId> ids = AGLM_TRY(tokens_of(context, content, options, "content"));
  std::string answer = "{\"tokens\":";
  AGLM_TRY(append_list(answer, ids, task, [&](std::string& out, TokenId id) {
    if (!with_pieces) return append_id(out, id);
    out += "{\"id\":";
    append_id(out, id);
    out += ",\"piece\":";
    append_piece(out, context.backend->token_text(id));
    out += '}';
  }));
  answer += '}';
  return answer;
}

json::object model_json(const ServiceContext& context, const std::string& name) {
  const ModelInfo& info = context.backend->info();
  json::object object;
  object["id"] = name;
  object["object"] = "model";
  object["created"] = context.created;
  object["owned_by"] = "autoglm";
  object["root"] = context.model_name();
  object["parent"] = nullptr;
  object["max_model_len"] = info.max_model_len;
  object["meta"] = json::object{
      {"architecture", info.architecture}, {"quantization", info.quantization},
      {"n_vocab", info.vocab_size},        {"n_ctx_train", info.training_context},
      {"n_embd", info.hidden_size},        {"n_params", info.parameters},
      {"size", info.weight_bytes},         {"has_chat_template", info.has_chat_template}};
  return object;
}

}  // namespace

Result<std::string> answer_tokenize(const ServiceContext& context, std::string_view body,
                                    const RequestTask& task) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  if (fields.find("content") != nullptr) return llama_tokenize(context, fields, task);
  const ModelBackend& backend = *context.backend;
  RenderedChat prompt;
  std::string_view param = "prompt";
  bool add_special = true;
  if (fields.find("messages") != nullptr) {
    const ChatContext chat = AGLM_TRY(read_chat(fields));
    param = "messages";
    prompt = AGLM_TRY(render_chat(backend, chat));
    add_special = chat.add_special_tokens;
  } else {
    if (fields.find("prompt") == nullptr) {
      return bad_field("prompt", "one of prompt, messages and content is needed");
    }
    prompt.text = AGLM_TRY(required_string(fields, "prompt"));
    add_special = AGLM_TRY(boolean_field(fields, "add_special_tokens", true));
  }
  const bool with_strings = AGLM_TRY(boolean_field(fields, "return_token_strs", false));
  if (!task.wanted()) return not_wanted();
  const std::vector<TokenId> ids = AGLM_TRY(tokens_of(
      context, prompt.text, {.add_special_tokens = add_special, .literal = prompt.literal}, param));
  std::string answer = fmt::format("{{\"count\":{},\"max_model_len\":{},\"tokens\":", ids.size(),
                                   backend.info().max_model_len);
  AGLM_TRY(append_list(answer, ids, task, append_id));
  answer += ",\"token_strs\":";
  if (with_strings) {
    AGLM_TRY(append_list(answer, ids, task, [&](std::string& out, TokenId id) {
      append_string(out, repair_utf8(backend.token_text(id)));
    }));
  } else {
    answer += "null";
  }
  answer += '}';
  return answer;
}

Result<std::string> answer_detokenize(const ServiceContext& context, std::string_view body,
                                      const RequestTask&) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  if (fields.find("tokens") == nullptr) {
    return bad_field("tokens", "field is missing", "a list of token ids");
  }
  const json::array& list = *AGLM_TRY(fields.list("tokens"));
  const std::vector<TokenId> ids =
      AGLM_TRY(token_ids(list, "tokens", context.backend->info().vocab_size));
  const bool skip_special = AGLM_TRY(boolean_field(fields, "skip_special_tokens", false));
  const std::string text = repair_utf8(AGLM_TRY(context.backend->detokenize(ids, skip_special)));
  if (2 * text.size() > kMaxAnswerBytes) {
    return bad_field("tokens", "the answer would be too large",
                     fmt::format("at most {} bytes", kMaxAnswerBytes / 2),
                     fmt::format("{} bytes", text.size()));
  }
  // vLLM's name and llama-server's: their requests look the same.
  std::string answer = "{\"prompt\":";
  append_string(answer, text);
  answer += ",\"content\":";
  append_string(answer, text);
  answer += '}';
  return answer;
}

Result<std::string> answer_apply_template(const ServiceContext& context, std::string_view body,
                                          const RequestTask&) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  const ChatContext chat = AGLM_TRY(read_chat(fields));
  std::string answer = "{\"prompt\":";
  append_string(answer, AGLM_TRY(render_chat(*context.backend, chat)).text);
  answer += '}';
  return answer;
}

json::value answer_models(const ServiceContext& context) {
  json::array data;
  for (const std::string& name : context.model_names) data.push_back(model_json(context, name));
  return json::object{{"object", "list"}, {"data", std::move(data)}};
}

json::value answer_anthropic_models(const ServiceContext& context) {
  json::array data;
  for (const std::string& name : context.model_names) {
    data.push_back(json::object{{"type", "model"},
                                {"id", name},
                                {"display_name", name},
                                {"created_at", rfc3339(context.created)}});
  }
  return json::object{{"data", std::move(data)},
                      {"has_more", false},
                      {"first_id", context.model_names.front()},
                      {"last_id", context.model_names.back()}};
}

Result<json::value> answer_model(const ServiceContext& context, std::string_view name) {
  for (const std::string& served : context.model_names) {
    if (served == name) return json::value(model_json(context, served));
  }
  return Error{
      ErrorCode::kNotFound, "no such model is served here",      "model",
      context.model_name(), repair_utf8(utf8_prefix(name, 100)), ErrorReason::kUnknownModel};
}

}  // namespace autoglm::serve
