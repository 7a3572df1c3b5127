// Tool calls and reasoning over HTTP: OpenAI's shapes, whole and streamed, from what a scripted
// model writes in its own format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

constexpr const char* kTools =
    R"([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object",
         "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}}}])";

std::string ask(const std::string& fields) {
  std::string body = R"({"messages": [{"role": "user", "content": "Hi"}], "tools": )";
  return body + kTools + (fields.empty() ? "" : ", " + fields) + "}";
}

json::value message_of(RunningService& service, const std::string& body) {
  const HttpAnswer answer = service.post("/v1/chat/completions", body);
  EXPECT_EQ(answer.status, 200) << answer.body;
  return parsed(answer.body).at("choices").at(0);
}

// What the deltas of a stream join to, in the shape of a whole message.
json::object joined(RunningService& service, const std::string& fields) {
  const HttpAnswer answer =
      service.post("/v1/chat/completions",
                   ask(fields.empty() ? R"("stream": true)" : fields + R"(, "stream": true)"));
  EXPECT_EQ(answer.status, 200) << answer.body;
  std::string content, reasoning;
  std::map<int64_t, json::object> calls;
  json::value reason;
  for (const std::string& event : events_of(answer.body)) {
    if (event == "[DONE]") continue;
    const json::value choice = parsed(event).at("choices").at(0);
    if (!choice.at("finish_reason").is_null()) reason = choice.at("finish_reason");
    const json::object& delta = choice.at("delta").as_object();
    if (delta.contains("content")) content += delta.at("content").as_string();
    if (delta.contains("reasoning_content")) {
      reasoning += delta.at("reasoning_content").as_string();
    }
    if (!delta.contains("tool_calls")) continue;
    for (const json::value& piece : delta.at("tool_calls").as_array()) {
      json::object& call = calls[piece.at("index").as_int64()];
      const json::object& function = piece.at("function").as_object();
      if (piece.as_object().contains("id")) {
        EXPECT_TRUE(call.empty()) << "a call begins twice";
        EXPECT_EQ(piece.at("type"), "function");
        EXPECT_THAT(std::string(piece.at("id").as_string()),
                    MatchesRegex("call_[0-9a-f]{32}|[0-9a-z]{9}"));
        call = {{"name", function.at("name")}, {"arguments", ""}};
      }
      call.at("arguments").as_string().append(function.at("arguments").as_string());
    }
  }
  json::array list;
  for (auto& [index, call] : calls) list.push_back(std::move(call));
  return {{"content", content}, {"reasoning", reasoning}, {"calls", list}, {"reason", reason}};
}

FakeScript hermes(std::string answer) {
  return {.answer = std::move(answer),
          .format = {.calls = tools::CallFormat::kHermes, .reasoning = true}};
}

constexpr const char* kTwoCalls =
    "<think>\nhm\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": "
    "{\"city\": \"Rome\", \"days\": 2}}\n</tool_call>\n<tool_call>\n{\"name\": \"get_weather\", "
    "\"arguments\": {}}\n</tool_call>";

TEST(ToolCalls, HaveOpenAisShape) {
  RunningService service(hermes(kTwoCalls));
  const json::value choice = message_of(service, ask(""));
  EXPECT_EQ(choice.at("finish_reason"), "tool_calls");
  const json::value& message = choice.at("message");
  EXPECT_EQ(message.at("role"), "assistant");
  EXPECT_EQ(message.at("content"), "I look.");
  EXPECT_EQ(message.at("reasoning_content"), "hm");
  const json::array& calls = message.at("tool_calls").as_array();
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].at("type"), "function");
  EXPECT_THAT(std::string(calls[0].at("id").as_string()), StartsWith("call_"));
  EXPECT_NE(calls[0].at("id"), calls[1].at("id"));
  EXPECT_EQ(calls[0].at("function").at("name"), "get_weather");
  EXPECT_EQ(calls[0].at("function").at("arguments"), R"({"city": "Rome", "days": 2})");
  EXPECT_EQ(calls[1].at("function").at("arguments"), "{}");
}

