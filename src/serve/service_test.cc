// Every route over real sockets and a scripted model: shapes as OpenAI's and vLLM's clients read
// them. Refusals are in service_refusals_test.cc, leaving and draining in service_lifetime_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Service, AnswersAChat) {
  RunningService service;
  const HttpAnswer answer = service.post("/v1/chat/completions", kHello);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.header("content-type"), "application/json");
  const json::value body = parsed(answer.body);
  EXPECT_EQ(body.at("object"), "chat.completion");
  EXPECT_EQ(body.at("model"), "tiny-fake");
  EXPECT_TRUE(std::string_view(body.at("id").as_string()).starts_with("chatcmpl-"));
  const json::value& choice = body.at("choices").at(0);
  EXPECT_EQ(choice.at("index"), 0);
  EXPECT_EQ(choice.at("message").at("role"), "assistant");
  EXPECT_EQ(choice.at("message").at("content"), "Hello, world");
  EXPECT_EQ(choice.at("finish_reason"), "stop");
  EXPECT_TRUE(choice.at("logprobs").is_null());
  EXPECT_EQ(body.at("usage").at("completion_tokens"), 12);
  const int64_t n_prompt = std::ssize(std::string("<user>Hi<end><assistant>"));
  EXPECT_EQ(body.at("usage").at("prompt_tokens"), n_prompt);
  EXPECT_EQ(body.at("usage").at("total_tokens"), n_prompt + 12);
  // Nothing but the template's own text: no second beginning-of-text token.
  EXPECT_EQ(std::ssize(service.backend().requests()[0].prompt), n_prompt);
}

TEST(Service, StreamsAChatAsOpenAiDoes) {
  RunningService service({.answer = "abc"});
  const HttpAnswer answer =
      service.post("/v1/chat/completions",
                   R"({"messages":[{"role":"user","content":"Hi"}],"stream":true,
          "stream_options":{"include_usage":true}})");
  ASSERT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.header("content-type"), HasSubstr("text/event-stream"));
  const std::vector<std::string> events = events_of(answer.body);
  ASSERT_EQ(events.size(), 7u) << answer.body;
  const json::value first = parsed(events[0]);
  EXPECT_EQ(first.at("object"), "chat.completion.chunk");
  EXPECT_EQ(first.at("choices").at(0).at("delta").at("role"), "assistant");
  EXPECT_EQ(first.at("choices").at(0).at("delta").at("content"), "");
  EXPECT_TRUE(first.at("usage").is_null());
  std::string text;
  for (int i = 1; i <= 3; ++i) {
    const json::value chunk = parsed(events[i]);
    EXPECT_EQ(chunk.at("id"), first.at("id"));
    text += std::string(chunk.at("choices").at(0).at("delta").at("content").as_string());
    EXPECT_TRUE(chunk.at("choices").at(0).at("finish_reason").is_null());
  }
  EXPECT_EQ(text, "abc");
  const json::value last = parsed(events[4]);
  EXPECT_EQ(last.at("choices").at(0).at("finish_reason"), "stop");
  EXPECT_TRUE(last.at("choices").at(0).at("delta").as_object().empty());
  const json::value usage = parsed(events[5]);
  EXPECT_TRUE(usage.at("choices").as_array().empty());
  EXPECT_EQ(usage.at("usage").at("completion_tokens"), 3);
  EXPECT_EQ(events[6], "[DONE]");
}

TEST(Service, GivesChatLogprobsWithBytes) {
  RunningService service({.answer = "a\xc3"});
  const json::value body =
      parsed(service
                 .post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"Hi"}],
                "logprobs":true,"top_logprobs":2,"return_token_ids":true})")
                 .body);
  const json::value& content = body.at("choices").at(0).at("logprobs").at("content");
  ASSERT_EQ(content.as_array().size(), 2u);
  EXPECT_EQ(content.at(0).at("token"), "a");
  EXPECT_EQ(content.at(0).at("logprob"), -0.5);
  EXPECT_EQ(content.at(0).at("top_logprobs").as_array().size(), 2u);
  EXPECT_EQ(content.at(1).at("token"), "\xef\xbf\xbd");
  EXPECT_EQ(content.at(1).at("bytes"), json::value(json::array{0xc3}));
  EXPECT_EQ(body.at("choices").at(0).at("token_ids"), json::value(json::array({97, 0xc3})));
  EXPECT_EQ(body.at("prompt_token_ids").as_array().size(), 24u);
}

