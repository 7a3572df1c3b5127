// Requests that end in other ways than with their last token: errors on the way, clients that
// leave, signals, drains, many at once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using testing::HasSubstr;

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
  other.send("GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n" +
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

TEST(Service, ARequestThatFindsNoMemoryEndsAloneWherever) {
  struct Case {
    const char* place;
    const char* path;
    const char* body;
  };
  const Case cases[] = {
      {"tokenize", "/v1/completions", R"({"prompt":"a"})"},
      {"tokenize", "/v1/chat/completions", kHello},
      {"tokenize", "/tokenize", R"({"prompt":"a"})"},
      {"tokenize", "/v1/embeddings", R"({"input":"a"})"},
      {"template", "/v1/chat/completions", kHello},
      {"template", "/apply-template", kHello},
      {"submit", "/v1/completions", R"({"prompt":"a"})"},
      {"submit", "/infer", R"({"prompt":"a","stream":true})"},
      {"embed", "/v1/embeddings", R"({"input":"a"})"},
      {"token_text", "/detokenize", R"({"tokens":[1]})"},
      {"token_text", "/v1/completions", R"({"prompt":"a","logprobs":1})"},  // where it is written
  };
  for (const Case& one : cases) {
    RunningService service({.throws_in = one.place});
    const HttpAnswer answer = service.post(one.path, one.body);
    EXPECT_EQ(answer.status, 503) << one.place << " " << one.path << answer.body;
    EXPECT_THAT(answer.body, HasSubstr("no memory"));
    EXPECT_EQ(service.get("/v1/models").status, 200) << one.place;
    EXPECT_TRUE(service.stop()) << one.place;
  }
  // In the middle of a stream: an error event, and the end.
  RunningService service({.throws_in = "token_text"});
  const HttpAnswer answer =
      service.post("/v1/completions", R"({"prompt":"a","logprobs":1,"stream":true})");
  EXPECT_THAT(answer.body, HasSubstr("no memory"));
}

// Requests whose clients had left, by the metrics.
int n_left(RunningService& service) {
  const std::string text = service.get("/metrics").body;
  int n = 0;
  for (size_t at = text.find("code=\"499\""); at != std::string::npos;
       at = text.find("code=\"499\"", at + 1)) {
    n += std::atoi(text.c_str() + text.find('}', at) + 1);
  }
  return n;
}

TEST(Service, WorkOfClientsThatLeftIsNotBegun) {
  RunningService service({.hold_tokenizing = true});
  // Two that keep both threads busy, then many that leave, then one that stays.
  std::vector<std::unique_ptr<HttpClient>> busy;
  for (int i = 0; i < 2; ++i) {
    busy.push_back(std::make_unique<HttpClient>(service.port()));
    busy.back()->send(HttpClient::post_text("/tokenize", R"({"prompt":"a"})"));
  }
  ASSERT_TRUE(comes_true([&] { return service.backend().n_tokenized == 2; }));
  constexpr int kLeaving = 60;
  for (int i = 0; i < kLeaving; ++i) {
    const char* const paths[] = {"/tokenize", "/v1/completions", "/v1/chat/completions"};
    const bool chat = i % 3 == 2;
    HttpClient(service.port())
        .send(HttpClient::post_text(paths[i % 3], chat ? kHello : R"({"prompt":"a"})"));
  }
  ASSERT_TRUE(comes_true([&] { return n_left(service) == kLeaving; }));
  service.backend().release();
  EXPECT_EQ(service.post("/tokenize", R"({"prompt":"a"})").status, 200);
  EXPECT_EQ(service.backend().n_tokenized, 3);
  EXPECT_EQ(service.backend().n_submitted, 0);
}

TEST(Service, EmbeddingsEndWithTheirClient) {
  RunningService service({.hold_embeddings = true});
  HttpClient client(service.port());
  client.send(HttpClient::post_text("/v1/embeddings", R"({"input":["a","b","c"]})"));
  ASSERT_TRUE(comes_true([&] { return service.backend().n_embedded == 1; }));
  client.close();
  HttpClient next(service.port());
  next.send(HttpClient::post_text("/v1/embeddings", R"({"input":"d"})"));
  EXPECT_TRUE(comes_true([&] { return service.backend().n_embedded == 2; }));
}

TEST(Service, EmbeddingsOfOneTenantHoldNoOtherUp) {
  RunningService service({.hold_embeddings = true});
  const std::string many = R"({"input":["a","b","c"]})";
  HttpClient first(service.port()), again(service.port()), other(service.port());
  first.send(HttpClient::post_text("/v1/embeddings", many, "X-Tenant: first\r\n"));
  ASSERT_TRUE(comes_true([&] { return service.backend().n_embedded == 1; }));
  again.send(HttpClient::post_text("/v1/embeddings", many, "X-Tenant: first\r\n"));
  other.send(HttpClient::post_text("/v1/embeddings", many, "X-Tenant: other\r\n"));
  ASSERT_TRUE(comes_true([&] { return service.backend().n_embedded == 2; }));
  EXPECT_EQ(service.backend().embedding_scheduling().tenant, "other");
}

TEST(Service, PromptsOfOneTenantHoldNoOtherUp) {
  const std::vector<std::pair<std::string, std::string>> requests = {
      {"/v1/completions", R"({"prompt":"a","user":"busy"})"},
      {"/v1/chat/completions", R"({"messages":[{"role":"user","content":"a"}],"user":"busy"})"},
      {"/tokenize", R"({"prompt":"a","user":"busy"})"},
      {"/infer", R"({"prompt":"a","user":"busy"})"},
      {"/v1/embeddings", R"({"input":"a","user":"busy"})"}};
  for (const auto& [path, body] : requests) {
    RunningService service({.hold_tokenizing = true});
    std::vector<std::unique_ptr<HttpClient>> busy;
    for (int i = 0; i < 5; ++i) {
      busy.push_back(std::make_unique<HttpClient>(service.port()));
      busy.back()->send(HttpClient::post_text(path, body));
    }
    ASSERT_TRUE(comes_true([&] { return service.backend().n_tokenized == 2; })) << path;
    HttpClient other(service.port());
    other.send(HttpClient::post_text(path, body, "X-Tenant: other\r\n"));
    EXPECT_TRUE(comes_true([&] { return service.backend().n_tokenized == 3; })) << path;
    service.backend().release();
  }
}

TEST(Service, TheDrainsLimitHoldsForEveryKindOfWork) {
  for (const char* path : {"/v1/embeddings", "/v1/completions", "/infer"}) {
    ServiceOptions options;
    options.drain_timeout_ms = 50;
    RunningService service({.hold_after = 1, .hold_embeddings = true}, options);
    HttpClient client(service.port());
    client.send(HttpClient::post_text(path, R"({"prompt":"a","input":["a","b"]})"));
    ASSERT_TRUE(comes_true(
        [&] { return service.backend().n_submitted + service.backend().n_embedded == 1; }));
    service.core().stop();
    const HttpAnswer answer = client.read_answer();
    EXPECT_EQ(answer.status, 503) << path;
    EXPECT_TRUE(service.stop());
  }
}

TEST(Service, SaysThatItIsLoadingUntilItHasAModel) {
  ServiceCore core(ServiceOptions{.port = 0});
  ASSERT_TRUE(core.listen());
  std::thread running([&] { EXPECT_TRUE(core.run()); });
  HttpClient kept(core.port());
  for (const char* path : {"/health", "/ready", "/v1/models", "/metrics", "/"}) {
    const HttpAnswer answer = kept.get(path);
    EXPECT_EQ(answer.status, 503) << path;
    EXPECT_THAT(answer.body, HasSubstr("loading"));
    EXPECT_EQ(answer.header("retry-after"), "1");
  }
  EXPECT_EQ(kept.post("/v1/completions", R"({"prompt":"a"})").status, 503);
  core.attach(std::make_unique<FakeBackend>());
  EXPECT_TRUE(comes_true([&] { return kept.get("/health").status == 200; }));
  EXPECT_EQ(kept.post("/v1/completions", R"({"prompt":"a"})").status, 200);
  EXPECT_THAT(kept.get("/metrics").body, HasSubstr("autoglm"));
  core.stop();
  running.join();
}

TEST(Service, EndsWithoutAModel) {
  ServiceCore core(ServiceOptions{.port = 0});
  ASSERT_TRUE(core.listen());
  std::thread running([&] { EXPECT_TRUE(core.run()); });
  core.stop();
  running.join();
}

}  // namespace
}  // namespace autoglm::serve
