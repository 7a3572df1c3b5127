#include "text/chat_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autoglm {
namespace {

using ::testing::HasSubstr;

json::object parsed(std::string_view text) { return json::parse(text, "test").value().as_object(); }

json::value field(std::string_view request, std::string_view pointer,
                  ChatContextOptions options = {}) {
  const Result<json::object> context = chat_context(parsed(request), options);
  if (!context) return json::value(context.error().message());
  return json::value(*context).at_pointer(pointer);
}

TEST(ChatContext, FillsWhatTemplatesExpect) {
  constexpr std::string_view request = R"({"messages":[]})";
  EXPECT_EQ(field(request, "/add_generation_prompt"), json::value(false));
  EXPECT_TRUE(field(request, "/tools").is_null());
  EXPECT_TRUE(field(request, "/documents").is_null());
  EXPECT_EQ(field(request, "/bos_token", {.special_tokens = {{"bos_token", "<s>"}}}),
            json::value("<s>"));
}

TEST(ChatContext, TakesVariablesFromChatTemplateKwargsBelowTheRequestsOwn) {
  constexpr std::string_view request =
      R"({"messages":[],"enable_thinking":true,"chat_template_kwargs":{"enable_thinking":false,"x":1}})";
  EXPECT_EQ(field(request, "/enable_thinking"), json::value(true));
  EXPECT_EQ(field(request, "/x"), json::value(1));
}

TEST(ChatContext, LetsTheCallerReplaceSpecialTokens) {
  EXPECT_EQ(field(R"({"messages":[],"bos_token":"<B>"})", "/bos_token",
                  {.special_tokens = {{"bos_token", "<s>"}}}),
            json::value("<B>"));
}

TEST(ChatContext, ParsesToolArgumentsGivenAsText) {
  constexpr std::string_view request =
      R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":[1]}"}},
          {"function":{"name":"g","arguments":""}},{"function":{"name":"h"}}]}]})";
  EXPECT_EQ(field(request, "/messages/0/tool_calls/0/function/arguments/a/0"), json::value(1));
  EXPECT_EQ(field(request, "/messages/0/tool_calls/1/function/arguments"),
            json::value(json::object()));
  EXPECT_EQ(field(request, "/messages/0/tool_calls/2/function/arguments"),
            json::value(json::object()));
}

TEST(ChatContext, NamesTheArgumentsThatAreNotJson) {
  const Result<json::object> context = chat_context(
      parsed(
          R"({"messages":[{"role":"assistant","tool_calls":[{"function":{"arguments":"{oops"}}]}]})"),
      {});
  ASSERT_FALSE(context.has_value());
  EXPECT_THAT(context.error().where, HasSubstr("messages[0].tool_calls[0].function.arguments"));
}

// A call that max_tokens has cut comes back in the history for as long as the conversation lasts.
TEST(ChatContext, ClosesArgumentsThatWereCutOff) {
  const std::string whole =
      R"({"city": "Rome \ud83d\ude00 \\ \u00e9", "days": [1, 2], "deep": {"\uD83D\uDE00": null}})";
  for (size_t n = 0; n <= whole.size(); ++n) {
    const json::object function{{"name", "f"}, {"arguments", whole.substr(0, n)}};
    const json::object call{{"id", "c"}, {"type", "function"}, {"function", function}};
    const json::object message{{"role", "assistant"}, {"content", ""}, {"tool_calls", {call}}};
    const auto context = chat_context({{"messages", json::array{message}}}, {});
    ASSERT_TRUE(context) << whole.substr(0, n) << context.error().message();
    EXPECT_TRUE(context->at("messages")
                    .at(0)
                    .at("tool_calls")
                    .at(0)
                    .at("function")
                    .at("arguments")
                    .is_object());
  }
}

// Python's reader takes them, so that its clients send such a call back.
TEST(ChatContext, TakesHalvesOfCharactersInArguments) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"a": "x\ud83d"})", "x\uFFFD"},
      {R"({"a": "\ud83d y"})", "\uFFFD y"},
      {R"({"a": "\ude00"})", "\uFFFD"},
      {R"({"a": "\ud83d\n"})", "\uFFFD\n"},
      {R"({"a": "\ud83d\ud83d\ude00"})", "\uFFFD\U0001F600"},
      {R"({"a": "\ude00\ud83d)", "\uFFFD"},
      {R"({"a": "\\ud83d\ude00)", R"(\ud83d)"
                                  "\uFFFD"},
      {R"({"a": "z\ud83d\ude0)", "z"}};
  for (const auto& [arguments, expected] : cases) {
    const json::object call{{"function", json::object{{"name", "f"}, {"arguments", arguments}}}};
    const json::object message{{"role", "assistant"}, {"content", ""}, {"tool_calls", {call}}};
    const auto context = chat_context({{"messages", json::array{message}}}, {});
    ASSERT_TRUE(context) << arguments << context.error().message();
    const json::value read =
        json::value(*context).at_pointer("/messages/0/tool_calls/0/function/arguments");
    EXPECT_EQ(read.at("a"), json::value(expected)) << arguments;
  }
}

