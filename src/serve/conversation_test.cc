// What clients of other servers write in a conversation and beside it: how they say "none", "no
// limit" and "any", their names of fields, parts of thoughts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

std::string chat(const std::string& fields, const std::string& message = "") {
  return R"({"messages": [{"role": "user", "content": "Q"})" +
         (message.empty() ? "" : ", " + message + R"(, {"role": "user", "content": "Q2"})") + "]" +
         (fields.empty() ? "" : ", " + fields) + "}";
}

// What a request with these fields asks of the engine.
GenerationRequest request(const std::string& fields, const char* path = "/v1/chat/completions") {
  RunningService service;
  const bool is_chat = std::string_view(path) == "/v1/chat/completions";
  const std::string body =
      is_chat ? chat(fields) : R"({"prompt": "Q")" + (fields.empty() ? "" : ", " + fields) + "}";
  const HttpAnswer answer = service.post(path, body);
  EXPECT_EQ(answer.status, 200) << fields << answer.body;
  const auto requests = service.backend().requests();
  return requests.empty() ? GenerationRequest() : requests.back();
}

json::object context_of(const std::string& body) {
  RunningService service;
  const HttpAnswer answer = service.post("/v1/chat/completions", body);
  EXPECT_EQ(answer.status, 200) << body << answer.body;
  return parsed(service.backend().last_context()).as_object();
}

json::value second_message(const std::string& message) {
  return context_of(chat("", message)).at("messages").at(1);
}

TEST(Conversation, WhatMeansNoneIsAsWithout) {
  const json::value plain = second_message(R"({"role": "assistant", "content": "KEPT"})");
  for (const char* none :
       {R"("tool_calls": [])", R"("tool_calls": null)", R"("refusal": null, "audio": null)",
        R"("function_call": null, "annotations": [])", R"("reasoning_content": null)",
        R"("name": null)"}) {
    EXPECT_EQ(
        second_message(std::string(R"({"role": "assistant", "content": "KEPT", )") + none + "}"),
        plain)
        << none;
  }
}

TEST(Conversation, ThoughtsAmongThePartsAreReasoning) {
  for (const char* thoughts :
       {R"({"type": "thinking", "thinking": "hm", "signature": "x"})",
        R"({"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]})",
        R"({"type": "reasoning", "text": "hm"})"}) {
    const json::value message =
        second_message(std::string(R"({"role": "assistant", "content": [)") + thoughts +
                       R"(, {"type": "redacted_thinking", "data": "x"},
                            {"type": "text", "text": "A"}]})");
    EXPECT_EQ(message.at("reasoning_content"), "hm") << thoughts;
    EXPECT_EQ(message.at("content").as_array().size(), 1u) << thoughts;
  }
  const json::value alone = second_message(
      R"({"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]})");
  EXPECT_EQ(alone.at("content"), "");
}

TEST(Conversation, ABodyMayBeginWithAByteOrderMark) {
  EXPECT_EQ(context_of("\xEF\xBB\xBF" + chat("")).at("messages").as_array().size(), 1u);
}

TEST(Conversation, SentinelsOfOtherServersSayAsWithout) {
  const SamplingParams plain = request("").sampling;
  for (const char* fields :
       {R"("seed": -1)", R"("max_tokens": -1)", R"("max_completion_tokens": -1)",
        R"("n_predict": -1)", R"("n_predict": -2)", R"("thinking_token_budget": -1)",
        R"("reasoning_budget": -1)", R"("mirostat": 0, "typical_p": 1, "top_n_sigma": -1)",
        R"("xtc_probability": 0.0, "dry_multiplier": 0, "dynatemp_range": 0.0)",
        R"("num_beams": 1, "length_penalty": 1.0, "n_probs": 0, "min_keep": 0)",
        R"("do_sample": true)", R"("lora": [], "chat_template": "", "stop_regex": null)"}) {
    const SamplingParams sampling = request(fields).sampling;
    EXPECT_EQ(sampling.seed, plain.seed) << fields;
    EXPECT_EQ(sampling.max_tokens, plain.max_tokens) << fields;
    EXPECT_EQ(sampling.thinking_token_budget, plain.thinking_token_budget) << fields;
    EXPECT_EQ(sampling.temperature, plain.temperature) << fields;
  }
  EXPECT_EQ(request(R"("max_tokens": -1)", "/v1/completions").sampling.max_tokens, std::nullopt);
  EXPECT_EQ(request("", "/v1/completions").sampling.max_tokens, 16);
  for (const int64_t off : {-1, 0}) {
    EXPECT_LE(request("\"top_k\": " + std::to_string(off)).sampling.top_k, 0);
  }
  EXPECT_EQ(request(R"("seed": -2)").sampling.seed, static_cast<uint64_t>(-2));
}

TEST(Conversation, NamesOfOtherServersMeanTheSame) {
  EXPECT_EQ(request(R"("n_predict": 7)").sampling.max_tokens, 7);
  EXPECT_EQ(request(R"("n_predict": 7)", "/v1/completions").sampling.max_tokens, 7);
  EXPECT_EQ(request(R"("max_new_tokens": 7)").sampling.max_tokens, 7);
  EXPECT_EQ(request(R"("n_predict": 7, "max_tokens": 7)").sampling.max_tokens, 7);
  EXPECT_EQ(request(R"("n_predict": null, "max_tokens": 9)").sampling.max_tokens, 9);
  // As in vLLM.
  EXPECT_EQ(request(R"("max_tokens": 9, "max_completion_tokens": 7)").sampling.max_tokens, 7);
  EXPECT_EQ(request(R"("repeat_penalty": 1.5)").sampling.repetition_penalty, 1.5);
  EXPECT_EQ(request(R"("do_sample": false)").sampling.temperature, 0);
  EXPECT_EQ(request(R"("do_sample": false, "temperature": 0.7)").sampling.temperature, 0);
  EXPECT_EQ(request(R"("do_sample": true, "temperature": 0.7)").sampling.temperature, 0.7);
  EXPECT_EQ(request(R"("thinking_budget": 5)").sampling.thinking_token_budget, 5);
  EXPECT_EQ(request(R"("thinking": {"type": "enabled", "budget_tokens": 5})")
                .sampling.thinking_token_budget,
            5);
}

TEST(Conversation, ThinkingIsSwitchedByEveryName) {
  struct Case {
    const char* fields;
    bool enabled;
  };
  for (const Case& c :
       {Case{R"("thinking": {"type": "disabled"})", false},
        Case{R"("thinking": {"type": "enabled"})", true}, Case{R"("thinking": false)", false},
        Case{R"("thinking": true)", true}, Case{R"("enable_thinking": false)", false},
        Case{R"("reasoning": {"enabled": false})", false},
        Case{R"("reasoning_effort": "none")", false},
        Case{R"("reasoning": {"effort": "none"})", false}}) {
    EXPECT_EQ(context_of(chat(c.fields)).at("enable_thinking"), c.enabled) << c.fields;
  }
  EXPECT_EQ(context_of(chat(R"("reasoning": {"effort": "low"})")).at("reasoning_effort"), "low");
  EXPECT_EQ(context_of(chat(R"("documents": [{"text": "d"}])")).at("documents").as_array().size(),
            1u);
}

}  // namespace
}  // namespace autoglm::serve
