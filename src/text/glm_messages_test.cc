// Tool messages of OpenAI's clients in the words of GLM-4's and ChatGLM3's templates.
#include "text/glm_messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "text/chat_template.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

json::object conversation() {
  return json::parse(R"({
    "messages": [
      {"role": "user", "content": "Weather?"},
      {"role": "assistant", "content": "I look.", "tool_calls": [
        {"id": "1", "type": "function",
         "function": {"name": "get_weather", "arguments": {"city": "Rome", "now": true}}}]},
      {"role": "tool", "tool_call_id": "1", "content": "18 degrees"}],
    "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}],
    "add_generation_prompt": true})",
                     "context")
      ->as_object();
}

// The part of GLM-4-0414's template that matters here.
constexpr std::string_view kGlm0414 =
    "[gMASK]<sop>{%- if tools -%}<|system|>{% for tool in tools %}## {{ tool.function.name }}"
    "{% endfor %}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.get('metadata', '') }}\n"
    "{{ m.content }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}";
constexpr std::string_view kGlm4 =
    "[gMASK]<sop>{% for item in messages %}{% if item['tools'] is defined %}<|system|>"
    "{% set tools = item['tools'] %}{% for tool in tools %}## {{ tool['function']['name'] }}"
    "{% endfor %}{% endif %}{% if item['content'] %}<|{{ item['role'] }}|>{{ item['metadata'] }}\n"
    "{{ item['content'] }}{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>"
    "{% endif %}";
constexpr std::string_view kChatGlm3 =
    "{% for message in messages %}{% if loop.first %}[gMASK]sop{% endif %}<|{{ message['role'] "
    "}}|>\n {{ message['content'] }}{% endfor %}{% if add_generation_prompt %}<|assistant|>"
    "{% endif %}";

std::string rendered(std::string_view source) {
  json::object context = conversation();
  write_tool_messages(tool_messages_of(source), context);
  return *ChatTemplate::parse(source, "template")->render(context);
}

TEST(GlmMessages, CallsBecomeMetadataAndResultsObservations) {
  const std::string talk =
      "<|user|>\nWeather?<|assistant|>\nI look.<|assistant|>get_weather\n"
      "{\"city\":\"Rome\",\"now\":true}<|observation|>\n18 degrees<|assistant|>";
  EXPECT_EQ(rendered(kGlm0414), "[gMASK]<sop><|system|>## get_weather" + talk);
  EXPECT_EQ(rendered(kGlm4), "[gMASK]<sop><|system|>## get_weather" + talk);
}

TEST(GlmMessages, ToolsJoinTheSystemMessageThatIsThere) {
  json::object context = conversation();
  json::array& messages = context["messages"].as_array();
  messages.insert(messages.begin(), json::object{{"role", "system"}, {"content", "Be brief."}});
  write_tool_messages(tool_messages_of(kGlm4), context);
  EXPECT_EQ(context.at("messages").at(0).at("content"), "Be brief.");
  EXPECT_TRUE(context.at("messages").at(0).at("tools").is_array());
}

TEST(GlmMessages, ChatGlm3SeesAllOfItAsText) {
  const std::string text = rendered(kChatGlm3);
  EXPECT_THAT(text, testing::StartsWith("[gMASK]sop<|system|>\n Answer the following"));
  EXPECT_THAT(text, HasSubstr("[{\"name\":\"get_weather\",\"parameters\":{}}]"));
  EXPECT_THAT(text, HasSubstr("<|assistant|>\n get_weather\n ```python\ntool_call(city=\"Rome\", "
                              "now=True)\n```<|observation|>\n 18 degrees"));
}

TEST(GlmMessages, TemplatesThatKnowToolCallsAreLeftAlone) {
  EXPECT_EQ(tool_messages_of("[gMASK]<sop>{% if m.tool_calls %}"), ToolMessages::kOpenAi);
  EXPECT_EQ(tool_messages_of("{{ messages }} <|observation|>"), ToolMessages::kOpenAi);
  json::object context = conversation();
  write_tool_messages(ToolMessages::kOpenAi, context);
  EXPECT_EQ(context, conversation());
}

}  // namespace
}  // namespace autoglm
