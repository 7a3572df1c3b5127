// The HTTP server by itself, over real sockets: framing, limits, slow and vanishing clients, drain.
#include "serve/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <new>
#include <thread>
#include <vector>

#include "serve/http/listening_host.h"
#include "support/http_client.h"

namespace autoglm::serve {
namespace {

using testing::HasSubstr;

// Waits for something another thread does; false after ten seconds.
template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 5000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return false;
}

// Answers /echo with method and body, /later when told, /stream in pieces when told, /flood without
// end.
class TestServer : public HttpObserver {
 public:
  explicit TestServer(ServerOptions options = {}) {
    ServerHooks hooks;
    hooks.handle = [this](Request request, std::shared_ptr<Exchange> exchange) {
      handle(std::move(request), std::move(exchange));
    };
    hooks.refusal_body = [](int, std::string_view message) { return std::string(message); };
    hooks.observer = this;
    hooks.on_drain_limit = [this] {
      drain_limit_reached = true;
      if (kept) kept->respond({.status = 503, .body = "cut"});
    };
    server = std::make_unique<HttpServer>(options, std::move(hooks));
    EXPECT_TRUE(server->listen());
    thread = std::thread([this] { ran = server->run().has_value(); });
  }
  ~TestServer() override { stop(); }
  void request_done(std::string_view, std::string_view, int status, double) override {
    n_given_up += status == 499;
  }
  bool stop() {
    if (thread.joinable()) {
      server->stop();
      thread.join();
    }
    kept.reset();
    return ran;
  }
  uint16_t port() const { return server->port(); }

  void handle(Request request, std::shared_ptr<Exchange> exchange) {
    ++n_requests;
    exchange->on_client_gone([this] { ++n_gone; });
    if (request.path == "/later" || request.path == "/stream") {
      if (request.path == "/stream") {
        exchange->start_stream({.content_type = "text/event-stream", .body = "begin "});
      }
      kept = exchange;
      has_kept = true;
    } else if (request.path == "/large") {
      exchange->respond({.body = std::string(8 << 20, 'x')});
    } else if (request.path == "/throw") {
      throw std::bad_alloc();
    } else if (request.path == "/throw-later") {
      exchange->post([exchange] {
        exchange->respond({.status = 503});
        throw std::bad_alloc();
      });
    } else if (request.path == "/keep") {
      kept_body = request.held;
    } else if (request.path == "/flood") {
      exchange->start_stream({});
      flood(exchange);
    } else {
      exchange->respond({.content_type = "text/plain",
                         .body = request.method + " " + request.target + " " + request.body});
    }
  }
  void flood(std::shared_ptr<Exchange> exchange) {
    if (n_gone > 0) return;
    exchange->write(std::string(64 << 10, 'x'));
    n_flooded += 64 << 10;
    exchange->post([this, exchange] { flood(exchange); });
  }

  std::unique_ptr<HttpServer> server;
  std::thread thread;
  bool ran = false;
  std::atomic<int> n_requests{0};
  std::atomic<int> n_gone{0};
  std::atomic<int> n_given_up{0};
  std::atomic<int64_t> n_flooded{0};
  std::atomic<bool> has_kept{false};
  std::atomic<bool> drain_limit_reached{false};
  std::shared_ptr<Exchange> kept;
  std::shared_ptr<const void> kept_body;
};

TEST(HttpServer, AnswersManyRequestsOnOneConnection) {
  TestServer server;
  HttpClient client(server.port());
  for (int i = 0; i < 5; ++i) {
    const HttpAnswer answer = client.post("/echo", "body" + std::to_string(i));
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "POST /echo body" + std::to_string(i));
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  HttpClient client(server.port());
  std::string all;
  for (int i = 0; i < 20; ++i) all += HttpClient::post_text("/echo", std::to_string(i));
  client.send(all);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(client.read_answer().body, "POST /echo " + std::to_string(i));
  }
}

