// The load generator against our own service, and against servers that break every promise.
#include "cli/load/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <set>

#include "cli/load/probe.h"
#include "cli/load/report.h"
#include "support/scripted_server.h"
#include "support/service_fixture.h"

namespace autoglm::load {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using Then = ScriptedReply::Then;

class Load {
 public:
  explicit Load(const std::string& url)
      : client_(std::move(*HttpClient::make(context_, *parse_url(url)))) {}

  Result<RequestForm> probe_server(RequestForm form = {}, ProbeOptions options = {}) {
    form.vocab_size = 0;
    return probe(context_, *client_, std::move(form), options);
  }

  Measured run(const RequestForm& form, RunOptions options) {
    Measured measured{.url = client_->endpoint().url(), .form = form, .options = options};
    measured.run = run_load(context_, *client_, measured.form, measured.options, {});
    measured.summary = summarize(measured.run, measured.objective);
    return measured;
  }

 private:
  boost::asio::io_context context_{1};
  std::unique_ptr<HttpClient> client_;
};

RunOptions clients(int64_t n, int64_t conversations) {
  RunOptions options{.max_concurrency = n, .n_conversations = conversations};
  options.workload.input = LengthDistribution::fixed(20);
  options.workload.output = LengthDistribution::fixed(5);
  return options;
}

std::string url_of(const serve::RunningService& service) {
  return "http://127.0.0.1:" + std::to_string(service.port());
}

TEST(LoadOnOurService, FindsOutWhatTheServerTakes) {
  serve::RunningService service;
  Load load(url_of(service));
  const Result<RequestForm> form = load.probe_server();
  ASSERT_TRUE(form) << form.error().message();
  EXPECT_EQ(form->model, "tiny-fake");
  EXPECT_TRUE(form->token_ids);
  EXPECT_EQ(form->vocab_size, 258);
  // A byte is a token there: a word of five letters and its space are about six.
  const Result<RequestForm> text = load.probe_server({}, {.prompts = PromptForm::kText});
  ASSERT_TRUE(text);
  EXPECT_NEAR(text->tokens_per_word, 6, 1);
  const Result<RequestForm> chat = load.probe_server({.path = "/v1/chat/completions"});
  ASSERT_TRUE(chat);
  EXPECT_FALSE(chat->token_ids);
  EXPECT_GT(chat->tokens_around, 10);  // <user>...<end><assistant>
}

TEST(LoadOnOurService, ClosedLoopSendsEverythingAndCountsByUsage) {
  serve::RunningService service({.endless = true, .pause = std::chrono::microseconds(200)});
  Load load(url_of(service));
  const Measured measured = load.run(*load.probe_server(), clients(4, 24));
  const Summary& s = measured.summary;
  EXPECT_EQ(s.completed, 24);
  EXPECT_EQ(s.failed, 0) << table(measured);
  EXPECT_EQ(s.output_tokens, 24 * 5);
  EXPECT_EQ(s.input_tokens, 24 * 20);
  EXPECT_EQ(s.with_usage, 24);
  EXPECT_EQ(s.peak_concurrency, 4);
  EXPECT_EQ(s.itl_ms.n, 24 * 4);
  EXPECT_LE(s.ttft_ms.max, s.e2el_ms.max);
  std::set<int64_t> numbers;
  for (const Observation& seen : measured.run.observations) numbers.insert(seen.conversation);
  EXPECT_THAT(numbers, SizeIs(24));
}

TEST(LoadOnOurService, OpenLoopKeepsToItsArrivals) {
  serve::RunningService service;
  Load load(url_of(service));
  RunOptions options = clients(0, 40);
  options.request_rate = 400;
  const Measured measured = load.run(*load.probe_server(), options);
  EXPECT_EQ(measured.summary.completed, 40);
  double arrival_s = 0;
  std::map<int64_t, double> starts;
  for (const Observation& seen : measured.run.observations) {
    EXPECT_GE(seen.start_s, seen.arrival_s);
    starts[seen.conversation] = seen.arrival_s;
  }
  for (int64_t i = 0; i < 40; ++i) {
    arrival_s += arrival_gap_s(options, i);
    EXPECT_DOUBLE_EQ(starts[i], arrival_s);
  }
}

TEST(LoadOnOurService, ConversationsCarryTheAnswersOn) {
  serve::RunningService service({.answer = "said"});
  Load load(url_of(service));
  RunOptions options = clients(2, 3);
  options.workload.turns = 3;
  const RequestForm form = *load.probe_server({.path = "/v1/chat/completions"});
  const Measured measured = load.run(form, options);
  EXPECT_EQ(measured.summary.completed, 9) << table(measured);
  const std::string context = service.backend().last_context();
  EXPECT_THAT(context, HasSubstr(R"("role":"assistant","content":"said")"));
}

TEST(LoadOnOurService, ADurationEndsTheLoad) {
  serve::RunningService service;
  Load load(url_of(service));
  RunOptions options = clients(3, std::numeric_limits<int64_t>::max());
  options.duration_s = 0.2;
  const Measured measured = load.run(*load.probe_server(), options);
  EXPECT_GT(measured.summary.completed, 3);
  EXPECT_EQ(measured.summary.failed, 0);
}

std::string event(const std::string& data) { return chunk_of("data: " + data + "\n\n"); }

std::string good_answer() {
  return kSseHead + event(R"({"choices": [{"text": "a"}]})") +
         event(R"({"choices": [{"text": "b", "finish_reason": "length"}]})") + event("[DONE]") +
         "0\r\n\r\n";
}

// One request against a server that answers so.
Summary measured_against(ScriptedReply reply, double timeout_s = 5) {
  ScriptedServer server([reply](const std::string&) { return reply; });
  Load load(server.url());
  RunOptions options = clients(1, 1);
  options.request_timeout_s = timeout_s;
  return load.run({.token_ids = true}, options).summary;
}

std::map<std::string, int64_t> errors_of(ScriptedReply reply, double timeout_s = 5) {
  return measured_against(std::move(reply), timeout_s).errors;
}

TEST(LoadOnABrokenServer, CountsTokensByPiecesWithoutUsage) {
  const Summary s = measured_against({.pieces = {good_answer()}});
  EXPECT_EQ(s.completed, 1);
  EXPECT_EQ(s.output_tokens, 2);
  EXPECT_EQ(s.input_tokens, 20);
  EXPECT_EQ(s.with_usage, 0);
}

TEST(LoadOnABrokenServer, EachFailureIsCountedByItsKind) {
  const std::string half = kSseHead + event(R"({"choices": [{"text": "a"}]})");
  using testing::ElementsAre;
  EXPECT_THAT(errors_of({.pieces = {half}, .then = Then::kReset}),
              ElementsAre(Pair("connection lost", 1)));
  EXPECT_THAT(errors_of({.pieces = {half}, .then = Then::kClose}),
              ElementsAre(Pair("connection lost", 1)));
  EXPECT_THAT(errors_of({.then = Then::kClose}), ElementsAre(Pair("connection lost", 1)));
  EXPECT_THAT(errors_of({.then = Then::kReset}), ElementsAre(Pair("connection lost", 1)));
  EXPECT_THAT(errors_of({.pieces = {half + "0\r\n\r\n"}}), ElementsAre(Pair("cut short", 1)));
  EXPECT_THAT(errors_of({.pieces = {http_answer("200 OK", "")}}),
              ElementsAre(Pair("cut short", 1)));
  EXPECT_THAT(errors_of({.pieces = {half}, .then = Then::kHang}, 0.2),
              ElementsAre(Pair("timeout", 1)));
  EXPECT_THAT(errors_of({.then = Then::kHang}, 0.2), ElementsAre(Pair("timeout", 1)));
  EXPECT_THAT(errors_of({.pieces = {"\x16\x03\x01 this is not HTTP\r\n\r\n"}}),
              ElementsAre(Pair("malformed http", 1)));
  EXPECT_THAT(errors_of({.pieces = {kSseHead + "zzz\r\n"}, .then = Then::kClose}),
              ElementsAre(Pair("malformed http", 1)));
  EXPECT_THAT(errors_of({.pieces = {kSseHead + event("{broken") + "0\r\n\r\n"}}),
              ElementsAre(Pair("malformed stream", 1)));
  EXPECT_THAT(
      errors_of({.pieces = {half + event(R"({"error": {"message": "no"}})") + "0\r\n\r\n"}}),
      ElementsAre(Pair("error in the stream", 1)));
  EXPECT_THAT(errors_of({.pieces = {http_answer("429 Too Many Requests", "{}")}}),
              ElementsAre(Pair("http status 429", 1)));
  EXPECT_THAT(errors_of({.pieces = {http_answer("500 Oops", "x")}}),
              ElementsAre(Pair("http status 500", 1)));
}

TEST(LoadOnABrokenServer, NobodyListeningIsAFailureToo) {
  uint16_t port = 0;
  {
    ScriptedServer server([](const std::string&) { return ScriptedReply(); });
    port = server.port();
  }
  Load load("http://127.0.0.1:" + std::to_string(port));
  EXPECT_THAT(load.run({.token_ids = true}, clients(2, 4)).summary.errors,
              testing::ElementsAre(Pair("no connection", 4)));
}

TEST(LoadOnABrokenServer, GoodAnswersAmongBadOnesAreMeasured) {
  std::atomic<int> n{0};
  ScriptedServer server([&n](const std::string&) -> ScriptedReply {
    if (++n % 3 == 0) return {.pieces = {kSseHead}, .then = Then::kReset};
    return {.pieces = {good_answer()}};
  });
  Load load(server.url());
  const Measured measured = load.run({.token_ids = true}, clients(4, 30));
  EXPECT_EQ(measured.summary.completed, 20);
  EXPECT_THAT(measured.summary.errors, testing::ElementsAre(Pair("connection lost", 10)));
  EXPECT_THAT(table(measured), HasSubstr("10 x connection lost"));
}

TEST(LoadOnABrokenServer, AClientThatIsToldToComeBackLaterWaits) {
  std::atomic<int> n{0};
  ScriptedServer server([&n](const std::string&) -> ScriptedReply {
    if (++n == 1) {
      return {.pieces = {http_answer("429 Too Many Requests", R"({"error": "queue full"})",
                                     "Retry-After: 0.3\r\n")}};
    }
    return {.pieces = {good_answer()}};
  });
  Load load(server.url());
  const Measured measured = load.run({.token_ids = true}, clients(1, 2));
  ASSERT_THAT(measured.run.observations, SizeIs(2));
  EXPECT_EQ(measured.run.observations[0].detail, "queue full");
  EXPECT_GE(measured.run.observations[1].start_s, 0.3);
}

TEST(LoadOnABrokenServer, AConnectionThatWasClosedWhileItRestedIsNoError) {
  // Every answer is whole, and its connection ends after it without a word.
  ScriptedServer server([](const std::string&) -> ScriptedReply {
    return {.pieces = {good_answer()}, .then = Then::kClose};
  });
  Load load(server.url());
  const Measured measured = load.run({.token_ids = true}, clients(2, 20));
  EXPECT_EQ(measured.summary.completed, 20) << table(measured);
}

TEST(LoadOnABrokenServer, KeepsConnectionsWhereTheServerDoes) {
  ScriptedServer server(
      [](const std::string&) -> ScriptedReply { return {.pieces = {good_answer()}}; });
  Load load(server.url());
  EXPECT_EQ(load.run({.token_ids = true}, clients(3, 30)).summary.completed, 30);
  EXPECT_EQ(server.n_connections, 3);
}

TEST(Probe, AServerThatTakesNoIdsIsAskedInWords) {
  ScriptedServer server([](const std::string& request) -> ScriptedReply {
    if (request.starts_with("GET /v1/models")) {
      return {.pieces = {http_answer("200 OK", R"({"data": [{"id": "other"}]})")}};
    }
    const json::value body = *json::parse(request.substr(request.find("\r\n\r\n") + 4), "body");
    if (body.at("prompt").is_array()) {
      return {.pieces = {http_answer("422 Unprocessable", R"({"detail": "a string"})")}};
    }
    const std::string prompt(body.at("prompt").as_string());
    const auto words = 1 + std::count(prompt.begin(), prompt.end(), ' ');
    return {.pieces = {http_answer("200 OK", R"({"usage": {"prompt_tokens": )" +
                                                 std::to_string(words * 2 + 3) + "}}")}};
  });
  Load load(server.url());
  const Result<RequestForm> form = load.probe_server();
  ASSERT_TRUE(form) << form.error().message();
  EXPECT_EQ(form->model, "other");
  EXPECT_FALSE(form->token_ids);
  EXPECT_DOUBLE_EQ(form->tokens_per_word, 2);
  EXPECT_DOUBLE_EQ(form->tokens_around, 3);
  EXPECT_EQ(form->words_for(100), 50);
  const Result<RequestForm> ids = load.probe_server({}, {.prompts = PromptForm::kTokenIds});
  ASSERT_FALSE(ids);
  EXPECT_THAT(ids.error().message(), HasSubstr("422 a string"));
}

TEST(Reports, HoldNoPromptsAndEscapeWhatServersSay) {
  ScriptedServer server([](const std::string&) -> ScriptedReply {
    return {.pieces = {http_answer("400 Bad", R"({"error": "<script>alert(1)</script>"})")}};
  });
  Load load(server.url());
  Measured measured = load.run({.model = "<b>", .token_ids = true}, clients(1, 2));
  measured.objective = {.ttft_ms = 100};
  const json::object report = to_json(measured, Detail::kRequests);
  EXPECT_EQ(report.at("failed"), 2);
  EXPECT_EQ(report.at("errors").at("http status 400").at("count"), 2);
  EXPECT_THAT(report.at("requests").as_array(), SizeIs(2));
  EXPECT_EQ(report.at("request_rate"), "inf");
  const std::string page = html({measured});
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("http-equiv")));
  EXPECT_THAT(page, HasSubstr("<svg"));
}

}  // namespace
}  // namespace autoglm::load