TEST(Service, CompletesSeveralPromptsSeveralTimes) {
  RunningService service({.answer = "xy"});
  const json::value body =
      parsed(service.post("/v1/completions", R"({"prompt":["a","bc"],"n":2,"max_tokens":5})").body);
  EXPECT_EQ(body.at("object"), "text_completion");
  ASSERT_EQ(body.at("choices").as_array().size(), 4u);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(body.at("choices").at(i).at("index"), i);
    EXPECT_EQ(body.at("choices").at(i).at("text"), "xy");
  }
  EXPECT_EQ(body.at("usage").at("prompt_tokens"), 2 + 3);
  EXPECT_EQ(body.at("usage").at("completion_tokens"), 8);
}

TEST(Service, CompletesTokenIdsAndLists) {
  RunningService service;
  EXPECT_EQ(service.post("/v1/completions", R"({"prompt":[1,2,3]})").status, 200);
  EXPECT_EQ(service.post("/v1/completions", R"({"prompt":[[1,2,3],[4]]})").status, 200);
  EXPECT_EQ(service.post("/v1/completions", R"({"prompt":""})").status, 200);  // the first token
  const auto requests = service.backend().requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_THAT(requests[0].prompt, ElementsAre(TokenId{1}, TokenId{2}, TokenId{3}));
  EXPECT_THAT(requests[2].prompt, ElementsAre(TokenId{4}));
  EXPECT_THAT(requests[3].prompt, ElementsAre(TokenId{256}));
  EXPECT_EQ(requests[0].sampling.max_tokens, 16);  // OpenAI's default
}

TEST(Service, HandsUrgencyTenantAndDeadlineToTheEngine) {
  RunningService service;
  for (const char* fields : {R"("priority":-4,"timeout_ms":900,"user":"ada","cache_salt":"s")",
                             R"("service_tier":"flex")", R"("service_tier":"auto")"}) {
    const std::string body = std::string(R"({"prompt":"a",)") + fields + "}";
    EXPECT_EQ(service.post("/v1/completions", body).status, 200);
  }
  HttpClient client(service.port());
  client.send(HttpClient::post_text("/v1/completions", R"({"prompt":["a","b"],"user":"ada"})",
                                    "X-Tenant: a company\r\n"));
  EXPECT_EQ(client.read_answer().status, 200);
  const auto requests = service.backend().requests();
  ASSERT_EQ(requests.size(), 5u);
  EXPECT_EQ(requests[0].scheduling.priority, -4);
  EXPECT_EQ(requests[0].scheduling.timeout_ms, 900);
  EXPECT_EQ(requests[0].scheduling.tenant, "ada");
  EXPECT_EQ(requests[0].scheduling.cache_salt, "s");
  EXPECT_EQ(requests[1].scheduling.priority, 2);
  EXPECT_EQ(requests[2].scheduling.priority, 0);
  EXPECT_FALSE(requests[2].scheduling.timeout_ms);
  EXPECT_EQ(requests[3].scheduling.tenant, "a company");
  EXPECT_EQ(requests[4].scheduling.tenant, "a company");
}

TEST(Service, HandsAPredictedOutputToTheEngine) {
  RunningService service;
  const std::string chat = R"({"messages":[{"role":"user","content":"Hi"}],"prediction":)";
  EXPECT_EQ(service
                .post("/v1/chat/completions",
                      chat + R"({"type":"content","content":"ab"},"num_speculative_tokens":3})")
                .status,
            200);
  EXPECT_EQ(service
                .post("/v1/chat/completions",
                      chat + R"({"type":"content","content":[{"type":"text","text":"c"}]}})")
                .status,
            200);
  EXPECT_EQ(service.post("/v1/chat/completions", chat + "null}").status, 200);
  const auto requests = service.backend().requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_THAT(*requests[0].prediction, ElementsAre(TokenId{97}, TokenId{98}));
  EXPECT_EQ(requests[0].sampling.num_speculative_tokens, 3);
  EXPECT_THAT(*requests[1].prediction, ElementsAre(TokenId{99}));
  EXPECT_FALSE(requests[1].sampling.num_speculative_tokens);
  EXPECT_TRUE(requests[2].prediction->empty());
}