TEST(HttpServer, TakesRequestsByteByByte) {
  TestServer server;
  HttpClient client(server.port());
  for (const char c : HttpClient::post_text("/echo", "slow")) client.send(std::string(1, c));
  EXPECT_EQ(client.read_answer().body, "POST /echo slow");
}

TEST(HttpServer, JoinsChunkedBodies) {
  TestServer server;
  HttpClient client(server.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n");
  EXPECT_EQ(client.read_answer().body, "POST /echo abcdefg");
  EXPECT_EQ(client.get("/after").body, "GET /after ");
}

TEST(HttpServer, SaysContinueBeforeTheBody) {
  TestServer server;
  HttpClient client(server.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 100);
  client.send("abc");
  EXPECT_EQ(client.read_answer().body, "POST /echo abc");
}

TEST(HttpServer, RefusesTheBodyInsteadOfContinuingWhenItIsTooLarge) {
  TestServer server({.parser = {.max_body_bytes = 100}});
  HttpClient client(server.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 413);
}

TEST(HttpServer, RefusesLargeBodiesWhichArriveInChunks) {
  TestServer server({.parser = {.max_body_bytes = 10}});
  HttpClient client(server.port());
  client.send(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 413);
  EXPECT_TRUE(client.receive_all());
}

TEST(HttpServer, AnswersATooLargeBodyThatIsStillBeingSent) {
  TestServer server({.parser = {.max_body_bytes = 1000}});
  HttpClient client(server.port());
  client.send(HttpClient::post_text("/echo", std::string(1 << 20, 'x')));
  const HttpAnswer answer = client.read_answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.header("connection"), "close");
}

TEST(HttpServer, RefusesHeadersOverTheLimit) {
  TestServer server({.parser = {.max_header_bytes = 1024}});
  HttpClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(2000, 'x') + "\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 431);
}