TEST(ToolCalls, StreamedDeltasJoinToTheWholeMessage) {
  for (const std::string& answer :
       {std::string(kTwoCalls), std::string("no call"), std::string("<tool_call> broken"),
        std::string("<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": 7")}) {
    RunningService service(hermes(answer));
    const json::value choice = message_of(service, ask(""));
    const json::object& message = choice.at("message").as_object();
    const json::object streamed = joined(service, "");
    EXPECT_EQ(streamed.at("reason"), choice.at("finish_reason"));
    EXPECT_EQ(streamed.at("content"),
              message.at("content").is_null() ? json::value("") : message.at("content"));
    json::array calls;
    if (message.contains("tool_calls")) {
      for (const json::value& call : message.at("tool_calls").as_array()) {
        calls.push_back(call.at("function"));
      }
    }
    EXPECT_EQ(streamed.at("calls"), calls);
    EXPECT_EQ(streamed.at("reasoning"), message.contains("reasoning_content")
                                            ? message.at("reasoning_content")
                                            : json::value(""));
  }
}

TEST(ToolCalls, ContentIsNullBesideCallsAlone) {
  RunningService service(hermes("<tool_call>{\"name\": \"get_weather\"}</tool_call>\n"));
  const json::value choice = message_of(service, ask(""));
  EXPECT_TRUE(choice.at("message").at("content").is_null());
  EXPECT_FALSE(choice.at("message").as_object().contains("reasoning_content"));
}

TEST(ToolCalls, AnAnswerThatWasCutOffSaysSo) {
  RunningService service(hermes(kTwoCalls));
  const json::value choice = message_of(service, ask(R"("max_tokens": 110)"));
  EXPECT_EQ(choice.at("finish_reason"), "length");
  EXPECT_EQ(choice.at("message").at("tool_calls").as_array().size(), 1u);
}

TEST(ToolCalls, StayTextWithoutToolsOrWithChoiceNone) {
  RunningService service(hermes("<tool_call>{\"name\": \"get_weather\"}</tool_call>"));
  for (const std::string& body : {std::string(kHello), ask(R"("tool_choice": "none")")}) {
    const json::value choice = message_of(service, body);
    EXPECT_EQ(choice.at("finish_reason"), "stop");
    EXPECT_EQ(choice.at("message").at("content"),
              "<tool_call>{\"name\": \"get_weather\"}</tool_call>");
    EXPECT_THAT(service.backend().last_context(), Not(HasSubstr("get_weather")));
  }
  message_of(service, ask(R"("tool_choice": "auto")"));
  EXPECT_THAT(service.backend().last_context(), HasSubstr("get_weather"));
}

TEST(ToolCalls, WithoutParallelCallsOnlyTheFirstIsGiven) {
  RunningService service(hermes(kTwoCalls));
  const json::value choice = message_of(service, ask(R"("parallel_tool_calls": false)"));
  EXPECT_EQ(choice.at("message").at("tool_calls").as_array().size(), 1u);
  EXPECT_EQ(joined(service, R"("parallel_tool_calls": false)").at("calls").as_array().size(), 1u);
}

TEST(ToolCalls, MistralsIdsHaveNineCharacters) {
  RunningService service({.answer = "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {}}]",
                          .format = {.calls = tools::CallFormat::kMistral}});
  const json::value choice = message_of(service, ask(""));
  const std::string id(choice.at("message").at("tool_calls").at(0).at("id").as_string());
  EXPECT_THAT(id, MatchesRegex("[0-9a-z]{9}"));
}

TEST(ToolCalls, EveryChoiceIsReadOnItsOwn) {
  RunningService service(hermes(kTwoCalls));
  const HttpAnswer answer = service.post("/v1/chat/completions", ask(R"("n": 2)"));
  const json::value body = parsed(answer.body);
  for (const json::value& choice : body.at("choices").as_array()) {
    EXPECT_EQ(choice.at("message").at("tool_calls").as_array().size(), 2u);
  }
}

TEST(ToolCalls, TheNumberOfTokensDoesNotDependOnReading) {
  RunningService service(hermes(kTwoCalls));
  const HttpAnswer answer = service.post("/v1/chat/completions", ask(R"("logprobs": true)"));
  const json::value body = parsed(answer.body);
  EXPECT_EQ(body.at("usage").at("completion_tokens").as_int64(),
            static_cast<int64_t>(std::string_view(kTwoCalls).size()));
  EXPECT_EQ(body.at("choices").at(0).at("logprobs").at("content").as_array().size(),
            std::string_view(kTwoCalls).size());
}

TEST(Reasoning, FieldsSayWhatIsShown) {
  RunningService service(hermes("<think>hm</think>yes"));
  EXPECT_EQ(message_of(service, ask("")).at("message").at("reasoning_content"), "hm");
  const json::value hidden =
      message_of(service, ask(R"("include_reasoning": false)")).at("message");
  EXPECT_FALSE(hidden.as_object().contains("reasoning_content"));
  EXPECT_EQ(hidden.at("content"), "yes");
  const json::value kept = message_of(service, ask(R"("reasoning_format": "none")")).at("message");
  EXPECT_EQ(kept.at("content"), "<think>hm</think>yes");
  EXPECT_EQ(service.post("/v1/chat/completions", ask(R"("reasoning_format": "x")")).status, 400);
}

TEST(Reasoning, BeginsWhereThePromptHasOpenedIt) {
  FakeScript script = hermes("hm</think>yes");
  script.prompt_tail = "<think>\n";
  RunningService service(std::move(script));
  const json::value message = message_of(service, kHello).at("message");
  EXPECT_EQ(message.at("reasoning_content"), "hm");
  EXPECT_EQ(message.at("content"), "yes");
}

TEST(Reasoning, StaysInTheContentOfModelsWhoseTemplateDoesNotKnowIt) {
  RunningService service({.answer = "<think>hm</think><answer>do()"});
  EXPECT_EQ(message_of(service, kHello).at("message").at("content"),
            "<think>hm</think><answer>do()");
}

TEST(Reasoning, EffortNoneSwitchesThinkingOff) {
  RunningService service;
  message_of(service, ask(R"("reasoning_effort": "none")"));
  EXPECT_THAT(service.backend().last_context(), HasSubstr(R"("enable_thinking":false)"));
  message_of(service, ask(R"("reasoning_effort": "high")"));
  EXPECT_THAT(service.backend().last_context(), Not(HasSubstr("enable_thinking")));
}

GenerationRequest last_request(RunningService& service) {
  return service.backend().requests().back();
}

TEST(ToolChoice, ARequiredCallIsTheFormOfTheAnswer) {
  RunningService service(hermes(kTwoCalls));
  message_of(service, ask(R"("tool_choice": "required")"));
  const StructuredOutput any = *last_request(service).structured_output;
  EXPECT_EQ(any.kind, StructuredOutput::Kind::kStructuralTag);
  EXPECT_TRUE(any.after_reasoning);
  EXPECT_THAT(any.text, HasSubstr("tags_with_separator"));
  EXPECT_THAT(any.text, HasSubstr("get_weather"));
  EXPECT_THAT(any.text, Not(HasSubstr("stop_after_first")));
  message_of(service, ask(R"("tool_choice": "required", "parallel_tool_calls": false)"));
  EXPECT_THAT(last_request(service).structured_output->text, HasSubstr("stop_after_first"));
}

TEST(ToolChoice, ANamedFunctionIsTheOnlyOneThatMayBeCalled) {
  RunningService service(hermes(kTwoCalls));
  const std::string body =
      R"({"messages": [{"role": "user", "content": "a"}], "tools": [
           {"type": "function", "function": {"name": "one"}},
           {"type": "function", "function": {"name": "other"}}],
          "tool_choice": {"type": "function", "function": {"name": "other"}}})";
  message_of(service, body);
  const std::string form = last_request(service).structured_output->text;
  EXPECT_THAT(form, HasSubstr("other"));
  EXPECT_THAT(form, Not(HasSubstr("one\\\"")));
  EXPECT_THAT(service.backend().last_context(), HasSubstr(R"("name":"one")"));
}

