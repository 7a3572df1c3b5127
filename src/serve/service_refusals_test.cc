// What the service says to requests that it cannot answer: the status, and the field that is wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using testing::HasSubstr;
using testing::Not;

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

TEST(Service, CutsWhatItQuotesBetweenCharacters) {
  RunningService service;
  std::string name;
  for (int i = 0; i < 60; ++i) name += "语";
  const HttpAnswer answer =
      service.post("/v1/completions", R"({"prompt":"a","model":")" + name + R"("})");
  const json::value message = parsed(answer.body).at("error").at("message");
  EXPECT_THAT(std::string(message.as_string()), HasSubstr(name.substr(0, size_t{33} * 3)));
  EXPECT_THAT(std::string(message.as_string()), Not(HasSubstr("\uFFFD")));
}

TEST(Service, BoundsTheScoresOfPromptsInOneAnswer) {
  RunningService service;
  const std::string prompt(4000, 'a');
  const auto body = [&](int n_prompts) {
    std::string prompts = "\"" + prompt + "\"";
    for (int i = 1; i < n_prompts; ++i) prompts += ",\"" + prompt + "\"";
    return R"({"max_tokens":1,"prompt_logprobs":20,"prompt":[)" + prompts + "]}";
  };
  EXPECT_EQ(service.post("/v1/completions", body(1)).status, 200);
  const HttpAnswer refused = service.post("/v1/completions", body(60));
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(parsed(refused.body).at("error").at("param"), "prompt_logprobs");
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
       R"({"messages":[{"role":"user","content":"a"}],"response_format":{"type":"xml"}})",
       "response_format.type"},
      {"/v1/chat/completions",
       R"({"messages":[{"role":"user","content":"a"}],"response_format":{}})",
       "response_format.type"},
      {"/v1/completions", R"({"prompt":"a","response_format":"json"})", "response_format"},
      {"/v1/completions", R"({"prompt":"a","response_format":{"type":"json_schema"}})",
       "response_format.json_schema"},
      {"/v1/completions",
       R"({"prompt":"a","response_format":{"type":"json_schema","json_schema":{"name":"x"}}})",
       "response_format.json_schema.schema"},
      {"/v1/completions", R"({"prompt":"a","structured_outputs":[]})", "structured_outputs"},
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
      {"/v1/completions", R"({"prompt":"a","logit_bias":{"1":101}})", "logit_bias.1"},
      {"/v1/completions", R"({"prompt":"a","logprobs":21})", "logprobs"},
      {"/v1/completions", R"({"prompt":"a","logprobs":true})", "logprobs"},
      {"/v1/completions", R"({"prompt":"a","best_of":3})", "best_of"},
      {"/v1/completions", R"({"prompt":"a","suffix":"b"})", "suffix"},
      {"/v1/completions", R"({"prompt":"a","stream":"yes"})", "stream"},
      {"/v1/completions", R"({"prompt":"a","stream_options":{}})", "stream_options"},
      {"/v1/completions", R"({"prompt":"a","stream":true,"stream_options":{"include_usage":1}})",
       "stream_options.include_usage"},
      {"/v1/completions", R"({"prompt":"a","seed":"x"})", "seed"},
      {"/v1/completions", R"({"prompt":"a","max_tokens":-3})", "max_tokens"},
      {"/v1/completions", R"({"prompt":"a","n_predict":"x"})", "n_predict"},
      {"/v1/completions", R"({"prompt":"a","repeat_penalty":0})", "repeat_penalty"},
      {"/v1/completions", R"({"prompt":"a","do_sample":"x"})", "do_sample"},
      {"/v1/completions", R"({"prompt":"a","mirostat":2})", "mirostat"},
      {"/v1/completions", R"({"prompt":"a","typical_p":0.5})", "typical_p"},
      {"/v1/completions", R"({"prompt":"a","dry_multiplier":0.8})", "dry_multiplier"},
      {"/v1/completions", R"({"prompt":"a","xtc_probability":0.5})", "xtc_probability"},
      {"/v1/completions", R"({"prompt":"a","top_n_sigma":1})", "top_n_sigma"},
      {"/v1/completions", R"({"prompt":"a","dynatemp_range":1})", "dynatemp_range"},
      {"/v1/completions", R"({"prompt":"a","num_beams":4})", "num_beams"},
      {"/v1/completions", R"({"prompt":"a","n_probs":3})", "n_probs"},
      {"/v1/completions", R"({"prompt":"a","stop_regex":"x"})", "stop_regex"},
      {"/v1/completions", R"({"prompt":"a","regex":"x"})", "regex"},
      {"/v1/completions", R"({"prompt":"a","ebnf":"root ::= \"x\""})", "ebnf"},
      {"/v1/completions", R"({"prompt":"a","negative_prompt":"x"})", "negative_prompt"},
      {"/v1/completions", R"({"prompt":"a","cfg_scale":2})", "cfg_scale"},
      {"/v1/completions", R"({"prompt":"a","min_new_tokens":2})", "min_new_tokens"},
      {"/v1/completions", R"({"prompt":"a","lora_path":"x"})", "lora_path"},
      {"/v1/chat/completions",
       R"({"messages":[{"role":"user","content":"a"}],"chat_template":"{{ 1 }}"})",
       "chat_template"},
      {"/v1/chat/completions", R"({"messages":[{"role":"user","content":"a"}],"thinking":7})",
       "thinking"},
      {"/v1/chat/completions",
       R"({"messages":[{"role":"user","content":"a"}],"thinking":{"type":"x"}})", "thinking.type"},
      {"/v1/chat/completions",
       R"({"messages":[{"role":"user","content":"a"}],"thinking":{"type":"enabled",)"
       R"("budget_tokens":"x"}})",
       "thinking.budget_tokens"},
      {"/v1/completions", R"({"prompt":"a","num_speculative_tokens":-1})",
       "num_speculative_tokens"},
      {"/v1/completions", R"({"prompt":"a","prediction":{"type":"plan","content":"b"}})",
       "prediction.type"},
      {"/v1/completions", R"({"prompt":"a","prediction":{"type":"content"}})",
       "prediction.content"},
      {"/v1/completions", R"({"prompt":"a","prediction":{}})", "prediction.type"},
      {"/v1/completions", R"({"prompt":"a","prediction":[]})", "prediction"},
      {"/v1/completions", R"({"prompt":"a","prediction":{"type":"content","content":7}})",
       "prediction.content"},
      {"/v1/completions", R"({"prompt":"a","prediction":{"type":"content","content":[{}]}})",
       "prediction.content[0].type"},
      {"/v1/completions",
       R"({"prompt":"a","prediction":{"type":"content","content":[{"type":"text"}]}})",
       "prediction.content[0].text"},
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
  const std::pair<ErrorCode, int> cases[] = {
      {ErrorCode::kResourceExhausted, 429}, {ErrorCode::kUnavailable, 503},
      {ErrorCode::kInvalidArgument, 400},   {ErrorCode::kTooLarge, 400},
      {ErrorCode::kInternal, 500},          {ErrorCode::kNotFound, 400}};  // in the request
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

