// Redaction over HTTP: in every shape of an answer, and of prompts before the model sees them.
#include "serve/redaction.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

#include "base/log.h"
#include "support/scratch_folder.h"
#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kSaid = "Call 13800138000 or li.wei@example.cn now";
constexpr const char* kRedacted = "Call <CN_MOBILE> or <EMAIL_ADDRESS> now";

ServiceOptions with(std::string redact, std::string policy = "", std::string state_dir = "") {
  ServiceOptions options;
  options.redact = std::move(redact);
  options.redact_policy = std::move(policy);
  options.state_dir = std::move(state_dir);
  return options;
}

FakeScript says(std::string answer) {
  FakeScript script;
  script.answer = std::move(answer);
  return script;
}

std::string content_of(const json::value& body) {
  return std::string(body.at("choices").at(0).at("message").at("content").as_string());
}

std::string streamed(RunningService& service, std::string_view path, std::string_view body) {
  const HttpAnswer answer = service.post(path, body);
  EXPECT_EQ(answer.status, 200) << answer.body;
  std::string text;
  for (const std::string& event : events_of(answer.body)) {
    if (event == "[DONE]") continue;
    const json::value chunk = parsed(event);
    if (chunk.at("choices").as_array().empty()) continue;
    const json::object& choice = chunk.at("choices").at(0).as_object();
    if (choice.contains("text")) text += choice.at("text").as_string();
    if (!choice.contains("delta")) continue;
    const json::object& delta = choice.at("delta").as_object();
    if (delta.contains("content")) text += delta.at("content").as_string();
  }
  return text;
}

TEST(ServiceRedaction, IsOffUnlessAsked) {
  RunningService service(says(kSaid));
  EXPECT_EQ(content_of(parsed(service.post("/v1/chat/completions", kHello).body)), kSaid);
}

TEST(ServiceRedaction, HoldsInEveryDialectWholeAndStreamed) {
  RunningService service(says(kSaid), with("answers"));
  const json::value whole = parsed(service.post("/v1/chat/completions", kHello).body);
  EXPECT_EQ(content_of(whole), kRedacted);
  const std::string chat = R"({"messages": [{"role": "user", "content": "Hi"}], "stream": true})";
  EXPECT_EQ(streamed(service, "/v1/chat/completions", chat), kRedacted);
  const json::value completion =
      parsed(service.post("/v1/completions", R"({"prompt": "Hi", "max_tokens": 99})").body);
  EXPECT_EQ(completion.at("choices").at(0).at("text"), kRedacted);
  EXPECT_EQ(
      streamed(service, "/v1/completions", R"({"prompt": "Hi", "max_tokens": 99, "stream": true})"),
      kRedacted);
  EXPECT_THAT(service.post("/infer", R"({"text": "Hi"})").body, HasSubstr(kRedacted));
  const char* messages = R"({"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 99})";
  const char* asked = R"({"model": "tiny-fake", "prompt": "Hi", "stream": false})";
  for (const HttpAnswer& answer :
       {service.post("/v1/messages", messages), service.post("/api/generate", asked),
        service.post("/v1/responses", R"({"input": "Hi"})")}) {
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr(kRedacted));
  }
  // What the model did is what is paid.
  EXPECT_EQ(whole.at("usage").at("completion_tokens").as_int64(),
            static_cast<int64_t>(std::string_view(kSaid).size()));
}

TEST(ServiceRedaction, EveryChoiceIsATextOfItsOwn) {
  RunningService service(says(kSaid), with("answers"));
  const json::value body = parsed(
      service.post("/v1/completions", R"({"prompt": ["a", "b"], "n": 2, "max_tokens": 99})").body);
  ASSERT_EQ(body.at("choices").as_array().size(), 4u);
  for (const json::value& choice : body.at("choices").as_array()) {
    EXPECT_EQ(choice.at("text"), kRedacted);
  }
}

TEST(ServiceRedaction, TheEchoOfAPromptIsRedactedToo) {
  RunningService service(says(" ok"), with("answers"));
  const json::value body = parsed(
      service.post("/v1/completions", R"({"prompt": "id 110101199003071233.", "echo": true})")
          .body);
  EXPECT_EQ(body.at("choices").at(0).at("text"), "id <CN_RESIDENT_ID>. ok");
}

TEST(ServiceRedaction, TokensOfWhatIsRedactedAreNotTold) {
  RunningService service(says("ab 13800138000 c"), with("answers"));
  const std::string request =
      R"({"messages": [{"role": "user", "content": "Hi"}], "logprobs": true, "top_logprobs": 1})";
  const HttpAnswer answer = service.post("/v1/chat/completions", request);
  const json::value body = parsed(answer.body);
  std::string told;
  for (const json::value& token :
       body.at("choices").at(0).at("logprobs").at("content").as_array()) {
    told += token.at("token").as_string();
  }
  EXPECT_EQ(told, "ab  c");
  for (const char* ids : {R"("return_token_ids": true)", R"("prompt_logprobs": 0)"}) {
    const HttpAnswer refused = service.post(
        "/v1/chat/completions",
        std::string(R"({"messages": [{"role": "user", "content": "Hi"}], )") + ids + "}");
    EXPECT_EQ(refused.status, 400) << ids;
    EXPECT_THAT(refused.body, HasSubstr("redacted")) << ids;
  }
}