TEST(ToolChoice, AutoHoldsOnlyCallsOfStrictTools) {
  RunningService service(hermes(kTwoCalls));
  message_of(service, ask(""));
  EXPECT_EQ(last_request(service).structured_output->kind, StructuredOutput::Kind::kNone);
  std::string strict = ask("");
  strict.replace(strict.find(R"("name")"), 0, R"("strict": true, )");
  message_of(service, strict);
  EXPECT_THAT(last_request(service).structured_output->text, HasSubstr("triggered_tags"));
}

TEST(ToolChoice, ATagThatIsASpecialTokenIsPutBehindThePrompt) {
  RunningService service({.answer = R"([{"name": "get_weather", "arguments": {"city": "Rome"}}])",
                          .format = {.calls = tools::CallFormat::kMistral}});
  service.backend().mutable_info().answer_tags_are_special = true;
  const std::string fields = R"("tool_choice": "required")";
  const json::value choice = message_of(service, ask(fields));
  EXPECT_EQ(choice.at("finish_reason"), "tool_calls");
  EXPECT_EQ(choice.at("message").at("tool_calls").at(0).at("function").at("arguments"),
            R"({"city": "Rome"})");
  std::string prompt;
  for (const TokenId id : last_request(service).prompt) prompt += service.backend().token_text(id);
  EXPECT_THAT(prompt, EndsWith("<assistant>[TOOL_CALLS]"));
  EXPECT_FALSE(last_request(service).sampling.skip_special_tokens);
  EXPECT_FALSE(last_request(service).structured_output->after_reasoning);
  const json::object streamed = joined(service, fields);
  EXPECT_EQ(streamed.at("calls").at(0).at("arguments"), R"({"city": "Rome"})");
}

