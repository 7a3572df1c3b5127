// /tokenize, /detokenize, /apply-template and /v1/models.
#include <utility>

#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/api/prompts.h"

namespace autoglm::serve {
namespace {

// llama-server's piece: a string, or a list of bytes when it is a part of a character.
json::value piece_json(const std::string& bytes) {
  if (is_utf8(bytes)) return json::value(bytes);
  json::array list;
  for (const char c : bytes) list.push_back(static_cast<int64_t>(static_cast<unsigned char>(c)));
  return list;
}

// {"content": ...} -> {"tokens": [...]}
Result<json::value> llama_tokenize(const ServiceContext& context, const json::Fields& fields) {
  const std::string content = AGLM_TRY(required_string(fields, "content"));
  TokenizeOptions options;
  options.add_special_tokens = AGLM_TRY(boolean_field(fields, "add_special", false));
  options.parse_special = AGLM_TRY(boolean_field(fields, "parse_special", true));
  const bool with_pieces = AGLM_TRY(boolean_field(fields, "with_pieces", false));
  json::array tokens;
  for (const TokenId id : AGLM_TRY(context.backend->tokenize(content, options))) {
    if (with_pieces) {
      tokens.push_back(json::object{{"id", static_cast<int64_t>(id)},
                                    {"piece", piece_json(context.backend->token_text(id))}});
    } else {
      tokens.push_back(static_cast<int64_t>(id));
    }
  }
  return json::value(json::object{{"tokens", std::move(tokens)}});
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

Result<json::value> answer_tokenize(const ServiceContext& context, std::string_view body) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  if (fields.find("content") != nullptr) return llama_tokenize(context, fields);
  const ModelBackend& backend = *context.backend;
  RenderedChat prompt;
  bool add_special = true;
  if (fields.find("messages") != nullptr) {
    const ChatContext chat = AGLM_TRY(read_chat(fields));
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
  const std::vector<TokenId> ids = AGLM_TRY(backend.tokenize(
      prompt.text, {.add_special_tokens = add_special, .literal = prompt.literal}));
  json::object answer;
  answer["count"] = static_cast<int64_t>(ids.size());
  answer["max_model_len"] = backend.info().max_model_len;
  answer["tokens"] = ids_json(ids);
  answer["token_strs"] = nullptr;
  if (with_strings) {
    json::array strings;
    for (const TokenId id : ids) {
      strings.push_back(json::value(printable_utf8(backend.token_text(id))));
    }
    answer["token_strs"] = std::move(strings);
  }
  return json::value(std::move(answer));
}

Result<json::value> answer_detokenize(const ServiceContext& context, std::string_view body) {
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
  const std::string text = printable_utf8(AGLM_TRY(context.backend->detokenize(ids, skip_special)));
  // vLLM's name and llama-server's: their requests look the same.
  return json::value(json::object{{"prompt", text}, {"content", text}});
}

Result<json::value> answer_apply_template(const ServiceContext& context, std::string_view body) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  AGLM_TRY(check_model(context, fields));
  const ChatContext chat = AGLM_TRY(read_chat(fields));
  return json::value(json::object{{"prompt", AGLM_TRY(render_chat(*context.backend, chat)).text}});
}

json::value answer_models(const ServiceContext& context) {
  json::array data;
  for (const std::string& name : context.model_names) data.push_back(model_json(context, name));
  return json::object{{"object", "list"}, {"data", std::move(data)}};
}

Result<json::value> answer_model(const ServiceContext& context, std::string_view name) {
  for (const std::string& served : context.model_names) {
    if (served == name) return json::value(model_json(context, served));
  }
  return Error{ErrorCode::kNotFound, "no such model is served here", "model", context.model_name(),
               printable_utf8(name.substr(0, 100))};
}

}  // namespace autoglm::serve
