// Dialects other than OpenAI's over HTTP: what a request becomes, and how answers and errors are
// written, from what a scripted model says. The clients themselves: tests/clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

json::value sent_context(RunningService& service) {
  return parsed(service.backend().last_context());
}

// "event: NAME\ndata: {...}\n\n", each parsed; the name is the data's type.
std::vector<json::value> named_events(const std::string& body) {
  std::vector<json::value> events;
  size_t at = 0;
  while (at < body.size()) {
    const size_t end = body.find("\n\n", at);
    const std::string text = body.substr(at, end - at);
    const size_t line = text.find('\n');
    EXPECT_TRUE(text.starts_with("event: ")) << text;
    events.push_back(parsed(text.substr(line + 7)));
    EXPECT_EQ(std::string(events.back().at("type").as_string()), text.substr(7, line - 7));
    at = end + 2;
  }
  return events;
}

std::vector<json::value> lines_of(const std::string& body) {
  std::vector<json::value> lines;
  size_t at = 0;
  while (at < body.size()) {
    const size_t end = body.find('\n', at);
    lines.push_back(parsed(body.substr(at, end - at)));
    at = end + 1;
  }
  return lines;
}

FakeScript calls() {
  return {.answer =
              "<think>\nhm\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": "
              "{\"a\": 1}}\n</tool_call>\n<tool_call>\n{\"name\": \"f\", \"arguments\": "
              "{}}\n</tool_call>",
          .format = {.calls = tools::CallFormat::kHermes, .reasoning = true}};
}

constexpr const char* kMessagesTools =
    R"("tools": [{"name": "f", "input_schema": {"type": "object"}}])";

std::string messages_body(const std::string& fields) {
  return R"({"max_tokens": 500, "messages": [{"role": "user", "content": "Hi"}])" +
         (fields.empty() ? "" : ", " + fields) + "}";
}

TEST(AnthropicDialect, BlocksBecomeMessages) {
  RunningService service;
  const HttpAnswer answer = service.post("/v1/messages", R"({"max_tokens": 9,
    "system": [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}},
               {"type": "text", "text": "B"}],
    "messages": [
      {"role": "user", "content": [{"type": "text", "text": "one"},
        {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}]},
      {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "two"}, {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}}]},
      {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "is_error": true,
        "content": [{"type": "text", "text": "no"}]}, {"type": "text", "text": "three"}]}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(sent_context(service).at("messages"), parsed(R"([
    {"role": "system", "content": "A\nB"},
    {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "T\n\nD"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "two"}], "reasoning_content": "hm",
     "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
    {"role": "tool", "tool_call_id": "t1", "content": "Error: no"},
    {"role": "user", "content": "three"}])"));
}

