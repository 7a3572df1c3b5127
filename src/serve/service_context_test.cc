// Every route hands on whose a request is and where it stands in a trace, and every request is told
// to the observers from its start to its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "serve/api/sampling.h"
#include "serve/router.h"
#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using observe::RequestFailure;
using testing::ElementsAre;

constexpr const char* kTrace = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr const char* kFromOutside =
    "X-Tenant: a company\r\nX-Request-Id: own-1\r\n"
    "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

class Recorder : public observe::RequestObserver {
 public:
  void started(const RequestContext& request) override { note("started", request); }
  void first_token(const RequestContext& request) override { note("first token", request); }
  void finished(const RequestContext& request, const Usage& usage) override {
    note("finished " + std::to_string(usage.completion_tokens), request);
  }
  void failed(const RequestContext& request, const RequestFailure& failure) override {
    note("failed: " + failure.error.what + (failure.of_engine ? ", in the engine" : ""), request);
  }
  std::vector<std::string> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  std::vector<RequestContext> contexts() const {
    const std::lock_guard lock(mutex_);
    return contexts_;
  }

 private:
  void note(std::string event, const RequestContext& request) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    contexts_.push_back(request);
  }
  mutable std::mutex mutex_;
  std::vector<std::string> events_;
  std::vector<RequestContext> contexts_;
};

// A service that tells `recorder`, too.
class ObservedService {
 public:
  explicit ObservedService(FakeScript script = {}) : service_(std::move(script), {}, &recorder) {}

  HttpAnswer ask(const std::string& request) {
    HttpClient client(service_.port());
    client.send(request);
    return client.read_answer();
  }
  HttpAnswer post(std::string_view path, std::string_view body) {
    return service_.post(path, body);
  }
  void keep_response(const std::string& owner, const std::string& id) {
    service_.core().context().responses.put(owner, id, {"{}", "[]", "[]"});
  }
  FakeBackend& backend() { return service_.backend(); }
  uint16_t port() const { return service_.port(); }

  Recorder recorder;

 private:
  RunningService service_;
};

struct Asked {
  std::string path;
  std::string body;  // empty: GET
};

constexpr const char* kHelloMessages =
    R"({"max_tokens":9,"messages":[{"role":"user","content":"Hi"}]})";
constexpr const char* kHelloOllama =
    R"({"model":"tiny-fake","messages":[{"role":"user","content":"Hi"}]})";

const std::vector<Asked>& every_route() {
  static const std::vector<Asked> routes = {
      {"/", ""},
      {"/health", ""},
      {"/ready", ""},
      {"/version", ""},
      {"/metrics", ""},
      {"/v1/models", ""},
      {"/v1/models/tiny-fake", ""},
      {"/v1/organization/usage/completions?start_time=0", ""},
      {"/infer", R"({"text":"a","user":"ada"})"},
      {"/v1/chat/completions", kHello},
      {"/v1/completions", R"({"prompt":"a","user":"ada"})"},
      {"/v1/embeddings", R"({"input":"a","user":"ada"})"},
      {"/v1/responses", R"({"input":"a","user":"ada"})"},
      {"/v1/responses/input_tokens", R"({"input":"a"})"},
      {"/v1/responses/resp_1", ""},
      {"/v1/responses/resp_1/input_items", ""},
      {"/v1/messages", kHelloMessages},
      {"/v1/messages/count_tokens", kHelloMessages},
      {"/api/chat", kHelloOllama},
      {"/api/generate", R"({"model":"tiny-fake","prompt":"a"})"},
      {"/api/show", R"({"model":"tiny-fake"})"},
      {"/api/tags", ""},
      {"/api/ps", ""},
      {"/api/version", ""},
      {"/tokenize", R"({"prompt":"a"})"},
      {"/detokenize", R"({"tokens":[97]})"},
      {"/apply-template", kHello}};
  return routes;
}

