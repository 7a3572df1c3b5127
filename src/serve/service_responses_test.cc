// OpenAI's Responses API over HTTP: what a request becomes, the answer whole and in events, and
// what is kept of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using ::testing::HasSubstr;

json::value sent_messages(RunningService& service) {
  return parsed(service.backend().last_context()).at("messages");
}

FakeScript calls() {
  return {.answer =
              "<think>\nhm\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": "
              "{\"a\": 1}}\n</tool_call>",
          .format = {.calls = tools::CallFormat::kHermes, .reasoning = true}};
}

constexpr const char* kTools =
    R"("tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}])";

std::string asked(const std::string& fields) {
  return R"({"input": "Hi")" + (fields.empty() ? "" : ", " + fields) + "}";
}

json::value ask(RunningService& service, const std::string& body) {
  const HttpAnswer answer = service.post("/v1/responses", body);
  EXPECT_EQ(answer.status, 200) << answer.body;
  return parsed(answer.body);
}

std::string send(RunningService& service, const std::string& method, const std::string& path,
                 const std::string& headers = "") {
  HttpClient client(service.port());
  client.send(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
              "Connection: close\r\n\r\n");
  const HttpAnswer answer = client.read_answer();
  return std::to_string(answer.status) + " " + answer.body;
}

TEST(Responses, ItemsBecomeMessages) {
  RunningService service;
  ask(service, R"({"instructions": "S", "input": [
    {"role": "user", "content": "one"},
    {"type": "reasoning", "id": "rs", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
    {"type": "message", "role": "assistant", "id": "m", "status": "completed",
     "content": [{"type": "output_text", "text": "two", "annotations": []}]},
    {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{\"a\":1}"},
    {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "warm"}]},
    {"role": "user", "content": [{"type": "input_text", "text": "three"}]}]})");
  EXPECT_EQ(sent_messages(service), parsed(R"([
    {"role": "system", "content": "S"}, {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two", "reasoning_content": "hm", "tool_calls": [
      {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}},
      {"id": "c2", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
    {"role": "tool", "tool_call_id": "c2", "content": "warm"},
    {"role": "user", "content": "three"}])"));
}

TEST(Responses, AWholeOneHasItems) {
  RunningService service(calls());
  const json::value response =
      ask(service, asked(std::string(kTools) + R"(, "metadata": {"a": "b"}, "temperature": 0.5)"));
  EXPECT_EQ(response.at("object"), "response");
  EXPECT_EQ(response.at("status"), "completed");
  EXPECT_EQ(response.at("metadata"), parsed(R"({"a": "b"})"));
  EXPECT_EQ(response.at("temperature"), 0.5);
  const json::array& output = response.at("output").as_array();
  ASSERT_EQ(output.size(), 3U);
  EXPECT_EQ(output[0].at("content").at(0).at("text"), "hm");
  EXPECT_EQ(output[1].at("content").at(0).at("text"), "I look.");
  EXPECT_EQ(output[2].at("type"), "function_call");
  EXPECT_EQ(output[2].at("arguments"), "{\"a\": 1}");
}

TEST(Responses, AStreamEndsWithTheSameResponse) {
  RunningService service(calls());
  const HttpAnswer answer =
      service.post("/v1/responses", asked(std::string(kTools) + R"(, "stream": true)"));
  ASSERT_EQ(answer.status, 200) << answer.body;
  std::map<std::string, std::string> texts;  // by item
  std::vector<std::string> order;
  json::value last;
  int64_t number = 0;
  for (size_t at = 0; at < answer.body.size();) {
    const size_t data = answer.body.find("\ndata: ", at);
    const size_t end = answer.body.find("\n\n", at);
    last = parsed(answer.body.substr(data + 7, end - data - 7));
    EXPECT_EQ(last.at("sequence_number").as_int64(), number++);
    const std::string type(last.at("type").as_string());
    EXPECT_EQ(answer.body.substr(at, data - at), "event: " + type);
    at = end + 2;
    order.push_back(type);
    if (type.ends_with(".delta")) {
      texts[std::string(last.at("item_id").as_string())] += last.at("delta").as_string();
    }
    if (type == "response.output_text.done") {
      EXPECT_EQ(std::string(last.at("text").as_string()),
                texts[std::string(last.at("item_id").as_string())]);
    }
  }
  EXPECT_EQ(order.front(), "response.created");
  EXPECT_EQ(order.back(), "response.completed");
  const json::array& output = last.at("response").at("output").as_array();
  ASSERT_EQ(output.size(), 3U);
  EXPECT_EQ(texts[std::string(output[0].at("id").as_string())], "hm");
  EXPECT_EQ(texts[std::string(output[1].at("id").as_string())], "I look.");
  EXPECT_EQ(texts[std::string(output[2].at("id").as_string())], "{\"a\": 1}");
}