TEST(AnthropicDialect, ATurnWithoutBlocksIsAnEmptyMessage) {
  RunningService service;
  for (const char* role : {"user", "assistant"}) {
    const std::string turn = std::string(R"({"role": ")") + role + R"(", "content": []})";
    const HttpAnswer answer =
        service.post("/v1/messages", R"({"max_tokens": 9, "messages": [)" + turn + "]}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(sent_context(service).at("messages").at(0).at("content"), "");
  }
}

TEST(AnthropicDialect, AWholeMessageHasBlocks) {
  RunningService service(calls());
  const HttpAnswer answer = service.post("/v1/messages", messages_body(kMessagesTools));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.header("request-id"), answer.header("x-request-id"));
  const json::value message = parsed(answer.body);
  EXPECT_EQ(message.at("stop_reason"), "tool_use");
  const json::array& content = message.at("content").as_array();
  ASSERT_EQ(content.size(), 4U);
  EXPECT_EQ(content[0].at("thinking"), "hm");
  EXPECT_EQ(content[0].at("signature"), message.at("id"));
  EXPECT_EQ(content[1].at("text"), "I look.");
  EXPECT_EQ(content[2].at("name"), "f");
  EXPECT_EQ(content[2].at("input"), parsed(R"({"a": 1})"));
  EXPECT_EQ(content[3].at("input"), json::value(json::object()));
  EXPECT_NE(content[2].at("id"), content[3].at("id"));
}

TEST(AnthropicDialect, AStreamOpensAndClosesEachBlock) {
  RunningService service(calls());
  const HttpAnswer answer = service.post(
      "/v1/messages", messages_body(std::string(kMessagesTools) + R"(, "stream": true)"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  std::string kinds, arguments;
  int64_t open = -1;
  for (const json::value& event : named_events(answer.body)) {
    const std::string type(event.at("type").as_string());
    if (type == "content_block_start") {
      EXPECT_EQ(open, -1);
      open = event.at("index").as_int64();
      kinds += std::string(event.at("content_block").at("type").as_string()) + " ";
    } else if (type == "content_block_delta") {
      EXPECT_EQ(event.at("index").as_int64(), open);
      const json::object& delta = event.at("delta").as_object();
      if (delta.contains("partial_json")) arguments += delta.at("partial_json").as_string();
    } else if (type == "content_block_stop") {
      EXPECT_EQ(event.at("index").as_int64(), open);
      open = -1;
    } else if (type == "message_delta") {
      EXPECT_EQ(event.at("delta").at("stop_reason"), "tool_use");
    }
  }
  EXPECT_EQ(kinds, "thinking text tool_use tool_use ");
  EXPECT_EQ(arguments, "{\"a\": 1}{}");
}

TEST(AnthropicDialect, ACallThatWasCutOffSaysSo) {
  FakeScript script = calls();
  script.answer = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": \"bcdef\"}}\n</tool_call>";
  RunningService service(script);
  const std::string body =
      std::string(R"({"max_tokens": 49, "messages": [{"role": "user", "content": "Hi"}], )") +
      kMessagesTools + "}";
  const json::value message = parsed(service.post("/v1/messages", body).body);
  EXPECT_EQ(message.at("stop_reason"), "max_tokens");
  const json::array& content = message.at("content").as_array();
  ASSERT_EQ(content.size(), 1U);
  EXPECT_EQ(content[0].at("input"), parsed(R"({"INVALID_JSON": "{\"a\": \"bcd"})"));
}

TEST(AnthropicDialect, FailuresInAStreamAreEvents) {
  RunningService service({.fail_at_end = Error{ErrorCode::kInternal, "broken", "", "", ""}});
  const HttpAnswer answer = service.post("/v1/messages", messages_body(R"("stream": true)"));
  const std::vector<json::value> events = named_events(answer.body);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().at("type"), "error");
  EXPECT_EQ(events.back().at("error").at("type"), "api_error");
}

TEST(AnthropicDialect, RefusesWhatItDoesNotHaveByName) {
  RunningService service;
  for (const auto& [fields, named] : std::vector<std::pair<std::string, std::string>>{
           {R"("mcp_servers": [{"type": "url"}])", "mcp_servers"},
           {R"("tools": [{"type": "bash_20250124", "name": "bash"}])", "tools[0].type"},
           {R"("tools": [{"name": "f"}])", "tools[0].input_schema"},
           {R"("tool_choice": {"type": "tool"})", "tool_choice.name"},
           {R"("tool_choice": {"type": "some"})", "tool_choice.type"},
           {R"("output_config": {"format": {"type": "xml"}})", "output_config.format.type"},
           {R"("thinking": {"budget_tokens": 5})", "thinking.type"},
           {R"("stop_sequences": "a")", "stop_sequences"},
           {R"("system": 5)", "system"},
           {R"("max_tokens": -1)", "max_tokens"},
           {R"("metadata": 5)", "metadata"}}) {
    const HttpAnswer answer = service.post("/v1/messages", messages_body(fields));
    EXPECT_EQ(answer.status, 400) << fields;
    EXPECT_EQ(parsed(answer.body).at("error").at("type"), "invalid_request_error");
    EXPECT_THAT(answer.body, HasSubstr(named)) << fields;
  }
  for (
      const char* turn :
      {R"({"role": "user"})", R"({"role": "robot", "content": "a"})", "5",
       R"({"role": "user", "content": 5})", R"({"role": "user", "content": [{"type": "image"}]})",
       R"({"role": "user", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": {}}]})",
       R"({"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "b", "input": 5}]})",
       R"({"role": "user", "content": [{"type": "document", "source": {"type": "base64"}}]})"}) {
    const HttpAnswer answer = service.post(
        "/v1/messages", R"({"max_tokens": 5, "messages": [)" + std::string(turn) + "]}");
    EXPECT_EQ(answer.status, 400) << turn;
    EXPECT_THAT(answer.body, HasSubstr("messages[0]")) << turn;
  }
  const HttpAnswer unlimited =
      service.post("/v1/messages", R"({"messages": [{"role": "user", "content": "a"}]})");
  EXPECT_EQ(unlimited.status, 400);
  EXPECT_THAT(unlimited.body, HasSubstr("max_tokens"));
}

