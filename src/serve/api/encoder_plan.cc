#include "serve/api/encoder_plan.h"

#include <fmt/format.h>

#include <utility>

#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

Result<EncoderText> checked(Result<EncoderText> made, const ModelInfo& model,
                            std::string_view param) {
  if (!made) {
    if (made.error().code == ErrorCode::kTooLarge) made.error().where = param;
    return made;
  }
  if (made->tokens.empty()) {
    return bad_field(param, "the text has no tokens", "at least one token");
  }
  if (std::ssize(made->tokens) > model.max_model_len) {
    return context_too_long(
        param, model.max_model_len, std::ssize(made->tokens),
        fmt::format("a text of the input came to {}; truncate_prompt_tokens cuts it",
                    made->tokens.size()));
  }
  return made;
}

}  // namespace

Error no_such_api(std::string_view api) {
  Error error = not_offered("model", fmt::format("the model does not support the {} API", api));
  error.reason = ErrorReason::kNotThisModel;
  return error;
}

Result<void> check_generates(const ServiceContext& context, std::string_view api) {
  if (context.backend->info().encoder) return no_such_api(api);
  return {};
}

Result<EncoderTextOptions> read_text_options(const json::Fields& fields, const ModelInfo& model) {
  EncoderTextOptions options;
  options.add_special_tokens = AGLM_TRY(boolean_field(fields, "add_special_tokens", true));
  constexpr std::string_view kCut = "truncate_prompt_tokens";
  options.max_tokens = AGLM_TRY(integer_field(fields, kCut, -1, model.max_model_len));
  if (options.max_tokens == 0) return bad_field(kCut, "out of range", "-1, or at least 1", "0");
  if (options.max_tokens == -1) options.max_tokens = model.max_model_len;
  return options;
}

Result<EncoderText> read_text(const ModelBackend& backend, const Prompt& prompt,
                              const EncoderTextOptions& options, std::string_view param) {
  const ModelInfo& model = backend.info();
  if (const auto* ids = std::get_if<std::vector<TokenId>>(&prompt)) {
    EncoderText text{.tokens = *ids};
    if (options.max_tokens && std::ssize(text.tokens) > *options.max_tokens) {
      text.tokens.resize(static_cast<size_t>(*options.max_tokens));
    }
    return checked(std::move(text), model, param);
  }
  const auto& text = std::get<std::string>(prompt);
  if (!options.max_tokens) AGLM_TRY(check_text_length(model, text.size(), param));
  return checked(backend.encoder_text(text, std::nullopt, options), model, param);
}

Result<EncoderText> read_pair(const ModelBackend& backend, std::string_view first,
                              std::string_view second, const EncoderTextOptions& options,
                              std::string_view param) {
  const ModelInfo& model = backend.info();
  if (!options.max_tokens) AGLM_TRY(check_text_length(model, first.size() + second.size(), param));
  return checked(backend.encoder_text(first, second, options), model, param);
}

std::string answer_head(const ServiceContext& context, std::string_view id_prefix,
                        std::string_view object) {
  return dump(json::object{{"id", new_id(id_prefix)},
                           {"object", object},
                           {"created", unix_time()},
                           {"model", context.model_name()}});
}

json::object text_usage(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"total_tokens", usage.prompt_tokens},
          {"completion_tokens", 0},
          {"prompt_tokens_details", nullptr}};
}

}  // namespace autoglm::serve
