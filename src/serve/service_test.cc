// Every route over real sockets and a scripted model: shapes as OpenAI's and vLLM's clients read
// them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "base/json.h"
#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

json::value parsed(const std::string& text) {
  auto value = json::parse(text, "answer");
  EXPECT_TRUE(value) << text;
  return value ? *value : json::value(nullptr);
}

// The events of a stream, without "data: ".
std::vector<std::string> events_of(const std::string& body) {
  std::vector<std::string> events;
  size_t at = 0;
  while (at < body.size()) {
    const size_t end = body.find("\n\n", at);
    EXPECT_NE(end, std::string::npos) << body;
    EXPECT_EQ(body.substr(at, 6), "data: ");
    events.push_back(body.substr(at + 6, end - at - 6));
    at = end + 2;
  }
  return events;
}

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

constexpr const char* kHello = R"({"messages": [{"role": "user", "content": "Hi"}]})";

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

TEST(Service, NamesUnknownPathsAndMethods) {
  RunningService service;
  const HttpAnswer unknown = service.get("/v1/nothing");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(parsed(unknown.body).at("error").at("type"), "invalid_request_error");
  const HttpAnswer method = service.get("/v1/completions");
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.header("allow"), "POST, OPTIONS");
  EXPECT_EQ(service.post("/health", "").status, 405);
}

struct BadRequest {
  const char* path;
  const char* body;
  const char* param;
};

TEST(Service, NamesTheFieldThatIsWrong) {
  RunningService service;
  HttpClient client(service.port());
  const BadRequest cases[] = {
      {"/v1/chat/completions", "{}", "messages"},
      {"/v1/chat/completions", R"({"messages":[]})", "messages"},
      {"/v1/chat/completions", R"({"messages":[{"content":"a"}]})", "messages[0].role"},
      {"/v1/chat/completions", R"({"messages":[{"role":"user"}]})", "messages[0].content"},
      {"/v1/chat/completions", R"({"messages":[{"role":"user","content":7}]})",
       "messages[0].content"},
      {"/v1/chat/completions",
       R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})",
       "messages[0].content[0]"},
      {"/v1/chat/completions", R"({"messages":[{"role":"user","content":"a"}],"top_logprobs":2})",
       "top_logprobs"},
      {"/v1/chat/completions",
       R"({"messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_object"}})",
       "response_format"},
      {"/v1/chat/completions",
       R"({"messages":[{"role":"user","content":"a"}],"tool_choice":"required"})", "tool_choice"},
      {"/v1/completions", "{}", "prompt"},
      {"/v1/completions", R"({"prompt":5})", "prompt"},
      {"/v1/completions", R"({"prompt":[1,"a"]})", "prompt[1]"},
      {"/v1/completions", R"({"prompt":[1,258]})", "prompt[1]"},
      {"/v1/completions", R"({"prompt":"a","temperature":"hot"})", "temperature"},
      {"/v1/completions", R"({"prompt":"a","temperature":-1})", "temperature"},
      {"/v1/completions", R"({"prompt":"a","top_p":0})", "top_p"},
      {"/v1/completions", R"({"prompt":"a","top_p":1.5})", "top_p"},
      {"/v1/completions", R"({"prompt":"a","n":0})", "n"},
      {"/v1/completions", R"({"prompt":"a","max_tokens":0})", "max_tokens"},
      {"/v1/completions", R"({"prompt":"a","max_tokens":1.5})", "max_tokens"},
      {"/v1/completions", R"({"prompt":"a","min_tokens":20})", "min_tokens"},
      {"/v1/completions", R"({"prompt":"a","stop":[1]})", "stop"},
      {"/v1/completions", R"({"prompt":"a","stop":""})", "stop"},
      {"/v1/completions", R"({"prompt":"a","logit_bias":{"x":1}})", "logit_bias"},
      {"/v1/completions", R"({"prompt":"a","logit_bias":{"1":101}})", "1"},
      {"/v1/completions", R"({"prompt":"a","logprobs":21})", "logprobs"},
      {"/v1/completions", R"({"prompt":"a","logprobs":true})", "logprobs"},
      {"/v1/completions", R"({"prompt":"a","best_of":3})", "best_of"},
      {"/v1/completions", R"({"prompt":"a","suffix":"b"})", "suffix"},
      {"/v1/completions", R"({"prompt":"a","stream":"yes"})", "stream"},
      {"/v1/completions", R"({"prompt":"a","stream_options":{}})", "stream_options"},
      {"/v1/completions", R"({"prompt":"a","seed":"x"})", "seed"},
      {"/infer", "{}", "text"},
      {"/infer", R"({"text":"a","prompt":"b"})", "prompt"},
      {"/v1/embeddings", "{}", "input"},
      {"/v1/embeddings", R"({"input":"a","encoding_format":"x"})", "encoding_format"},
      {"/tokenize", "{}", "prompt"},
      {"/detokenize", R"({"tokens":[-1]})", "tokens[0]"},
  };
  for (const BadRequest& bad : cases) {
    const HttpAnswer answer = client.post(bad.path, bad.body);
    EXPECT_EQ(answer.status, 400) << bad.body;
    const json::value body = parsed(answer.body);
    EXPECT_EQ(body.at("error").at("param"), bad.param) << bad.body << answer.body;
    EXPECT_EQ(body.at("error").at("type"), "invalid_request_error");
    EXPECT_FALSE(body.at("error").at("message").as_string().empty());
  }
  EXPECT_EQ(service.backend().n_submitted, 0);
}