TEST(ToolChoice, ResponseFormatIsAboutAnswersWithoutCalls) {
  RunningService service(hermes(kTwoCalls));
  const std::string format = R"("response_format": {"type": "json_object"})";
  // A required call leaves no content that the format could be about.
  message_of(service, ask(format + R"(, "tool_choice": "required")"));
  EXPECT_THAT(last_request(service).structured_output->text, Not(HasSubstr(R"("or")")));
  message_of(service, ask(format));
  EXPECT_THAT(last_request(service).structured_output->text, HasSubstr(R"("or")"));
  EXPECT_EQ(last_request(service).structured_output->field, "response_format");
  message_of(service, ask(format + R"(, "tool_choice": "none")"));
  EXPECT_EQ(last_request(service).structured_output->kind, StructuredOutput::Kind::kJsonObject);
}

TEST(ToolChoice, WhatLooksLikeACallWithinAFormIsContent) {
  const std::string answer = R"(["<tool_call>{"name": "get_weather"}</tool_call>"])";
  RunningService service(hermes(answer));
  for (const std::string fields :
       {R"("response_format": {"type": "json_object"})", R"("guided_json": {"type": "array"})"}) {
    const json::value choice = message_of(service, ask(fields));
    EXPECT_FALSE(choice.at("message").as_object().contains("tool_calls"));
    EXPECT_EQ(choice.at("message").at("content"), json::value(answer));
  }
  EXPECT_EQ(last_request(service).structured_output->kind, StructuredOutput::Kind::kJson);
}

TEST(ToolChoice, CallsThatAGrammarCannotBeginAreLeftOutBesideAForm) {
  RunningService service({.answer = "{}", .format = {.calls = tools::CallFormat::kMistral}});
  service.backend().mutable_info().answer_tags_are_special = true;
  message_of(service, ask(R"("response_format": {"type": "json_object"})"));
  EXPECT_EQ(last_request(service).structured_output->kind, StructuredOutput::Kind::kJsonObject);
}

TEST(ToolWishes, AreRefusedByTheFieldsName) {
  RunningService service(hermes("x"));
  const auto one_tool = [](const std::string& function) {
    return R"({"messages": [{"role": "user", "content": "a"}], "tools": [{"function": {)" +
           function + "}}]}";
  };
  const std::pair<std::string, std::string> cases[] = {
      {ask(R"("tool_choice": "sometimes")"), "tool_choice"},
      {ask(R"("tool_choice": {"type": "function", "function": {"name": "other"}})"), "tool_choice"},
      {ask(R"("tool_choice": {"type": "tool"})"), "tool_choice.type"},
      {ask(R"("tool_choice": {"type": "function"})"), "tool_choice.function"},
      {ask(R"("parallel_tool_calls": 1)"), "parallel_tool_calls"},
      {R"({"messages": [{"role": "user", "content": "a"}], "tool_choice": "required"})",
       "tool_choice"},
      {R"({"messages": [{"role": "user", "content": "a"}], "tools": [{"function": {"name": ""}}]})",
       "tools[0].function.name"},
      {R"({"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function"}]})",
       "tools[0].function"},
      {one_tool(R"("name": "a b\nc")"), "tools[0].function.name"},
      {one_tool(R"("name": "a<b")"), "tools[0].function.name"},
      {one_tool(R"("name": ")" + std::string(257, 'a') + "\""), "tools[0].function.name"},
      {one_tool(R"("name": "a", "parameters": 5)"), "tools[0].function.parameters"},
      {one_tool(R"("name": "a", "strict": 5)"), "tools[0].function"},
      {ask(R"("tool_choice": "required", "guided_regex": "a+")"), "tool_choice"},
      {ask(R"("tool_choice": "required", "structured_outputs": {"choice": ["a"]})"), "tool_choice"},
      {R"({"messages": [{"role": "user", "content": "a"}], "tools": [], "tool_choice": "required"})",
       "tool_choice"},
  };
  for (const auto& [body, param] : cases) {
    const HttpAnswer answer = service.post("/v1/chat/completions", body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_EQ(parsed(answer.body).at("error").at("param"), json::value(param)) << answer.body;
  }
  RunningService formless({.answer = "x"});
  const HttpAnswer answer =
      formless.post("/v1/chat/completions", ask(R"("tool_choice": "required")"));
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(parsed(answer.body).at("error").at("param"), "tool_choice");
  EXPECT_EQ(formless.backend().n_submitted, 0);
}

}  // namespace
}  // namespace autoglm::serve