TEST(Responses, GoOnWithTheOneBefore) {
  RunningService service;
  const json::value first = ask(service, R"({"instructions": "S", "input": "one"})");
  const std::string id(first.at("id").as_string());
  const json::value second =
      ask(service, R"({"input": "two", "previous_response_id": ")" + id + "\"}");
  EXPECT_EQ(sent_messages(service), parsed(R"([{"role": "user", "content": "one"},
    {"role": "assistant", "content": "Hello, world"}, {"role": "user", "content": "two"}])"));
  const std::string second_id(second.at("id").as_string());
  const std::string items = send(service, "GET", "/v1/responses/" + second_id + "/input_items");
  EXPECT_TRUE(items.starts_with("200 ")) << items;
  EXPECT_EQ(parsed(items.substr(4)).at("data").as_array().size(), 3U);
  EXPECT_EQ(parsed(send(service, "GET", "/v1/responses/" + id).substr(4)), first);
  EXPECT_THAT(send(service, "DELETE", "/v1/responses/" + id), HasSubstr("\"deleted\":true"));
  EXPECT_THAT(send(service, "GET", "/v1/responses/" + id), HasSubstr("404 "));
  EXPECT_THAT(send(service, "DELETE", "/v1/responses/" + id), HasSubstr("404 "));
  const HttpAnswer gone =
      service.post("/v1/responses", R"({"input": "a", "previous_response_id": ")" + id + "\"}");
  EXPECT_EQ(gone.status, 400);
  EXPECT_THAT(gone.body, HasSubstr("\"param\":\"previous_response_id\""));
  // The second one has all it needs.
  ask(service, R"({"input": "three", "previous_response_id": ")" + second_id + "\"}");
  EXPECT_EQ(sent_messages(service).as_array().size(), 5U);
}

TEST(Responses, AreKeptOnlyWhereThatIsWanted) {
  RunningService service;
  const json::value response = ask(service, asked(R"("store": false)"));
  EXPECT_THAT(send(service, "GET", "/v1/responses/" + std::string(response.at("id").as_string())),
              HasSubstr("404 "));
}

TEST(Responses, AreTheirTenantsOwn) {
  ServiceOptions options;
  options.trusted_proxies = {"127.0.0.1"};
  RunningService service({}, options);
  HttpClient client(service.port());
  client.send(HttpClient::post_text("/v1/responses", asked(""), "X-Tenant: a\r\n"));
  const std::string id(parsed(client.read_answer().body).at("id").as_string());
  EXPECT_THAT(send(service, "GET", "/v1/responses/" + id, "X-Tenant: a\r\n"), HasSubstr("200 "));
  for (const char* other : {"", "X-Tenant: b\r\n"}) {
    EXPECT_THAT(send(service, "GET", "/v1/responses/" + id, other), HasSubstr("404 "));
    EXPECT_THAT(send(service, "DELETE", "/v1/responses/" + id, other), HasSubstr("404 "));
    EXPECT_THAT(send(service, "GET", "/v1/responses/" + id + "/input_items", other),
                HasSubstr("404 "));
  }
}

TEST(Responses, AreIncompleteAtTheirLimit) {
  RunningService service;
  const json::value response = ask(service, asked(R"("max_output_tokens": 3)"));
  EXPECT_EQ(response.at("status"), "incomplete");
  EXPECT_EQ(response.at("incomplete_details").at("reason"), "max_output_tokens");
  EXPECT_EQ(response.at("output").at(0).at("status"), "incomplete");
}

TEST(Responses, RefuseWhatTheyDoNotHaveByName) {
  RunningService service;
  for (const auto& [body, named] : std::vector<std::pair<std::string, std::string>>{
           {asked(R"("background": true)"), "background"},
           {asked(R"("conversation": "c")"), "conversation"},
           {asked(R"("truncation": "auto")"), "truncation"},
           {asked(R"("tools": [{"type": "web_search"}])"), "tools[0].type"},
           {asked(R"("tools": [{"type": "function"}])"), "tools[0].function.name"},
           {asked(R"("tool_choice": {"type": "mcp"})"), "tool_choice.type"},
           {asked(R"("text": {"format": {"type": "json_schema"}})"), "text.format.schema"},
           {asked(R"("text": {"format": {"type": "xml"}})"), "text.format.type"},
           {asked(R"("max_output_tokens": 0)"), "max_output_tokens"},
           {asked(R"("previous_response_id": "resp_0")"), "previous_response_id"},
           {"{}", "input"},
           {R"({"input": []})", "input"},
           {R"({"input": [5]})", "input[0]"},
           {R"({"input": [{"type": "computer_call"}]})", "input[0].type"},
           {R"({"input": [{"role": "robot", "content": "a"}]})", "input[0].role"},
           {R"({"input": [{"role": "user", "content": [{"type": "input_image"}]}]})",
            "input[0].content[0]"},
           {R"({"input": [{"type": "function_call", "name": "f"}]})", "input[0].call_id"}}) {
    const HttpAnswer answer = service.post("/v1/responses", body);
    EXPECT_EQ(answer.status, 400) << body << answer.body;
    EXPECT_THAT(answer.body, HasSubstr(named)) << body;
  }
  EXPECT_THAT(send(service, "PUT", "/v1/responses/a"), HasSubstr("405 "));
  EXPECT_THAT(send(service, "GET", "/v1/responses/a/b"), HasSubstr("404 "));
}

}  // namespace
}  // namespace autoglm::serve
