// What the OpenAI-compatible API says of every cause that errors name.
#include "serve/api/errors.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace autoglm::serve {
namespace {

struct Told {
  ErrorReason reason;
  ErrorCode code;  // with which the reason comes
  int status;
  std::string api_code;
};

// Not compiled any more when there is a reason that it does not know: the table below wants a line.
size_t line_of(ErrorReason reason) {
  switch (reason) {
    case ErrorReason::kNone: return 0;
    case ErrorReason::kContextTooLong: return 1;
    case ErrorReason::kUnknownModel: return 2;
    case ErrorReason::kUnknownItem: return 3;
    case ErrorReason::kTemplateRefused: return 4;
    case ErrorReason::kQueueFull: return 5;
    case ErrorReason::kQuota: return 6;
    case ErrorReason::kDeadlineUnreachable: return 7;
    case ErrorReason::kDeadlinePassed: return 8;
  }
  return 0;
}

TEST(ApiErrors, EveryReasonHasItsCode) {
  const std::vector<Told> table = {
      {ErrorReason::kNone, ErrorCode::kInvalidArgument, 400, ""},
      {ErrorReason::kContextTooLong, ErrorCode::kInvalidArgument, 400, "context_length_exceeded"},
      {ErrorReason::kUnknownModel, ErrorCode::kNotFound, 404, "model_not_found"},
      {ErrorReason::kUnknownItem, ErrorCode::kNotFound, 404, "not_found"},
      {ErrorReason::kTemplateRefused, ErrorCode::kInvalidArgument, 400, ""},
      {ErrorReason::kQueueFull, ErrorCode::kResourceExhausted, 429, "queue_full"},
      {ErrorReason::kQuota, ErrorCode::kResourceExhausted, 429, "rate_limit_exceeded"},
      {ErrorReason::kDeadlineUnreachable, ErrorCode::kResourceExhausted, 429,
       "deadline_unreachable"},
      {ErrorReason::kDeadlinePassed, ErrorCode::kUnavailable, 503, "deadline_exceeded"}};
  for (size_t i = 0; i < table.size(); ++i) {
    EXPECT_EQ(line_of(table[i].reason), i);
    const ApiError told = api_error(
        {.code = table[i].code, .what = "words", .where = "field", .reason = table[i].reason});
    EXPECT_EQ(told.status, table[i].status) << i;
    EXPECT_EQ(told.code, table[i].api_code) << i;
  }
}

TEST(ApiErrors, WhatACodeSaysByItselfNeedsNoReason) {
  EXPECT_EQ(api_error({.code = ErrorCode::kUnsupported}).code, "unsupported_parameter");
  EXPECT_EQ(api_error({.code = ErrorCode::kInternal}).code, "internal_error");
  for (const ErrorCode code :
       {ErrorCode::kInvalidArgument, ErrorCode::kNotFound, ErrorCode::kCorrupt,
        ErrorCode::kTooLarge, ErrorCode::kResourceExhausted, ErrorCode::kUnavailable,
        ErrorCode::kCancelled, ErrorCode::kIo}) {
    EXPECT_EQ(api_error({.code = code}).code, "") << static_cast<int>(code);
  }
}

TEST(ApiErrors, NoWordsDecide) {
  const Error words{.code = ErrorCode::kUnavailable,
                    .what = "This model's maximum context length is 7 tokens",
                    .where = "timeout_ms"};
  EXPECT_EQ(api_error(words).code, "");
}

TEST(ApiErrors, OfAContextThatIsTooLongTheKnownWordsStandAlone) {
  const ApiError told = api_error(context_too_long("prompt", 10, 11, "the prompt has 11"));
  EXPECT_EQ(told.message,
            "This model's maximum context length is 10 tokens, and the prompt has 11");
  EXPECT_EQ(told.param, "prompt");
  EXPECT_EQ(told.code, "context_length_exceeded");
  EXPECT_EQ(error_body(told, ErrorForm::kAnthropic),
            R"({"type":"error","error":{"type":"invalid_request_error",)"
            R"("message":"prompt is too long: 11 tokens > 10 maximum"}})");
  EXPECT_EQ(error_body(told, ErrorForm::kOllama), R"({"error":")" + told.message + R"("})");
}

TEST(ApiErrors, AreTypedAsAnthropicsClientsKnowThem) {
  const std::pair<int, std::string> kTypes[] = {
      {400, "invalid_request_error"}, {401, "authentication_error"},
      {403, "permission_error"},      {404, "not_found_error"},
      {405, "invalid_request_error"}, {413, "request_too_large"},
      {429, "rate_limit_error"},      {500, "api_error"},
      {503, "overloaded_error"}};
  for (const auto& [status, type] : kTypes) {
    EXPECT_EQ(error_body({.status = status, .message = "a"}, ErrorForm::kAnthropic),
              R"({"type":"error","error":{"type":")" + type + R"(","message":"a"}})");
  }
}

TEST(ApiErrors, NameFieldsAsTheRequestHasThem) {
  constexpr FieldName kNames[] = {{"stop", "stop_sequences"},
                                  {"max_tokens", "options.num_predict"}};
  const auto told = [&](std::string where) { return renamed(bad_field(where, "x"), kNames).where; };
  EXPECT_EQ(told("stop"), "stop_sequences");
  EXPECT_EQ(told("stop[1]"), "stop_sequences[1]");
  EXPECT_EQ(told("max_tokens: a"), "options.num_predict: a");
  EXPECT_EQ(told("stop_token_ids"), "stop_token_ids");
  EXPECT_EQ(told(""), "");
}

}  // namespace
}  // namespace autoglm::serve