// More is asked than a limit allows: to come again does not help, and the field is named.
TEST(Service, TooMuchAskedIsNotABusyServer) {
  RunningService service(
      {.refuse = Error{ErrorCode::kTooLarge, "the grammar is too large", "guided_regex", "", ""}});
  const HttpAnswer answer =
      service.post("/v1/completions", R"({"prompt":"a","guided_regex":"a{9}"})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.header("retry-after"), "");
  const json::value error = parsed(answer.body).at("error");
  EXPECT_EQ(error.at("param"), "guided_regex");
  EXPECT_EQ(error.at("type"), "invalid_request_error");
  EXPECT_NE(error.at("code"), "queue_full");
}

TEST(Service, FaultsOfOursAreCountedWhereTheyAreMet) {
  RunningService service(
      {.refuse = Error{ErrorCode::kInternal, "internal error: 3 of 2", "", "", ""}});
  const HttpAnswer answer = service.post("/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(parsed(answer.body).at("error").at("code"), "internal_error");
  HttpClient client(service.port());
  EXPECT_THAT(client.get("/metrics").body,
              testing::ContainsRegex("internal_errors_total\\{[^}]*handler[^}]*\\} 1"));
}

TEST(Service, ARefusedClientIsToldWhenTheQueueWillHaveBegun) {
  RunningService service({.refuse = Error{ErrorCode::kResourceExhausted, "full", "engine", "", "",
                                          ErrorReason::kQueueFull},
                          .seconds_to_drain = 41.2});
  const HttpAnswer answer = service.post("/v1/completions", R"({"prompt":"a"})");
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("retry-after"), "42");
  EXPECT_EQ(parsed(answer.body).at("error").at("code"), "queue_full");
}

TEST(Service, DeadlinesHaveErrorsOfTheirOwn) {
  const auto told = [](FakeScript script) {
    RunningService service(std::move(script));
    const HttpAnswer answer = service.post("/v1/completions", R"({"prompt":"a","timeout_ms":5})");
    return std::to_string(answer.status) + " " +
           std::string(parsed(answer.body).at("error").at("code").as_string());
  };
  const Error unreachable{ErrorCode::kResourceExhausted,    "late", "timeout_ms", "", "",
                          ErrorReason::kDeadlineUnreachable};
  const Error passed{ErrorCode::kUnavailable,     "late", "timeout_ms", "", "",
                     ErrorReason::kDeadlinePassed};
  EXPECT_EQ(told({.refuse = unreachable}), "429 deadline_unreachable");
  EXPECT_EQ(told({.fail_at_end = passed}), "503 deadline_exceeded");
}

TEST(Service, TellsTheTemplatesRefusalWithoutPathsOfThisMachine) {
  RunningService service({.template_error = Error{ErrorCode::kInvalidArgument, "unknown role",
                                                  "/models/x: chat template:6:20", "", "",
                                                  ErrorReason::kTemplateRefused}});
  const HttpAnswer answer = service.post("/v1/chat/completions", kHello);
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(parsed(answer.body).at("error").at("param"), "messages");
  EXPECT_THAT(answer.body, HasSubstr("unknown role"));
  EXPECT_THAT(answer.body, Not(HasSubstr("/models/x")));
}

// By these words and this code clients know that a conversation is too long (and cut it).
TEST(Service, SaysWhatDoesNotFitInTheWordsThatClientsKnow) {
  RunningService service;
  const std::string fits(4000, 'x');
  const std::string fills(5000, 'x');
  const std::string huge(200'000, 'x');  // not even tokenized
  const auto quoted = [](const std::string& text) { return "\"" + text + "\""; };
  const auto chat = [&](const std::string& text, const std::string& more) {
    return R"({"messages":[{"role":"user","content":)" + quoted(text) + "}]" + more + "}";
  };
  struct Case {
    const char* path;
    std::string body;
    const char* param;
  };
  const Case cases[] = {
      {"/v1/chat/completions", chat(fills, ""), "messages"},
      {"/v1/chat/completions", chat(huge, ""), "messages"},
      {"/v1/chat/completions", chat(fits, R"(,"max_tokens":200)"), "max_tokens"},
      {"/v1/chat/completions", chat(fits, R"(,"max_completion_tokens":200)"),
       "max_completion_tokens"},
      {"/v1/completions", R"({"prompt":)" + quoted(fills) + "}", "prompt"},
      {"/v1/completions", R"({"prompt":["a",)" + quoted(huge) + "]}", "prompt"},
      {"/v1/completions", R"({"prompt":)" + quoted(fits) + R"(,"max_tokens":200})", "max_tokens"},
      {"/v1/completions",
       R"({"prompt":"a","prediction":{"type":"content","content":)" + quoted(huge) + "}}",
       "prediction"},
      {"/infer", R"({"text":)" + quoted(fills) + "}", "text"},
      {"/infer", R"({"prompt":)" + quoted(huge) + "}", "prompt"},
      {"/v1/embeddings", R"({"input":["a",)" + quoted(fills) + "]}", "input"},
      {"/v1/embeddings", R"({"input":)" + quoted(huge) + "}", "input"},
  };
  for (const Case& one : cases) {
    const HttpAnswer answer = service.post(one.path, one.body);
    EXPECT_EQ(answer.status, 400);
    const json::value error = parsed(answer.body).at("error");
    EXPECT_EQ(error.at("code"), "context_length_exceeded") << answer.body;
    EXPECT_EQ(error.at("param"), one.param) << answer.body;
    EXPECT_THAT(std::string(error.at("message").as_string()),
                testing::StartsWith("This model's maximum context length is 4096 tokens"));
  }
  EXPECT_EQ(service.backend().n_submitted, 0);
}

TEST(Service, WhatAllPromptsShareIsHeldOnce) {
  RunningService service;
  std::string prompts = "\"a\"";
  for (int i = 1; i < 256; ++i) prompts += ",\"a\"";
  const std::string schema =
      R"({"type":"string","description":")" + std::string(100'000, 'x') + "\"}";
  std::string biases = "\"0\":1";
  for (int i = 1; i < 258; ++i) biases += ",\"" + std::to_string(i) + "\":1";
  EXPECT_EQ(service
                .post("/v1/completions", R"({"prediction":{"type":"content","content":")" +
                                             std::string(4000, 'y') + R"("},"guided_json":)" +
                                             schema + R"(,"logit_bias":{)" + biases +
                                             R"(},"max_tokens":1,"prompt":[)" + prompts + "]}")
                .status,
            200);
  const auto requests = service.backend().requests();
  ASSERT_EQ(requests.size(), 256u);
  for (const GenerationRequest& request : requests) {
    EXPECT_EQ(&*request.prediction, &*requests[0].prediction);
    EXPECT_EQ(&*request.structured_output, &*requests[0].structured_output);
    EXPECT_EQ(&*request.sampling.logit_bias, &*requests[0].sampling.logit_bias);
  }
  // What has a copy in each is short.
  for (const char* field : {"user", "cache_salt"}) {
    const HttpAnswer answer =
        service.post("/v1/completions", R"({"prompt":["a","b"],")" + std::string(field) + R"(":")" +
                                            std::string(1000, 'u') + "\"}");
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(parsed(answer.body).at("error").at("param"), field);
  }
}

