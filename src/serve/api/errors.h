// Errors as OpenAI's clients expect them: {"error": {"message", "type", "param", "code"}}.
#pragma once

#include <cstdint>
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
};

// kContextTooLong. `but`: what is too long ("the prompt has 5000").
Error context_too_long(std::string_view param, int64_t max_model_len, std::string_view but);

// The caller's fault: `param` names the field.
Error bad_field(std::string_view param, std::string_view what, std::string_view expected = {},
                std::string_view found = {});
// A field that is understood and not offered.
Error not_offered(std::string_view param, std::string_view what);

ApiError api_error(const Error& error);
std::string error_body(const ApiError& error);
Response error_response(const ApiError& error);
inline Response error_response(const Error& error) { return error_response(api_error(error)); }

}  // namespace autoglm::serve
