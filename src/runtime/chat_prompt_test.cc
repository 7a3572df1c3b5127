// Which of a model's chat templates a request is written with.
#include "runtime/chat_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing/fakes.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPlain = R"({"messages": [{"role": "user", "content": "hi"}]})";
constexpr const char* kEmpty = R"({"messages": [{"role": "user", "content": "hi"}], "tools": []})";
constexpr const char* kTools = R"({"messages": [{"role": "user", "content": "hi"}],
  "tools": [{"type": "function", "function": {"name": "f"}}]})";

std::string rendered(const NamedTemplates& templates, const char* context) {
  const auto prompt = ChatPrompt::make(templates, "templates", FakeTokenizer(26));
  if (!prompt) return prompt.error().message();
  const auto text = prompt->render(context);
  return text ? text->text : text.error().message();
}

TEST(ChatPrompt, UsesTheTemplateForToolsWithTools) {
  const NamedTemplates both{{"default", "D{{ messages[0].content }}"},
                            {"tool_use", "T{{ tools[0].function.name }}"},
                            {"rag", "R"}};
  EXPECT_EQ(rendered(both, kPlain), "Dhi");
  EXPECT_EQ(rendered(both, kEmpty), "Dhi");
  EXPECT_EQ(rendered(both, kTools), "Tf");
  const NamedTemplates one{{"default", "D{{ messages[0].content }}"}};
  EXPECT_EQ(rendered(one, kPlain), "Dhi");
  EXPECT_EQ(rendered(one, kTools), "Dhi");
}

TEST(ChatPrompt, SaysWhichTemplateIsMissing) {
  const NamedTemplates only{{"tool_use", "T"}};
  EXPECT_EQ(rendered(only, kTools), "T");
  EXPECT_THAT(rendered(only, kPlain), HasSubstr("only chat template is for requests with tools"));
  EXPECT_THAT(rendered({{"rag", "R"}, {"other", "O"}}, kPlain), HasSubstr("found other, rag"));
  EXPECT_THAT(rendered({{"default", "ok"}, {"tool_use", "{% if %}"}}, kPlain),
              HasSubstr("templates tool_use"));
}

TEST(ChatPrompt, WhatTheTemplateRefusesIsToldFromWhatTheRequestHasWrong) {
  const NamedTemplates refuses{{"default", "{{ raise_exception('no') }}"}};
  const auto prompt = ChatPrompt::make(refuses, "templates", FakeTokenizer(26));
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->render(kPlain).error().reason, ErrorReason::kTemplateRefused);
  const Error wrong = prompt->render(R"({"messages": 7})").error();
  EXPECT_EQ(wrong.reason, ErrorReason::kNone);
  EXPECT_EQ(wrong.where, "messages");
}

TEST(ChatPrompt, ReadsCallsAsTheTemplateForToolsHasThem) {
  const auto format = [](const NamedTemplates& templates) {
    return ChatPrompt::make(templates, "templates", FakeTokenizer(26))->answer_format();
  };
  const std::string hermes =
      "{% for t in tools %}<tool_call>{\"name\": \"arguments\"}</tool_call>"
      "{% endfor %}";
  const std::string thinks = "{{ messages[0].content.split('</think>') }}<think>";
  EXPECT_EQ(format({{"default", "plain"}, {"tool_use", hermes}}).calls,
            format({{"default", hermes}}).calls);
  EXPECT_NE(format({{"default", hermes}}).calls, tools::CallFormat::kNone);
  EXPECT_EQ(format({{"default", hermes}, {"tool_use", "plain"}}).calls,
            format({{"default", hermes}}).calls);
  EXPECT_EQ(format({{"default", thinks}, {"tool_use", hermes}}).reasoning,
            format({{"default", thinks}}).reasoning);
}

}  // namespace
}  // namespace autoglm