TEST(Service, ScoresAnEchoedPrompt) {
  RunningService service;
  const char* request = R"({"prompt":"ab","max_tokens":0,"echo":true,"logprobs":1,
                            "add_special_tokens":false})";
  const json::value body = parsed(service.post("/v1/completions", request).body);
  const json::value& choice = body.at("choices").at(0);
  EXPECT_EQ(choice.at("text"), "ab");
  EXPECT_EQ(choice.at("finish_reason"), "length");
  const json::value& logprobs = choice.at("logprobs");
  EXPECT_EQ(logprobs.at("tokens"), json::value(json::array({"a", "b"})));
  EXPECT_EQ(logprobs.at("token_logprobs"), json::value(json::array({nullptr, -0.5})));
  EXPECT_EQ(logprobs.at("text_offset"), json::value(json::array({0, 1})));
  EXPECT_TRUE(logprobs.at("top_logprobs").at(0).is_null());
  EXPECT_EQ(logprobs.at("top_logprobs").at(1).at("b"), -0.5);
  EXPECT_EQ(body.at("usage").at("completion_tokens"), 0);
}

TEST(Service, StreamsCompletionsLikeWholeOnes) {
  RunningService service({.answer = "xyz"});
  const std::string fields = R"("prompt":["a","b"],"n":2,"echo":true,"logprobs":0,"max_tokens":3)";
  const json::value whole = parsed(service.post("/v1/completions", "{" + fields + "}").body);
  const HttpAnswer streamed = service.post("/v1/completions", "{\"stream\":true," + fields + "}");
  std::vector<std::string> texts(4);
  std::vector<json::array> tokens(4);
  std::vector<json::array> offsets(4);
  for (const std::string& event : events_of(streamed.body)) {
    if (event == "[DONE]") continue;
    const json::value chunk = parsed(event);
    const json::value& choice = chunk.at("choices").at(0);
    const int64_t index = choice.at("index").as_int64();
    texts[index] += std::string(choice.at("text").as_string());
    if (choice.at("logprobs").is_null()) continue;
    for (const auto& t : choice.at("logprobs").at("tokens").as_array()) tokens[index].push_back(t);
    for (const auto& t : choice.at("logprobs").at("text_offset").as_array()) {
      offsets[index].push_back(t);
    }
  }
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(json::value(texts[i]), whole.at("choices").at(i).at("text"));
    EXPECT_EQ(json::value(tokens[i]), whole.at("choices").at(i).at("logprobs").at("tokens"));
    EXPECT_EQ(json::value(offsets[i]), whole.at("choices").at(i).at("logprobs").at("text_offset"));
  }
}

TEST(Service, InfersFromTextAndFromPrompt) {
  RunningService service({.answer = "yes"});
  const json::value body = parsed(service.post("/infer", R"({"text":"Hi","seed":7})").body);
  EXPECT_EQ(body.at("text"), "yes");
  EXPECT_EQ(body.at("finish_reason"), "stop");
  EXPECT_EQ(body.at("usage").at("completion_tokens"), 3);
  EXPECT_EQ(service.post("/infer", R"({"prompt":"Hi"})").status, 200);
  const auto requests = service.backend().requests();
  EXPECT_EQ(requests[0].prompt.size(), 24u);  // through the chat template
  EXPECT_EQ(requests[0].sampling.seed, 7u);
  EXPECT_EQ(requests[1].prompt.size(), 3u);  // as it is
  const HttpAnswer streamed = service.post("/infer", R"({"prompt":"Hi","stream":true})");
  const std::vector<std::string> events = events_of(streamed.body);
  ASSERT_EQ(events.size(), 5u) << streamed.body;
  EXPECT_EQ(parsed(events[0]).at("text"), "y");
  EXPECT_EQ(parsed(events[3]).at("finish_reason"), "stop");
  EXPECT_EQ(events[4], "[DONE]");
}

TEST(Service, EmbedsTextsAndIds) {
  RunningService service;
  const json::value body = parsed(service.post("/v1/embeddings", R"({"input":["a","bc"]})").body);
  EXPECT_EQ(body.at("data").at(1).at("index"), 1);
  EXPECT_EQ(body.at("data").at(1).at("embedding"), json::value(json::array({0.5, -0.25, 3})));
  EXPECT_EQ(body.at("usage").at("total_tokens"), 5);
  const json::value base64 =
      parsed(service.post("/v1/embeddings", R"({"input":[7],"encoding_format":"base64"})").body);
  // 0.5, -0.25 and 1 as little-endian floats.
  EXPECT_EQ(base64.at("data").at(0).at("embedding"), "AAAAPwAAgL4AAIA/");
  const HttpAnswer shortened = service.post("/v1/embeddings", R"({"input":"a","dimensions":2})");
  EXPECT_EQ(shortened.status, 400);
  EXPECT_EQ(parsed(shortened.body).at("error").at("param"), "dimensions");
}