TEST(ServiceRedaction, ArgumentsOfCallsAndThoughtsAreRedacted) {
  FakeScript script = says(
      "<think>ask 13800138000</think>\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"to\": "
      "\"1\\u0033800138000\", \"n\": 13800138000}}\n</tool_call>");
  script.format = {.calls = tools::CallFormat::kHermes, .reasoning = true};
  RunningService service(std::move(script), with("answers"));
  const std::string tools =
      R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])";
  const json::value body = parsed(
      service
          .post("/v1/chat/completions",
                R"({"messages": [{"role": "user", "content": "Hi"}], "tools": )" + tools + "}")
          .body);
  const json::value& message = body.at("choices").at(0).at("message");
  EXPECT_EQ(message.at("reasoning_content"), "ask <CN_MOBILE>");
  const std::string arguments(
      message.at("tool_calls").at(0).at("function").at("arguments").as_string());
  const json::value read = parsed(arguments);
  EXPECT_EQ(read.at("to"), "<CN_MOBILE>");
  EXPECT_EQ(read.at("n"), "<CN_MOBILE>");
}

TEST(ServiceRedaction, PromptsAreRedactedBeforeTheModelSeesThem) {
  RunningService service(says("ok"), with("both"));
  const HttpAnswer answer = service.post(
      "/v1/chat/completions",
      R"({"messages": [{"role": "user", "content": "I am 1\u0033800138000"}], "seed": 13800138000})");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_THAT(service.backend().last_context(), HasSubstr("I am <CN_MOBILE>"));
  // Ids cannot be changed.
  std::string ids;
  for (const char c : std::string_view("13800138000")) {
    ids += (ids.empty() ? "" : ",") + std::to_string(static_cast<int>(c));
  }
  EXPECT_EQ(service.post("/v1/completions", R"({"prompt": [)" + ids + "]}").status, 400);
  EXPECT_EQ(service.post("/v1/completions", R"({"prompt": [97, 98]})").status, 200);
}

TEST(ServiceRedaction, PseudonymsAreTurnedBackInAnswers) {
  const ScratchFolder folder;
  const std::string policy =
      folder.write("policy.yaml", "entities: {CN_MOBILE: pseudonym, EMAIL_ADDRESS: mask}\n");
  std::string alias;
  {
    RunningService service(says("ok"), with("both", policy, folder.path("state")));
    service.post("/v1/chat/completions",
                 R"({"messages": [{"role": "user", "content": "I am 13800138000"}]})");
    const std::string seen = service.backend().last_context();
    const size_t begin = seen.find("<CN_MOBILE_");
    ASSERT_NE(begin, std::string::npos) << seen;
    alias = seen.substr(begin, seen.find('>', begin) + 1 - begin);
    EXPECT_THAT(seen, Not(HasSubstr("13800138000")));
  }
  // The key is the state folder's: the same value has the same alias after a restart. A number that
  // the prompt did not have stays hidden.
  RunningService service(says("You are " + alias + ", not 13900139000 at a.b@example.cn"),
                         with("both", policy, folder.path("state")));
  const json::value body =
      parsed(service
                 .post("/v1/chat/completions",
                       R"({"messages": [{"role": "user", "content": "I am 138 0013 8000"}]})")
                 .body);
  EXPECT_THAT(content_of(body), HasSubstr("You are 138 0013 8000, not <CN_MOBILE_"));
  EXPECT_THAT(content_of(body), HasSubstr("at *.*@*******.**"));
}

TEST(ServiceRedaction, WhatIsKeptOfAnAnswerIsRedactedBeforeItIsAPromptAgain) {
  const ScratchFolder folder;
  const std::string policy = folder.write("policy.yaml", "default: pseudonym\n");
  RunningService service(says("ok"), with("both", policy, folder.path("state")));
  const json::value first =
      parsed(service.post("/v1/responses", R"({"input": "I am 13800138000"})").body);
  const HttpAnswer second =
      service.post("/v1/responses", R"({"input": "And now?", "previous_response_id": ")" +
                                        std::string(first.at("id").as_string()) + "\"}");
  EXPECT_EQ(second.status, 200) << second.body;
  EXPECT_THAT(service.backend().last_context(), HasSubstr("I am <CN_MOBILE_"));
  EXPECT_THAT(service.backend().last_context(), Not(HasSubstr("13800138000")));
}

TEST(ServiceRedaction, AWrongPolicyIsToldBeforeAnythingIsServed) {
  const ScratchFolder folder;
  const std::string policy = folder.write("policy.yaml", "entities:\n  CN_MOBIL: mask\n");
  const auto made = Redaction::of(with("answers", policy));
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message(), HasSubstr("policy.yaml:2:3"));
  EXPECT_FALSE(Redaction::of(with("answers", folder.path("none.yaml"))));
  EXPECT_FALSE(Redaction::of(with("sometimes")));
}

TEST(ServiceRedaction, TheLogIsRedacted) {
  std::ostringstream lines;
  const auto made =
      make_logger("info", "text", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines));
  ASSERT_TRUE(made);
  const auto redaction = Redaction::of(with("answers"));
  ASSERT_TRUE(redaction);
  (*made)->info("cannot read /data/13800138000.txt");
  set_log_filter(nullptr);
  EXPECT_THAT(lines.str(), HasSubstr("/data/<CN_MOBILE>.txt"));
}

}  // namespace
}  // namespace autoglm::serve
