// Errors as each API's clients expect them. OpenAI's, which is everybody's who has none of its own:
// {"error": {"message", "type", "param", "code"}}.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "serve/http/message.h"

namespace autoglm::serve {

struct ApiError {
  int status = 400;
  std::string message;
  std::string param;               // the field at fault; empty: null
  std::string code;                // for programs: "context_length_exceeded"; empty: null
  double retry_after_seconds = 0;  // 0: not known
  // With context_length_exceeded: tokens as asked, and as many as there may be.
  std::string asked_tokens{};
  std::string most_tokens{};
};

// Whose clients read the error.
enum class ErrorForm {
  kOpenAi,
  kAnthropic,  // {"type": "error", "error": {"type", "message"}}
  kOllama,     // {"error": "message"}
};

// kContextTooLong. `asked`: tokens; `but`: what is too long ("the prompt has 5000").
Error context_too_long(std::string_view param, int64_t max_model_len, int64_t asked,
                       std::string_view but);

// Of what a client has sent, as much as an error repeats.
std::string short_name(std::string_view text);

// The caller's fault: `param` names the field.
Error bad_field(std::string_view param, std::string_view what, std::string_view expected = {},
                std::string_view found = {});
// A field that is understood and not offered.
Error not_offered(std::string_view param, std::string_view what);

// Names of fields in an API that has others than OpenAI's: an error about `ours`, or about a field
// inside of it, is told as one about `theirs`.
struct FieldName {
  std::string_view ours;
  std::string_view theirs;
};
Error renamed(Error error, std::span<const FieldName> names);

ApiError api_error(const Error& error);
std::string error_body(const ApiError& error, ErrorForm form = ErrorForm::kOpenAi);
Response error_response(const ApiError& error, ErrorForm form = ErrorForm::kOpenAi);
inline Response error_response(const Error& error, ErrorForm form = ErrorForm::kOpenAi) {
  return error_response(api_error(error), form);
}

}  // namespace autoglm::serve