TEST(Service, TokenizesInBothForms) {
  RunningService service;
  const json::value vllm =
      parsed(service.post("/tokenize", R"({"prompt":"ab","return_token_strs":true})").body);
  EXPECT_EQ(vllm.at("count"), 3);
  EXPECT_EQ(vllm.at("max_model_len"), 4096);
  EXPECT_EQ(vllm.at("tokens"), json::value(json::array({256, 97, 98})));
  EXPECT_EQ(vllm.at("token_strs"), json::value(json::array({"<s>", "a", "b"})));
  const json::value llama =
      parsed(service.post("/tokenize", R"({"content":"a\u00e9","with_pieces":true})").body);
  EXPECT_EQ(llama.at("tokens").at(0).at("piece"), "a");
  EXPECT_EQ(llama.at("tokens").at(1).at("piece"), json::value(json::array{0xc3}));
  const json::value chat =
      parsed(service.post("/tokenize", R"({"messages":[{"role":"user","content":"Hi"}]})").body);
  EXPECT_EQ(chat.at("count"), 24);
  const json::value text = parsed(service.post("/detokenize", R"({"tokens":[97,98]})").body);
  EXPECT_EQ(text.at("prompt"), "ab");
  EXPECT_EQ(text.at("content"), "ab");
}

TEST(Service, AppliesTheTemplate) {
  RunningService service;
  const json::value body = parsed(service.post("/apply-template", kHello).body);
  EXPECT_EQ(body.at("prompt"), "<user>Hi<end><assistant>");
  const json::value open =
      parsed(service
                 .post("/apply-template", R"({"messages":[{"role":"assistant","content":"Once "}],
          "continue_final_message":true})")
                 .body);
  EXPECT_EQ(open.at("prompt"), "<assistant>Once ");
}

TEST(Service, HandsTheConversationOnForTheTemplateToDecide) {
  RunningService service;
  ASSERT_EQ(service
                .post("/apply-template", R"({
      "messages":[{"role":"developer","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function",
          "function":{"name":"f","arguments":"{\"x\": 1}"}}]},
        {"role":"tool","content":"r","tool_call_id":"1"}],
      "tools":[{"type":"function","function":{"name":"f","parameters":{}}}],
      "enable_thinking":false,"chat_template_kwargs":{"lang":"zh"}})")
                .status,
            200);
  const json::value context = parsed(service.backend().last_context());
  EXPECT_EQ(context.at("messages").at(0).at("role"), "system");
  EXPECT_EQ(context.at("messages").at(0).at("content").at(1).at("text"), "b");
  const json::value& call = context.at("messages").at(1).at("tool_calls").at(0);
  EXPECT_EQ(call.at("function").at("arguments"), "{\"x\": 1}");
  EXPECT_EQ(context.at("messages").at(2).at("tool_call_id"), "1");
  EXPECT_EQ(context.at("tools").at(0).at("function").at("name"), "f");
  EXPECT_EQ(context.at("enable_thinking"), false);
  EXPECT_EQ(context.at("lang"), "zh");
}

TEST(Service, ListsItsModels) {
  ServiceOptions options;
  options.served_model_names = {"glm", "org/glm"};
  RunningService service({}, options);
  const json::value list = parsed(service.get("/v1/models").body);
  EXPECT_EQ(list.at("object"), "list");
  EXPECT_EQ(list.at("data").at(1).at("id"), "org/glm");
  EXPECT_EQ(list.at("data").at(0).at("max_model_len"), 4096);
  EXPECT_EQ(parsed(service.get("/v1/models/org/glm").body).at("object"), "model");
  const HttpAnswer missing = service.get("/v1/models/other");
  EXPECT_EQ(missing.status, 404);
  EXPECT_EQ(parsed(missing.body).at("error").at("code"), "model_not_found");
  const HttpAnswer wrong = service.post("/v1/completions", R"({"model":"gpt-4","prompt":"a"})");
  EXPECT_EQ(wrong.status, 404);
  EXPECT_EQ(parsed(wrong.body).at("error").at("param"), "model");
  EXPECT_EQ(service.post("/v1/completions", R"({"model":"org/glm","prompt":"a"})").status, 200);
}