TEST(Service, RefusesBrokenBodies) {
  RunningService service;
  HttpClient client(service.port());
  const std::string deep = "{\"prompt\":" + std::string(1000, '[') + std::string(1000, ']') + "}";
  for (const std::string& body :
       {std::string(), std::string("{"), std::string("[]"), std::string("{\"prompt\":\"a\"} x"),
        std::string("{\"prompt\":\"\xff\"}"), std::string("{\"prompt\":\"\\ud800\"}"), deep}) {
    EXPECT_EQ(client.post("/v1/completions", body).status, 400) << body.substr(0, 40);
  }
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

TEST(Service, RefusesWhatDoesNotFitTheContext) {
  RunningService service;
  const std::string prompt(5000, 'x');
  const HttpAnswer answer = service.post("/v1/completions", "{\"prompt\":\"" + prompt + "\"}");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(parsed(answer.body).at("error").at("code"), "context_length_exceeded");
  const HttpAnswer sum = service.post("/v1/completions", R"({"prompt":"a","max_tokens":4095})");
  EXPECT_EQ(parsed(sum.body).at("error").at("code"), "context_length_exceeded");
}

TEST(Service, PassesTheEnginesRefusalsOn) {
  const std::pair<ErrorCode, int> cases[] = {{ErrorCode::kResourceExhausted, 429},
                                             {ErrorCode::kUnavailable, 503},
                                             {ErrorCode::kInvalidArgument, 400},
                                             {ErrorCode::kNotFound, 404}};
  for (const auto& [code, status] : cases) {
    RunningService service({.refuse = Error{code, "no", "", "", ""}});
    for (const char* body : {R"({"prompt":"a"})", R"({"prompt":"a","stream":true})"}) {
      const HttpAnswer answer = service.post("/v1/completions", body);
      EXPECT_EQ(answer.status, status);
      if (status == 429) {
        EXPECT_EQ(answer.header("retry-after"), "1");
      }
    }
  }
}

TEST(Service, NamesTheStopTokenByItsNumber) {
  RunningService service({.stop_token = TokenId{7}});
  for (const char* path : {"/v1/completions", "/infer"}) {
    const HttpAnswer answer = service.post(path, R"({"prompt":"a"})");
    EXPECT_THAT(answer.body, HasSubstr(R"("stop_reason":7)")) << path;
  }
  EXPECT_THAT(service.post("/v1/chat/completions", kHello).body, HasSubstr(R"("stop_reason":7)"));
}

TEST(Service, TellsTheTemplatesRefusalWithoutPathsOfThisMachine) {
  RunningService service({.template_error = Error{ErrorCode::kInvalidArgument, "unknown role",
                                                  "/models/x: chat template:6:20", "", ""}});
  const HttpAnswer answer = service.post("/v1/chat/completions", kHello);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(parsed(answer.body).at("error").at("param"), "messages");
  EXPECT_THAT(answer.body, HasSubstr("unknown role"));
  EXPECT_THAT(answer.body, Not(HasSubstr("/models/x")));
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

TEST(Service, ReportsAnErrorInTheMiddleOfAStream) {
  RunningService service(
      {.answer = "ab", .fail_at_end = Error{ErrorCode::kIo, "broken", "", "", ""}});
  const HttpAnswer answer = service.post("/v1/completions", R"({"prompt":"a","stream":true})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.whole);
  const std::vector<std::string> events = events_of(answer.body);
  ASSERT_GE(events.size(), 2u);
  EXPECT_EQ(events.back(), "[DONE]");
  EXPECT_EQ(parsed(events[events.size() - 2]).at("error").at("message"), "broken");
  EXPECT_EQ(service.post("/v1/completions", R"({"prompt":"a"})").status, 500);
}

TEST(Service, CancelsWhenTheClientLeaves) {
  RunningService service({.hold_after = 2});
  for (const bool stream : {false, true}) {
    const int before = service.backend().n_cancelled;
    HttpClient client(service.port());
    client.send(HttpClient::post_text("/v1/completions", stream
                                                             ? R"({"prompt":"a","stream":true})"
                                                             : R"({"prompt":"a","stream":false})"));
    ASSERT_TRUE(comes_true([&] { return service.backend().n_submitted == before + 1; }));
    client.close();
    EXPECT_TRUE(comes_true([&] { return service.backend().n_cancelled == before + 1; })) << stream;
  }
  EXPECT_THAT(service.get("/metrics").body, HasSubstr("code=\"499\""));
}

TEST(Service, DrainsAnswersAndRefusesNewOnes) {
  RunningService service({.answer = "abcd", .hold_after = 2});
  HttpClient running(service.port());
  HttpClient other(service.port());
  EXPECT_EQ(other.get("/ready").status, 200);
  running.send(HttpClient::post_text("/v1/completions", R"({"prompt":"a","stream":true})"));
  ASSERT_TRUE(running.receive_until("\"b\""));
  service.core().stop();
  ASSERT_TRUE(comes_true([&] { return service.core().context().draining(); }));
  other.send("GET /ready HTTP/1.1\r\nHost: a\r\n\r\n" +
             HttpClient::post_text("/v1/completions", R"({"prompt":"a"})"));
  EXPECT_EQ(other.read_answer().status, 503);
  service.backend().release();
  const HttpAnswer answer = running.read_answer();
  EXPECT_TRUE(answer.whole);
  EXPECT_THAT(answer.body, HasSubstr("[DONE]"));
  EXPECT_TRUE(service.stop());
  EXPECT_EQ(service.backend().n_cancelled, 0);
}

TEST(Service, CancelsWhatOutlastsTheDrain) {
  ServiceOptions options;
  options.drain_timeout_ms = 50;
  RunningService service({.hold_after = 1}, options);
  HttpClient client(service.port());
  client.send(HttpClient::post_text("/v1/completions", R"({"prompt":"a"})"));
  ASSERT_TRUE(comes_true([&] { return service.backend().n_submitted == 1; }));
  service.core().stop();
  EXPECT_EQ(client.read_answer().status, 503);
  EXPECT_TRUE(service.stop());
}

TEST(Service, ASecondSignalEndsItWhileAnswersRun) {
  RunningService service({.endless = true, .pause = std::chrono::microseconds(500)});
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<HttpClient>(service.port()));
    clients.back()->send(HttpClient::post_text(
        "/v1/completions", R"({"prompt":"a","stream":true,"max_tokens":4000})"));
    ASSERT_TRUE(clients.back()->receive_until("\"w\""));
  }
  ::raise(SIGTERM);
  ASSERT_TRUE(comes_true([&] { return service.core().context().draining(); }));
  ::raise(SIGTERM);
  EXPECT_TRUE(service.stop());
  for (const auto& client : clients) EXPECT_FALSE(client->read_answer().whole);
  // The model may still send events while the service is taken down.
}

TEST(Service, ForgetsClientsThatLeaveAtAnyMoment) {
  RunningService service({.endless = true, .pause = std::chrono::milliseconds(2)});
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&, i] {
      std::minstd_rand random(static_cast<uint32_t>(i + 1));
      for (int k = 0; k < 15; ++k) {
        HttpClient client(service.port());
        std::string request = HttpClient::post_text(
            "/v1/completions", k % 2 == 0
                                   ? R"({"prompt":["a","b"],"stream":true,"max_tokens":4000})"
                                   : R"({"prompt":["a","b"],"max_tokens":4000})");
        if (k % 5 == 4) request.resize(request.size() / 2);
        client.send(request);
        if (k % 3 == 1) client.close_sending();
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 4000));
        if (k % 4 == 0 && k % 5 != 4) client.receive();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(
      comes_true([&] { return service.backend().n_ended == service.backend().n_submitted; }));
  EXPECT_EQ(service.get("/health").status, 200);
  EXPECT_TRUE(service.stop());
  EXPECT_EQ(service.backend().n_cancelled, service.backend().n_submitted);
}

TEST(Service, AnswersManyClientsAtOnce) {
  RunningService service({.answer = "0123456789", .pause = std::chrono::microseconds(100)});
  std::vector<std::thread> clients;
  std::atomic<int> n_right{0};
  for (int i = 0; i < 16; ++i) {
    clients.emplace_back([&, i] {
      HttpClient client(service.port());
      for (int k = 0; k < 5; ++k) {
        const bool stream = (i + k) % 2 == 0;
        const HttpAnswer answer =
            client.post("/infer", stream ? R"({"prompt":"a","stream":true})" : R"({"prompt":"a"})");
        n_right += answer.whole && answer.status == 200 &&
                   (stream || answer.body.find("0123456789") != std::string::npos);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(n_right, 80);
}

TEST(Service, AllowsOtherOriginsOnlyWhenTold) {
  RunningService closed;
  EXPECT_EQ(closed.get("/health").header("access-control-allow-origin"), "");
  ServiceOptions options;
  options.cors_allow_origin = "https://example.org";
  RunningService open({}, options);
  HttpClient client(open.port());
  client.send("OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n");
  const HttpAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.header("access-control-allow-origin"), "https://example.org");
}

}  // namespace
}  // namespace autoglm::serve
