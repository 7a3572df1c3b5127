// The engine's and our own errors as HTTP statuses and error bodies.
#include "serve/api/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "base/utf8.h"
#include "serve/api/json_text.h"

namespace autoglm::serve {
namespace {

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kCorrupt:
    case ErrorCode::kTooLarge:
    case ErrorCode::kUnsupported: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kResourceExhausted: return 429;
    case ErrorCode::kUnavailable:
    case ErrorCode::kCancelled: return 503;
    case ErrorCode::kIo:
    case ErrorCode::kInternal: return 500;
  }
  return 500;
}

std::string_view type_of(int status) {
  if (status == 429) return "rate_limit_error";
  if (status == 503) return "service_unavailable_error";
  if (status >= 500 && status != 501 && status != 505) return "server_error";
  return "invalid_request_error";
}

// The field that `where` names, or one inside of which it is: "structural_tag: type". `where` may
// also be a part of the request ("request body"): then empty.
std::string_view field_of(std::string_view where) {
  const std::string_view first = where.substr(0, where.find(':'));
  return first.find_first_of(" /") == std::string_view::npos ? first : std::string_view();
}

// OpenAI's codes, and of the same kind where it has none.
std::string_view code_of(const Error& error) {
  switch (error.reason) {
    case ErrorReason::kContextTooLong: return "context_length_exceeded";
    case ErrorReason::kUnknownModel: return "model_not_found";
    case ErrorReason::kUnknownItem: return "not_found";
    case ErrorReason::kQueueFull: return "queue_full";
    case ErrorReason::kQuota: return "rate_limit_exceeded";
    case ErrorReason::kDeadlineUnreachable: return "deadline_unreachable";
    case ErrorReason::kDeadlinePassed: return "deadline_exceeded";
    case ErrorReason::kNotThisModel: return "unsupported_by_model";
    case ErrorReason::kTemplateRefused:
    case ErrorReason::kNone: break;
  }
  if (error.code == ErrorCode::kUnsupported) return "unsupported_parameter";
  if (error.code == ErrorCode::kInternal) return "internal_error";
  return "";
}

json::value or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(repair_utf8(text));
}

}  // namespace

std::string short_name(std::string_view text) { return repair_utf8(utf8_prefix(text, 40)); }

Error bad_field(std::string_view param, std::string_view what, std::string_view expected,
                std::string_view found) {
  return Error{ErrorCode::kInvalidArgument, std::string(what), std::string(param),
               std::string(expected), std::string(found)};
}

Error not_offered(std::string_view param, std::string_view what) {
  return Error{ErrorCode::kUnsupported, std::string(what), std::string(param), {}, {}};
}

Error context_too_long(std::string_view param, int64_t max_model_len, int64_t asked,
                       std::string_view but) {
  // The words by which LiteLLM and others know it, and the engine's.
  Error error = bad_field(
      param,
      fmt::format("This model's maximum context length is {} tokens, and {}", max_model_len, but),
      fmt::to_string(max_model_len), fmt::to_string(asked));
  error.reason = ErrorReason::kContextTooLong;
  return error;
}

ApiError api_error(const Error& error) {
  ApiError result{.status = status_of(error.code),
                  .message = error.message(),
                  .code = std::string(code_of(error))};
  // What is missing in a request is the request's fault; 404 is for what is asked for.
  const bool asked_for =
      error.reason == ErrorReason::kUnknownModel || error.reason == ErrorReason::kUnknownItem;
  if (result.status == 404 && !asked_for) result.status = 400;
  if (result.status == 400 || result.status == 404) result.param = field_of(error.where);
  // The words by which clients know it stand alone.
  if (error.reason == ErrorReason::kContextTooLong) {
    result.message = error.what;
    result.asked_tokens = error.found;
    result.most_tokens = error.expected;
  }
  return result;
}

Error renamed(Error error, std::span<const FieldName> names) {
  for (const FieldName& name : names) {
    if (!error.where.starts_with(name.ours)) continue;
    const std::string_view rest = std::string_view(error.where).substr(name.ours.size());
    if (!rest.empty() && std::string_view(".[:").find(rest.front()) == std::string_view::npos) {
      continue;
    }
    error.where = std::string(name.theirs) + std::string(rest);
    break;
  }
  return error;
}

namespace {

std::string openai_body(const ApiError& error) {
  json::object body;
  body["message"] = repair_utf8(error.message);
  body["type"] = type_of(error.status);
  body["param"] = or_null(error.param);
  body["code"] = or_null(error.code);
  return dump(json::object{{"error", std::move(body)}});
}

std::string_view anthropic_type(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 503: return "overloaded_error";
    default: return status >= 500 ? "api_error" : "invalid_request_error";
  }
}

std::string anthropic_body(const ApiError& error) {
  std::string message = error.message;
  // The words by which its clients know it.
  if (!error.asked_tokens.empty()) {
    message = fmt::format("prompt is too long: {} tokens > {} maximum", error.asked_tokens,
                          error.most_tokens);
  }
  return dump(json::object{{"type", "error"},
                           {"error", json::object{{"type", anthropic_type(error.status)},
                                                  {"message", repair_utf8(message)}}}});
}

}  // namespace

std::string error_body(const ApiError& error, ErrorForm form) {
  switch (form) {
    case ErrorForm::kOpenAi: break;
    case ErrorForm::kAnthropic: return anthropic_body(error);
    case ErrorForm::kOllama: return dump(json::object{{"error", repair_utf8(error.message)}});
  }
  return openai_body(error);
}

Response error_response(const ApiError& error, ErrorForm form) {
  Response response{.status = error.status};
  if (error.status == 429 || error.status == 503) {
    // Whole seconds, and no longer than anyone should plan ahead by an estimate.
    const double seconds = std::clamp(std::ceil(error.retry_after_seconds), 1.0, 600.0);
    response.headers.push_back({"Retry-After", std::to_string(static_cast<int>(seconds))});
  }
  response.body = error_body(error, form);
  return response;
}

}  // namespace autoglm::serve