TEST(Service, TellsHowItIs) {
  RunningService service;
  EXPECT_EQ(service.get("/health").status, 200);
  EXPECT_EQ(service.get("/ready").status, 200);
  EXPECT_EQ(parsed(service.get("/version").body).at("version").kind(), boost::json::kind::string);
  const HttpAnswer metrics = service.get("/metrics");
  EXPECT_THAT(metrics.header("content-type"), HasSubstr("version=0.0.4"));
  EXPECT_THAT(metrics.body, HasSubstr("vllm:num_requests_running"));
  EXPECT_THAT(metrics.body, HasSubstr("handler=\"/health\""));
  const HttpAnswer page = service.get("/");
  EXPECT_THAT(page.header("content-type"), HasSubstr("text/html"));
  EXPECT_THAT(page.header("content-security-policy"), HasSubstr("default-src 'none'"));
  EXPECT_EQ(page.body.find("{{"), std::string::npos);
}

TEST(Service, IgnoresFieldsItDoesNotKnow) {
  RunningService service;
  EXPECT_EQ(service
                .post("/v1/completions",
                      R"({"prompt":"a","store":true,"metadata":{},"whatever":[1],
                             "suffix":null,"best_of":1,"logit_bias":{},"response_format":null})")
                .status,
            200);
}

TEST(Service, UsesTheModelsDefaultsForMissingFields) {
  auto backend = std::make_unique<FakeBackend>();
  backend->mutable_info().default_sampling.temperature = 0.6;
  backend->mutable_info().default_sampling.top_p = 0.9;
  FakeBackend* fake = backend.get();
  ServiceOptions options;
  options.port = 0;
  ServiceCore core(std::move(backend), options);
  ASSERT_TRUE(core.listen());
  std::thread thread([&] { EXPECT_TRUE(core.run()); });
  EXPECT_EQ(HttpClient(core.port()).post("/v1/completions", R"({"prompt":"a","top_p":0.5})").status,
            200);
  core.stop();
  thread.join();
  EXPECT_EQ(fake->requests()[0].sampling.temperature, 0.6);
  EXPECT_EQ(fake->requests()[0].sampling.top_p, 0.5);
}

TEST(Service, NamesTheStopTokenByItsNumber) {
  RunningService service({.stop_token = TokenId{7}});
  for (const char* path : {"/v1/completions", "/infer"}) {
    const HttpAnswer answer = service.post(path, R"({"prompt":"a"})");
    EXPECT_THAT(answer.body, HasSubstr(R"("stop_reason":7)")) << path;
  }
  EXPECT_THAT(service.post("/v1/chat/completions", kHello).body, HasSubstr(R"("stop_reason":7)"));
}

TEST(Service, OnlyConversationsBeginATextOfTheirOwn) {
  RunningService service;
  service.post("/v1/chat/completions", kHello);
  service.post("/v1/completions", R"({"prompt":"a"})");
  service.post("/infer", R"({"text":"a"})");
  service.post("/infer", R"({"prompt":"a"})");
  service.post("/v1/chat/completions", R"({"messages":[{"role":"assistant","content":"Once"}],
      "continue_final_message":true})");
  const std::vector<GenerationRequest> requests = service.backend().requests();
  std::vector<bool> begin;
  for (const GenerationRequest& request : requests) begin.push_back(request.begins_text);
  EXPECT_EQ(begin, (std::vector<bool>{true, false, true, false, false}));
}

TEST(Service, EmbeddingsHaveATenantAndAnUrgencyToo) {
  RunningService service;
  EXPECT_EQ(
      service.post("/v1/embeddings", R"({"input":"a","user":"ada","priority":2,"cache_salt":"s"})")
          .status,
      200);
  EXPECT_EQ(service.backend().embedding_scheduling().tenant, "ada");
  EXPECT_EQ(service.backend().embedding_scheduling().priority, 2);
  EXPECT_EQ(service.backend().embedding_scheduling().cache_salt, "s");
  HttpClient client(service.port());
  client.send(HttpClient::post_text("/v1/embeddings", R"({"input":"a","user":"ada"})",
                                    "X-Tenant: a company\r\n"));
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_EQ(service.backend().embedding_scheduling().tenant, "a company");
}

}  // namespace
}  // namespace autoglm::serve