TEST(HttpServer, RefusesALineThatNeverEnds) {
  TestServer server({.parser = {.max_header_bytes = 1024}});
  HttpClient client(server.port());
  client.send("GET /" + std::string(100'000, 'x'));
  EXPECT_EQ(client.read_answer().status, 431);
  EXPECT_TRUE(client.receive_all());
}

TEST(HttpServer, TurnsConnectionsAwayAtTheLimit) {
  TestServer server({.max_connections = 2});
  HttpClient first(server.port());
  HttpClient second(server.port());
  EXPECT_EQ(first.get("/a").status, 200);
  EXPECT_EQ(second.get("/a").status, 200);
  HttpClient third(server.port());
  third.receive_all();
  EXPECT_THAT(third.buffer(), HasSubstr("503"));
  EXPECT_EQ(first.get("/a").status, 200);
  first.close();
  EXPECT_TRUE(comes_true([&] { return HttpClient(server.port()).get("/a").status == 200; }));
}

TEST(HttpServer, TellsAClientThatSendsTooSlowly) {
  TestServer server({.read_timeout_ms = 100});
  HttpClient client(server.port());
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  EXPECT_EQ(client.read_answer().status, 408);
  EXPECT_TRUE(client.receive_all());
}

TEST(HttpServer, ClosesConnectionsThatStayIdle) {
  TestServer server({.idle_timeout_ms = 100});
  HttpClient client(server.port());
  EXPECT_EQ(client.get("/a").status, 200);
  EXPECT_TRUE(client.receive_all());
  EXPECT_EQ(client.buffer(), "");
}

TEST(HttpServer, GivesUpOnAClientThatReadsNothing) {
  TestServer server({.write_timeout_ms = 100});
  HttpClient client(server.port());
  client.shrink_receive_buffer();
  client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(comes_true([&] { return server.n_gone == 1; }));
}

TEST(HttpServer, HoldsAStreamForASlowClientUpToALimit) {
  TestServer server({.max_unsent_bytes = 1 << 20});
  HttpClient client(server.port());
  client.shrink_receive_buffer();
  client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(comes_true([&] { return server.n_gone == 1; }));
  EXPECT_GT(server.n_flooded, 1 << 20);
  EXPECT_LT(server.n_flooded, 16 << 20);  // the limit and what the kernel holds
}

TEST(HttpServer, HoldsStreamsForSlowClientsUpToALimitTogether) {
  TestServer server({.max_unsent_bytes_together = 1 << 20});
  HttpClient slow(server.port());
  HttpClient other(server.port());
  EXPECT_EQ(other.get("/a").status, 200);
  slow.shrink_receive_buffer();
  slow.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(comes_true([&] { return server.n_gone == 1; }));
  EXPECT_LT(server.n_flooded, 16 << 20);
  EXPECT_EQ(other.get("/b").status, 200);
}

TEST(HttpServer, NoticesAClientThatLeavesWhileItWaits) {
  TestServer server;
  HttpClient client(server.port());
  client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(comes_true([&] { return server.has_kept.load(); }));
  EXPECT_EQ(server.n_gone, 0);
  client.close();
  EXPECT_TRUE(comes_true([&] { return server.n_gone == 1; }));
}

TEST(HttpServer, NoticesAClientThatLeavesAStream) {
  TestServer server;
  HttpClient client(server.port());
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(client.receive_until("begin "));
  client.close();
  EXPECT_TRUE(comes_true([&] { return server.n_gone == 1; }));
}

TEST(HttpServer, StreamsPiecesAsTheyCome) {
  TestServer server;
  HttpClient client(server.port());
  client.send("GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(client.receive_until("begin "));
  server.kept->write("middle ");
  ASSERT_TRUE(client.receive_until("middle "));
  server.kept->write("end");
  server.kept->end_stream();
  const HttpAnswer answer = client.read_answer();
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body, "begin middle end");
  EXPECT_EQ(client.get("/next").status, 200);
  EXPECT_EQ(server.n_gone, 0);
}

TEST(HttpServer, StreamsToHttp10UntilTheConnectionEnds) {
  TestServer server;
  HttpClient client(server.port());
  client.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  ASSERT_TRUE(client.receive_until("begin "));
  server.kept->end_stream();
  const HttpAnswer answer = client.read_answer();
  EXPECT_EQ(answer.body, "begin ");
  EXPECT_EQ(answer.header("transfer-encoding"), "");
}

TEST(HttpServer, ClosesWhenTheClientAsksForIt) {
  TestServer server;
  HttpClient client(server.port());
  client.send("GET /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_TRUE(client.receive_all());
}

TEST(HttpServer, AnswersAClientThatHasFinishedSending) {
  TestServer server;
  HttpClient client(server.port());
  client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
  client.close_sending();
  EXPECT_EQ(client.read_answer().status, 200);
}

TEST(HttpServer, AnswersAClientThatHasFinishedSendingHoweverLongItTakes) {
  TestServer server;
  HttpClient client(server.port());
  client.send(
      "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
      "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
  client.close_sending();
  EXPECT_EQ(client.read_answer().status, 100);  // the server asks whether anyone listens
  EXPECT_EQ(server.n_gone, 0);
  server.kept->respond({.body = "done"});
  HttpAnswer answer = client.read_answer();
  while (answer.status == 100) answer = client.read_answer();
  EXPECT_EQ(answer.body, "done");
  ASSERT_TRUE(client.receive_until("begin "));
  ASSERT_TRUE(client.receive_until(":\n\n"));
  server.kept->end_stream();
  answer = client.read_answer();
  EXPECT_TRUE(answer.whole);
  EXPECT_TRUE(answer.body.starts_with("begin :\n\n"));
  EXPECT_TRUE(client.receive_all());
  EXPECT_EQ(server.n_gone, 0);
}

TEST(HttpServer, NoticesAClientThatLeavesAfterItHasFinishedSending) {
  TestServer server;
  HttpClient client(server.port());
  client.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  client.close_sending();
  EXPECT_EQ(client.read_answer().status, 100);
  EXPECT_EQ(server.n_gone, 0);
  client.close();
  EXPECT_TRUE(comes_true([&] { return server.n_gone == 1; }));
}

TEST(HttpServer, GivesHeadNoBody) {
  TestServer server;
  HttpClient client(server.port());
  client.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const HttpAnswer answer = client.read_answer(true);
  EXPECT_EQ(answer.header("content-length"), "8");
  EXPECT_EQ(client.get("/b").body, "GET /b ");
}

TEST(HttpServer, DrainsRunningAnswersAndThenEnds) {
  TestServer server;
  HttpClient running(server.port());
  HttpClient idle(server.port());
  EXPECT_EQ(idle.get("/a").status, 200);
  running.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(comes_true([&] { return server.has_kept.load(); }));
  server.server->stop();
  ASSERT_TRUE(comes_true([&] { return server.server->draining(); }));
  ASSERT_TRUE(comes_true([&] { return !HttpClient(server.port()).connected(); }));
  // Connections that are open may still ask whether the server is ready.
  EXPECT_EQ(idle.get("/a").status, 200);
  server.kept->respond({.body = "done"});
  const HttpAnswer answer = running.read_answer();
  EXPECT_EQ(answer.body, "done");
  EXPECT_EQ(answer.header("connection"), "close");
  EXPECT_TRUE(server.stop());
  EXPECT_FALSE(server.drain_limit_reached);
}

TEST(HttpServer, CutsAnswersThatOutlastTheDrain) {
  TestServer server({.drain_timeout_ms = 50});
  HttpClient running(server.port());
  running.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(comes_true([&] { return server.has_kept.load(); }));
  server.server->stop();
  EXPECT_EQ(running.read_answer().body, "cut");
  EXPECT_TRUE(server.stop());
  EXPECT_TRUE(server.drain_limit_reached);
}

TEST(HttpServer, DoesNotWaitLongForAHalfRequestWhileDraining) {
  TestServer server;  // by itself it would wait half a minute
  HttpClient half(server.port());
  half.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
  HttpClient(server.port()).get("/a");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(server.stop());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(15));
  EXPECT_FALSE(server.drain_limit_reached);
}

TEST(HttpServer, DrainsOnSigterm) {
  TestServer server;
  EXPECT_EQ(HttpClient(server.port()).get("/a").status, 200);  // run() watches signals by now
  ::raise(SIGTERM);
  server.thread.join();
  EXPECT_TRUE(server.ran);
}

TEST(HttpServer, EndsOnASignalThatCameBeforeItRan) {
  HttpServer server({}, {});
  ASSERT_TRUE(server.listen());
  ::raise(SIGTERM);
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(server.draining());
}

TEST(HttpServer, NamesTheAddressThatIsTaken) {
  TestServer first;
  HttpServer second({.port = first.port()}, {});
  const Result<void> listening = second.listen();
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().code, ErrorCode::kIo);
  EXPECT_THAT(listening.error().message(), HasSubstr("127.0.0.1:" + std::to_string(first.port())));
  EXPECT_THAT(listening.error().message(), HasSubstr("in use"));
}

// Who types "0" or "*" learns how to say "all addresses"; nothing listens on all by an accident of
// the resolver's.
TEST(HttpServer, TakesAnAddressInFullOrANameAndNothingElse) {
  const std::vector<std::pair<std::string, std::string>> right = {
      {"127.0.0.1", "127.0.0.1"},
      {"0.0.0.0", "0.0.0.0"},
      {"localhost", "localhost"},
      {"a.example", "a.example"},
      {"::1", "::1"},
      {"[::1]", "::1"},
      {"[::]", "::"},
      {"fe80::1%lo", "fe80::1%lo"},
      {"::ffff:1.2.3.4", "::ffff:1.2.3.4"}};
  for (const auto& [host, expected] : right) {
    const Result<std::string> read = listening_host(host);
    ASSERT_TRUE(read) << host << read.error().message();
    EXPECT_EQ(*read, expected);
  }
  for (const char* host : {"", "0", "1", "*", "127.1", "0x7f000001", "1.2.3.4.5", " ", "a b"}) {
    const Result<std::string> read = listening_host(host);
    ASSERT_FALSE(read) << host;
    EXPECT_THAT(read.error().message(), HasSubstr("0.0.0.0 for all addresses")) << host;
    EXPECT_FALSE(HttpServer({.host = host}, {}).listen()) << host;
  }
  for (const char* host :
       {"localhost:8000", "127.0.0.1:80", "http://localhost", "[::1]:80", "a/b"}) {
    const Result<std::string> read = listening_host(host);
    ASSERT_FALSE(read) << host;
    EXPECT_THAT(read.error().message(), HasSubstr("port is a setting of its own")) << host;
  }
  for (const char* host : {"[localhost]", "[127.0.0.1]", "[]", "[", "::1::"}) {
    EXPECT_FALSE(listening_host(host)) << host;
  }
}

TEST(HttpServer, NamesTheHostThatIsUnknown) {
  HttpServer server({.host = "999.999.1.1"}, {});
  const Result<void> listening = server.listen();
  ASSERT_FALSE(listening);
  EXPECT_THAT(listening.error().message(), HasSubstr("999.999.1.1"));
}

TEST(HttpServer, AnEmptyHostIsRefusedNotAllAddresses) {
  HttpServer server(ServerOptions{.host = ""}, {});
  const Result<void> listening = server.listen();
  ASSERT_FALSE(listening);
  EXPECT_EQ(listening.error().where, "host");
}

// Whole answers as streams: the slowest are given up, and who reads gets its answer.
TEST(HttpServer, HoldsWholeAnswersForSlowClientsUpToALimitTogether) {
  constexpr size_t kEach = 8 << 20;
  TestServer server(ServerOptions{.max_unsent_bytes_together = 3 * kEach});
  std::vector<std::unique_ptr<HttpClient>> slow;
  for (int i = 0; i < 8; ++i) {
    slow.push_back(std::make_unique<HttpClient>(server.port()));
    slow.back()->shrink_receive_buffer();
    slow.back()->send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    ASSERT_TRUE(slow.back()->receive_until("\r\n\r\n"));
  }
  HttpClient good(server.port());
  const HttpAnswer answer = good.get("/large");
  EXPECT_TRUE(answer.whole);
  EXPECT_EQ(answer.body.size(), kEach);
  EXPECT_TRUE(comes_true([&] { return server.n_given_up >= 2; }));
  EXPECT_LT(server.n_given_up, 8);
}

TEST(HttpServer, ARequestWhoseHandlerThrowsIsAnsweredAndTheOthersGoOn) {
  TestServer server;
  HttpClient client(server.port());
  EXPECT_EQ(client.get("/throw").status, 503);
  EXPECT_EQ(client.get("/after").body, "GET /after ");
  HttpClient(server.port()).get("/throw-later");
  EXPECT_EQ(HttpClient(server.port()).get("/still").body, "GET /still ");
}

// The bound on bodies is on what the server holds, not on who waits for it.
TEST(HttpServer, CountsABodyForAsLongAsItIsKept) {
  TestServer server(ServerOptions{.max_buffered_bytes = 1000});
  {
    HttpClient client(server.port());
    client.send(HttpClient::post_text("/keep", std::string(900, 'x')));
    ASSERT_TRUE(comes_true([&] { return server.n_requests == 1; }));
  }
  ASSERT_TRUE(comes_true([&] { return server.n_gone == 1; }));
  EXPECT_EQ(HttpClient(server.port()).post("/echo", std::string(900, 'x')).status, 503);
  server.kept_body.reset();
  EXPECT_EQ(HttpClient(server.port()).post("/echo", std::string(900, 'x')).status, 200);
}

}  // namespace
}  // namespace autoglm::serve