TEST(AnthropicDialect, ModelsAreListedInItsShapeForItsClients) {
  RunningService service;
  HttpClient client(service.port());
  client.send(
      "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nanthropic-version: 2023-06-01\r\n\r\n");
  EXPECT_EQ(parsed(client.read_answer().body).at("data").at(0).at("type"), "model");
  EXPECT_EQ(parsed(service.get("/v1/models").body).at("data").at(0).at("object"), "model");
}

// Also of what is found only where the request is submitted.
TEST(Dialects, ErrorsOfTheEngineNameTheirFields) {
  RunningService service({.refuse = bad_field("response_format", "no schema")});
  for (const auto& [path, body, named] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"/v1/messages", messages_body(""), "output_config.format"},
           {"/v1/responses", R"({"input": "a"})", "text.format"},
           {"/api/generate", R"({"model": "tiny-fake", "prompt": "a"})", "format: no schema"}}) {
    const HttpAnswer answer = service.post(path, body);
    EXPECT_EQ(answer.status, 400) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr(named));
    EXPECT_THAT(answer.body, Not(HasSubstr("response_format")));
  }
}

TEST(AnthropicDialect, ErrorsOfTheServerHaveItsShape) {
  ServiceOptions options;
  options.api_keys = {"a-key-in-clear"};
  RunningService service({}, options);
  const HttpAnswer answer = service.post("/v1/messages", messages_body(""));
  EXPECT_EQ(answer.status, 401);
  EXPECT_EQ(parsed(answer.body).at("error").at("type"), "authentication_error");
}

std::string ollama_body(const std::string& fields) {
  return R"({"model": "tiny-fake", "messages": [{"role": "user", "content": "Hi"}])" +
         (fields.empty() ? "" : ", " + fields) + "}";
}

TEST(OllamaDialect, StreamsLinesUnlessAskedNotTo) {
  RunningService service;
  const HttpAnswer answer = service.post("/api/chat", ollama_body(""));
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.header("content-type"), "application/x-ndjson");
  std::string content;
  const std::vector<json::value> lines = lines_of(answer.body);
  for (const json::value& line : lines) {
    EXPECT_EQ(line.at("model"), "tiny-fake");
    EXPECT_EQ(line.at("done").as_bool(), &line == &lines.back());
    content += line.at("message").at("content").as_string();
  }
  EXPECT_EQ(content, "Hello, world");
  EXPECT_EQ(lines.back().at("done_reason"), "stop");
  const json::value whole =
      parsed(service.post("/api/chat", ollama_body(R"("stream": false)")).body);
  EXPECT_EQ(whole.at("message").at("content"), "Hello, world");
  EXPECT_EQ(whole.at("eval_count"), lines.back().at("eval_count"));
}

TEST(OllamaDialect, CallsAreWholeAndTheirArgumentsObjects) {
  RunningService service(calls());
  const std::string tools =
      R"("tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])";
  std::vector<json::value> streamed;
  std::string thoughts;
  for (const json::value& line : lines_of(service.post("/api/chat", ollama_body(tools)).body)) {
    const json::object& message = line.at("message").as_object();
    if (message.contains("thinking")) thoughts += message.at("thinking").as_string();
    if (!message.contains("tool_calls")) continue;
    for (const json::value& call : message.at("tool_calls").as_array()) streamed.push_back(call);
  }
  const json::value whole =
      parsed(service.post("/api/chat", ollama_body(tools + R"(, "stream": false)")).body);
  EXPECT_EQ(std::string(whole.at("message").at("thinking").as_string()), thoughts);
  const json::array& calls_of_whole = whole.at("message").at("tool_calls").as_array();
  ASSERT_EQ(calls_of_whole.size(), 2U);
  EXPECT_EQ(calls_of_whole[0], parsed(R"({"function": {"name": "f", "arguments": {"a": 1}}})"));
  EXPECT_EQ(json::array(streamed.begin(), streamed.end()), calls_of_whole);
}

