// /v1/embeddings.
#include <cstring>
#include <string>
#include <utility>

#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/api/prompts.h"

namespace autoglm::serve {
namespace {

constexpr size_t kMaxInputs = 2048;  // OpenAI's limit

// RFC 4648, of the little-endian floats: what OpenAI's clients ask for by default.
std::string base64_of(const std::vector<float>& values) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t k) -> uint32_t {
      return k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0;
    };
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    text += kDigits[group >> 18];
    text += kDigits[group >> 12 & 63];
    text += i + 1 < bytes.size() ? kDigits[group >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? kDigits[group & 63] : '=';
  }
  return text;
}

}  // namespace

Result<EmbeddingPlan> plan_embeddings(const ServiceContext& context, std::string_view body) {
  const json::object object = AGLM_TRY(parse_body(body));
  const json::Fields fields(object, "");
  const ModelInfo& model = context.backend->info();
  AGLM_TRY(check_model(context, fields));
  if (fields.find("dimensions") != nullptr) {
    return not_offered("dimensions", "embeddings of this model cannot be shortened");
  }
  EmbeddingPlan plan;
  const std::string format = AGLM_TRY(fields.string_or("encoding_format", "float"));
  if (format != "float" && format != "base64") {
    return bad_field("encoding_format", "not a format", "\"float\" or \"base64\"",
                     printable_utf8(format.substr(0, 40)));
  }
  plan.base64 = format == "base64";
  const bool add_special = AGLM_TRY(boolean_field(fields, "add_special_tokens", true));
  AGLM_TRY(string_field(fields, "user"));
  for (const Prompt& input :
       AGLM_TRY(read_prompts(fields, "input", kMaxInputs, model.vocab_size))) {
    std::vector<TokenId> ids = AGLM_TRY(prompt_ids(*context.backend, input, add_special, "input"));
    if (std::ssize(ids) > model.max_model_len) {
      return bad_field("input", kContextTooLong,
                       "at most " + std::to_string(model.max_model_len) + " tokens",
                       std::to_string(ids.size()));
    }
    plan.inputs.push_back(std::move(ids));
  }
  return plan;
}

Result<json::value> answer_embeddings(const ServiceContext& context, const EmbeddingPlan& plan,
                                      const std::function<bool()>& wanted) {
  json::array data;
  int64_t n_tokens = 0;
  for (const std::vector<TokenId>& ids : plan.inputs) {
    if (!wanted()) return Error{ErrorCode::kCancelled, "the client has gone", "", "", ""};
    const std::vector<float> values = AGLM_TRY(context.backend->embed(ids));
    n_tokens += std::ssize(ids);
    json::object object;
    object["object"] = "embedding";
    object["index"] = static_cast<int64_t>(data.size());
    if (plan.base64) {
      object["embedding"] = base64_of(values);
    } else {
      json::array list;
      list.reserve(values.size());
      for (const float value : values) list.push_back(shortest(value));
      object["embedding"] = std::move(list);
    }
    data.push_back(std::move(object));
  }
  json::object answer;
  answer["object"] = "list";
  answer["data"] = std::move(data);
  answer["model"] = context.model_name();
  answer["usage"] = json::object{{"prompt_tokens", n_tokens}, {"total_tokens", n_tokens}};
  return json::value(std::move(answer));
}

}  // namespace autoglm::serve
