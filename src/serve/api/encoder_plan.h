// What the routes of encoders share: reading texts and how they are cut, and the words for models
// that do not do what a route asks (vLLM's).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/encoding.h"
#include "base/json.h"
#include "serve/api/plans.h"
#include "serve/api/prompts.h"
#include "serve/context.h"

namespace autoglm::serve {

// "the model does not support the Chat Completions API"
Error no_such_api(std::string_view api);
// An error unless the model writes texts.
Result<void> check_generates(const ServiceContext& context, std::string_view api);

// Texts of one request.
inline constexpr size_t kMaxTexts = 2048;  // OpenAI's limit

// vLLM's truncate_prompt_tokens and add_special_tokens. -1: cut to what the model takes.
Result<EncoderTextOptions> read_text_options(const json::Fields& fields, const ModelInfo& model);

// What `param` asks the model to read: a text, or ids as they are. Errors: no token, or more than
// the model takes.
Result<EncoderText> read_text(const ModelBackend& backend, const Prompt& prompt,
                              const EncoderTextOptions& options, std::string_view param);
// Two texts that are read together.
Result<EncoderText> read_pair(const ModelBackend& backend, std::string_view first,
                              std::string_view second, const EncoderTextOptions& options,
                              std::string_view param);

// {"id": ..., "object": ..., "created": ..., "model": ...}, as text that members are added to.
std::string answer_head(const ServiceContext& context, std::string_view id_prefix,
                        std::string_view object);
json::object text_usage(const Usage& usage);

}  // namespace autoglm::serve