TEST(OllamaDialect, ResultsFindTheirCalls) {
  RunningService service;
  const HttpAnswer answer = service.post("/api/chat", R"({"model": "tiny-fake", "messages": [
    {"role": "assistant", "content": "", "tool_calls": [
      {"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]},
    {"role": "tool", "tool_name": "g", "content": "of g"},
    {"role": "tool", "content": "of f"}]})");
  ASSERT_EQ(answer.status, 200) << answer.body;
  const json::array messages = sent_context(service).at("messages").as_array();
  EXPECT_EQ(messages[1].at("tool_call_id"), "call_1");
  EXPECT_EQ(messages[2].at("tool_call_id"), "call_0");
  EXPECT_EQ(messages[2].at("name"), "f");
}

TEST(OllamaDialect, GenerateIsAQuestionOrRawText) {
  RunningService service;
  const auto ask = [&](const std::string& fields) {
    const HttpAnswer answer =
        service.post("/api/generate",
                     R"({"model": "tiny-fake", "stream": false, "prompt": "a", )" + fields + "}");
    EXPECT_EQ(answer.status, 200) << answer.body;
    return parsed(answer.body);
  };
  EXPECT_EQ(ask(R"("system": "s")").at("response"), "Hello, world");
  EXPECT_EQ(sent_context(service).at("messages"),
            parsed(R"([{"role": "system", "content": "s"}, {"role": "user", "content": "a"}])"));
  EXPECT_EQ(ask(R"("raw": true)").at("response"), "Hello, world");
  EXPECT_EQ(service.backend().requests().back().prompt,
            (std::vector<TokenId>{TokenId{256}, TokenId{'a'}}));
  EXPECT_FALSE(service.backend().requests().back().sampling.max_tokens);
}

TEST(OllamaDialect, OptionsSayHowToSample) {
  RunningService service;
  ASSERT_EQ(service
                .post("/api/chat", ollama_body(R"("options": {"num_predict": 7, "temperature": 0.5,
    "top_k": 3, "top_p": 0.25, "min_p": 0.125, "repeat_penalty": 1.5, "seed": 4, "stop": ["x"],
    "num_ctx": 8192, "num_gpu": 1})"))
                .status,
            200);
  const SamplingParams sampling = service.backend().requests().back().sampling;
  EXPECT_EQ(sampling.max_tokens, 7);
  EXPECT_EQ(sampling.temperature, 0.5);
  EXPECT_EQ(sampling.top_k, 3);
  EXPECT_EQ(sampling.top_p, 0.25);
  EXPECT_EQ(sampling.min_p, 0.125);
  EXPECT_EQ(sampling.repetition_penalty, 1.5);
  EXPECT_EQ(sampling.seed, 4U);
  EXPECT_EQ(sampling.stop, std::vector<std::string>{"x"});
}

TEST(OllamaDialect, RefusesWhatItDoesNotHaveByName) {
  RunningService service;
  for (const auto& [fields, named] : std::vector<std::pair<std::string, std::string>>{
           {R"("options": {"mirostat": 2})", "options.mirostat"},
           {R"("options": {"stop": [5]})", "options.stop"},
           {R"("options": 5)", "options"},
           {R"("format": 5)", "format"},
           {R"("think": 5)", "think"},
           {R"("logprobs": true)", "logprobs"},
           {R"("tools": 5)", "tools"}}) {
    const HttpAnswer answer = service.post("/api/chat", ollama_body(fields));
    EXPECT_EQ(answer.status, 400) << fields;
    EXPECT_THAT(std::string(parsed(answer.body).at("error").as_string()), HasSubstr(named));
  }
  const HttpAnswer image = service.post(
      "/api/chat",
      R"({"model": "tiny-fake", "messages": [{"role": "user", "content": "a", "images": ["AA"]}]})");
  EXPECT_EQ(image.status, 400);
  EXPECT_THAT(image.body, HasSubstr("messages[0].images"));
  EXPECT_EQ(service.post("/api/chat", R"({"model": "nobody"})").status, 404);
  EXPECT_EQ(service.post("/api/chat", R"({"messages": []})").status, 400);
  EXPECT_THAT(service.post("/api/pull", "{}").body, HasSubstr(R"({"error":")"));
}

}  // namespace
}  // namespace autoglm::serve