TEST(ChatContext, JoinsTextPartsOnlyForTemplatesThatWantAString) {
  constexpr std::string_view request =
      R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})";
  EXPECT_EQ(field(request, "/messages/0/content"), json::value("a\nb"));
  EXPECT_TRUE(field(request, "/messages/0/content",
                    {.content_format = [](std::string_view) { return ContentFormat::kParts; }})
                  .is_array());
}

TEST(ChatContext, TextsByOtherNamesAreTexts) {
  constexpr std::string_view request = R"({"messages":[{"role":"assistant","content":[
      {"type":"input_text","text":"a"},{"type":"output_text","text":"b","annotations":[]},
      {"type":"refusal","refusal":"c"},{"type":"text","text":"d"}]}]})";
  EXPECT_EQ(field(request, "/messages/0/content"), json::value("a\nb\nc\nd"));
  const json::value parts =
      field(request, "/messages/0/content",
            {.content_format = [](std::string_view) { return ContentFormat::kParts; }});
  for (size_t part = 0; part < 4; ++part) {
    const json::object expected{{"type", "text"}, {"text", std::string(1, "abcd"[part])}};
    EXPECT_EQ(parts.as_array().at(part), json::value(expected));
  }
}

TEST(ChatContext, RefusesAnImageWhereATemplateTakesOnlyText) {
  const Result<json::object> context = chat_context(
      parsed(R"({"messages":[{"role":"user","content":[{"type":"image_url"}]}]})"), {});
  ASSERT_FALSE(context.has_value());
  EXPECT_EQ(context.error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(context.error().where, HasSubstr("messages[0].content[0]"));
}

TEST(ChatContext, GivesReasoningEveryNameThatTemplatesRead) {
  constexpr std::string_view request =
      R"({"messages":[{"role":"assistant","content":"x","reasoning":"r"}]})";
  EXPECT_EQ(field(request, "/messages/0/reasoning_content"), json::value("r"));
  EXPECT_EQ(field(request, "/messages/0/thinking"), json::value("r"));
}

TEST(ChatContext, RefusesWrongKinds) {
  for (const std::string_view request :
       {R"({})", R"({"messages":{}})", R"({"messages":[1]})",
        R"({"messages":[{"content":"no role"}]})", R"({"messages":[],"tools":{}})",
        R"({"messages":[],"tools":[1]})", R"({"messages":[],"chat_template_kwargs":[]})",
        R"({"messages":[{"role":"assistant","tool_calls":{}}]})"}) {
    EXPECT_FALSE(chat_context(parsed(request), {}).has_value()) << request;
  }
}

TEST(ChatContext, RefusesRequestsOverItsLimits) {
  const json::object request = parsed(R"({"messages":[{"role":"user","content":"0123456789"}]})");
  EXPECT_TRUE(chat_context(request, {}).has_value());
  EXPECT_FALSE(chat_context(request, {.limits = {.max_values = 4}}).has_value());
  EXPECT_FALSE(chat_context(request, {.limits = {.max_bytes = 10}}).has_value());
  EXPECT_FALSE(chat_context(request, {.limits = {.max_depth = 2}}).has_value());
}

}  // namespace
}  // namespace autoglm