TEST(RequestContexts, EveryRouteHonoursTenantTraceAndId) {
  ASSERT_EQ(every_route().size(), n_routes());  // a new route wants a line in the table
  for (const Asked& asked : every_route()) {
    ObservedService service;
    service.keep_response("a company", "resp_1");
    const std::string request =
        asked.body.empty()
            ? "GET " + asked.path + " HTTP/1.1\r\nHost: localhost\r\n" + kFromOutside + "\r\n"
            : HttpClient::post_text(asked.path, asked.body, kFromOutside);
    const HttpAnswer answer = service.ask(request);
    EXPECT_EQ(answer.status, 200) << asked.path << answer.body;
    EXPECT_EQ(answer.header("x-request-id"), "own-1") << asked.path;
    ASSERT_TRUE(comes_true([&] { return service.recorder.events().size() >= 2; })) << asked.path;
    EXPECT_EQ(service.recorder.events().front(), "started") << asked.path;
    EXPECT_TRUE(service.recorder.events().back().starts_with("finished")) << asked.path;
    for (const RequestContext& context : service.recorder.contexts()) {
      EXPECT_EQ(context.id, "own-1") << asked.path;
      EXPECT_EQ(context.route, route_label(asked.path.substr(0, asked.path.find('?'))));
      EXPECT_EQ(context.tenant, "a company") << asked.path;
      EXPECT_TRUE(context.tenant_outranks) << asked.path;
      EXPECT_EQ(context.trace.trace_id, kTrace) << asked.path;
      EXPECT_TRUE(context.trace.sampled) << asked.path;
    }
    for (const GenerationRequest& taken : service.backend().requests()) {
      EXPECT_EQ(taken.scheduling.tenant, "a company") << asked.path;
      EXPECT_EQ(taken.request_id, "own-1") << asked.path;
    }
    if (service.backend().n_embedded > 0) {
      EXPECT_EQ(service.backend().embedding_scheduling().tenant, "a company");
    }
  }
}

TEST(RequestContexts, ADeadlineOfTheTransportOutranksALaterOneOfTheBody) {
  const auto timeout = [](const char* body, const RequestContext& context) {
    const json::value parsed_body = parsed(body);
    return read_scheduling(json::Fields(parsed_body.as_object(), ""), context)->timeout_ms;
  };
  const auto now = std::chrono::steady_clock::now();
  const RequestContext soon{.deadline = now + std::chrono::seconds(60)};
  EXPECT_EQ(timeout(R"({"timeout_ms":5})", soon), 5);
  EXPECT_LE(timeout(R"({"timeout_ms":90000})", soon), 60'000);
  EXPECT_GT(timeout("{}", soon), 1);
  EXPECT_EQ(timeout("{}", {.deadline = now - std::chrono::seconds(1)}), 1);
  EXPECT_EQ(timeout("{}", {}), std::nullopt);
}

TEST(RequestObservers, AreToldOfAnAnswerFromItsStartToItsEnd) {
  for (const char* body : {R"({"prompt":"a"})", R"({"prompt":"a","stream":true})"}) {
    ObservedService service({.answer = "abc"});
    EXPECT_EQ(service.post("/v1/completions", body).status, 200);
    EXPECT_TRUE(comes_true([&] { return service.recorder.events().size() >= 3; }));
    EXPECT_THAT(service.recorder.events(), ElementsAre("started", "first token", "finished 3"));
  }
}

TEST(RequestObservers, AreToldOnceOfWhatFailed) {
  const auto told = [](FakeScript script, const char* body) {
    ObservedService service(std::move(script));
    service.post("/v1/completions", body);
    EXPECT_TRUE(comes_true([&] { return service.recorder.events().size() >= 2; }));
    return service.recorder.events();
  };
  const Error error{ErrorCode::kInternal, "no", "", "", ""};
  EXPECT_THAT(told({}, "{"), ElementsAre("started", testing::StartsWith("failed: ")));
  EXPECT_THAT(told({.refuse = error}, R"({"prompt":"a"})"), ElementsAre("started", "failed: no"));
  EXPECT_THAT(told({.answer = "a", .fail_at_end = error}, R"({"prompt":"a","stream":true})"),
              ElementsAre("started", "first token", "failed: no, in the engine"));
}

TEST(RequestObservers, AreToldOfAClientThatLeft) {
  ObservedService service({.answer = "abc", .hold_after = 1});
  {
    HttpClient client(service.port());
    client.send(HttpClient::post_text("/v1/completions", R"({"prompt":"a","stream":true})"));
    EXPECT_TRUE(comes_true([&] { return service.recorder.events().size() == 2; }));
  }
  EXPECT_TRUE(comes_true([&] { return service.recorder.events().size() == 3; }));
  EXPECT_TRUE(service.recorder.events().back().starts_with("failed: "));
}

}  // namespace
}  // namespace autoglm::serve