TEST(Service, BoundsWhatAnAnswerRepeatsOfItsPrompts) {
  RunningService service;
  std::string ids = "1";
  for (int i = 1; i < 4000; ++i) ids += ",1";
  std::string prompts = "[" + ids + "]";
  for (int i = 1; i < 60; ++i) prompts += ",[" + ids + "]";
  const auto status = [&](const std::string& more, const std::string& prompt) {
    return service.post("/v1/completions",
                        R"({"max_tokens":1,"prompt":[)" + prompt + "]," + more + "}");
  };
  EXPECT_EQ(status(R"("n":2,"return_token_ids":true)", "[" + ids + "]").status, 200);
  const std::pair<const char*, const char*> cases[] = {
      {R"("n":8,"prompt_logprobs":5)", "prompt_logprobs"},
      {R"("n":8,"echo":true,"logprobs":5)", "prompt_logprobs"}};
  for (const auto& [more, param] : cases) {
    const HttpAnswer answer = status(more, prompts);
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(parsed(answer.body).at("error").at("param"), param);
  }
}

// Each is an object that is read, checked and rendered, whatever it holds.
TEST(Service, RefusesMorePartsAndCallsThanAreReadAtOnce) {
  RunningService service;
  HttpClient client(service.port());
  const auto list = [](std::string_view item, int n) {
    std::string text;
    for (int i = 0; i < n; ++i) text += (i > 0 ? "," : "") + std::string(item);
    return "[" + text + "]";
  };
  const auto ask = [&](const std::string& messages) {
    return client.post("/v1/chat/completions", "{\"messages\":" + messages + ",\"max_tokens\":1}");
  };
  const std::string part = R"({"type":"text","text":""})";
  const std::string call = R"({"type":"function","function":{"name":"f","arguments":"{}"}})";
  const std::string many_parts = R"({"role":"user","content":)" + list(part, 5'001) + "}";
  const std::string many_calls = R"({"role":"assistant","tool_calls":)" + list(call, 5'001) + "}";
  for (const std::string& messages :
       {"[" + many_parts + "," + many_parts + "]", "[" + many_calls + "," + many_calls + "]",
        "[" + many_calls + "," + many_parts + "]"}) {
    const HttpAnswer answer = ask(messages);
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr("too many parts and tool calls"));
    EXPECT_THAT(answer.body, HasSubstr("messages[1]."));
  }
  EXPECT_THAT(ask("[" + many_parts + "]").body, testing::Not(HasSubstr("too many parts")));
}

TEST(Service, RefusesTwoNamesOfOneThingThatDiffer) {
  RunningService service;
  HttpClient client(service.port());
  const std::vector<std::vector<std::string>> names = {
      {"n_predict", "max_new_tokens", "max_tokens"},
      {"n_predict", "max_completion_tokens"},
      {"max_new_tokens", "max_completion_tokens"},
      {"repeat_penalty", "repetition_penalty"},
      {"reasoning_budget", "thinking_budget", "thinking_budget_tokens", "thinking_token_budget"}};
  for (const std::vector<std::string>& same : names) {
    for (size_t i = 0; i < same.size(); ++i) {
      for (size_t j = 0; j < same.size(); ++j) {
        const auto body = [&](int first, int second) {
          return "{\"prompt\":\"a\",\"" + same[i] + "\":" + std::to_string(first) + ",\"" +
                 same[j] + "\":" + std::to_string(second) + "}";
        };
        if (i == j) continue;
        const HttpAnswer answer = client.post("/v1/completions", body(1, 2));
        EXPECT_EQ(answer.status, 400) << body(1, 2);
        EXPECT_THAT(answer.body, HasSubstr(same[i]));
        EXPECT_THAT(answer.body, HasSubstr(same[j]));
        EXPECT_EQ(client.post("/v1/completions", body(1, 1)).status, 200) << body(1, 1);
      }
    }
  }
}

TEST(Service, TwoFormsOfAnAnswerAreNamedByTheirKeys) {
  RunningService service;
  HttpClient client(service.port());
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("structured_outputs":{"json":{},"regex":"a"})",
       "only one of structured_outputs.json and structured_outputs.regex"},
      {R"("guided_json":{},"structured_outputs":{"choice":["a"]})",
       "only one of guided_json and structured_outputs.choice"},
      {R"("guided_json":{},"guided_regex":"a")", "only one of guided_json and guided_regex"},
      {R"("response_format":{"type":"json_object"},"grammar":"root ::= \"a\"")",
       "only one of response_format and grammar"}};
  for (const auto& [fields, words] : cases) {
    const HttpAnswer answer = client.post("/v1/completions", R"({"prompt":"a",)" + fields + "}");
    EXPECT_EQ(answer.status, 400) << fields;
    EXPECT_THAT(answer.body, HasSubstr(words)) << fields;
  }
}

}  // namespace
}  // namespace autoglm::serve
