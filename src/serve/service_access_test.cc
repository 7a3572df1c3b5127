// Who may call: names of the server, other origins, and what a page of another site can send
// without being asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <string>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using testing::HasSubstr;

HttpAnswer send(RunningService& service, const std::string& head, std::string_view body = "") {
  HttpClient client(service.port());
  client.send(head + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
              std::string(body));
  return client.read_answer();
}

std::string machine_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

TEST(Access, TheServerIsKnownByItsNamesAndAddressesOnly) {
  ServiceOptions options;
  options.allowed_hosts = {"chat.example.org", ".lab.example"};
  RunningService service({}, options);
  const auto status = [&](const std::string& host) {
    return send(service, "GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\n").status;
  };
  for (const std::string& host :
       {std::string("localhost"), std::string("LOCALHOST:8000"), std::string("localhost."),
        std::string("my.localhost:1"), std::string("printer.local"),
        std::string("host.docker.internal:8000"), std::string("127.0.0.1"),
        std::string("192.168.7.9:8000"), std::string("[::1]"), std::string("[fe80::1]:8000"),
        std::string("chat.example.org"), std::string("Chat.Example.Org:443"),
        std::string("a.lab.example"), std::string("a.b.lab.example:1"), std::string(""),
        machine_name(), machine_name() + ":8000"}) {
    EXPECT_EQ(status(host), 200) << host;
  }
  for (const std::string& host :
       {std::string("evil"), std::string("evil.example:8000"),
        std::string("localhost.evil.example"), std::string("evillocalhost"),
        std::string("127.0.0.1.evil.example"), std::string("chat.example.org.evil.example"),
        std::string("xchat.example.org"), std::string("lab.example"),
        std::string("evil-lab.example"), std::string("local"), std::string(".local"),
        std::string("[evil]"), std::string("127.0.0.1@evil.example"), std::string("2130706433")}) {
    const HttpAnswer answer = send(service, "GET /v1/models HTTP/1.1\r\nHost: " + host + "\r\n");
    EXPECT_EQ(answer.status, 403) << host;
    EXPECT_THAT(answer.body, HasSubstr("host_not_allowed"));
  }
  // An absolute target outranks the header.
  EXPECT_EQ(send(service, "GET http://evil/v1/models HTTP/1.1\r\nHost: localhost\r\n").status, 403);
  EXPECT_EQ(send(service, "GET http://localhost/v1/models HTTP/1.1\r\nHost: evil\r\n").status, 200);
  // A probe may use any name; it learns that the server lives.
  EXPECT_EQ(send(service, "GET /health HTTP/1.1\r\nHost: evil\r\n").status, 200);
  EXPECT_EQ(send(service, "GET /metrics HTTP/1.1\r\nHost: evil\r\n").status, 403);
}

TEST(Access, EveryNameWhereTold) {
  ServiceOptions options;
  options.allowed_hosts = {"*"};
  RunningService service({}, options);
  EXPECT_EQ(send(service, "GET /v1/models HTTP/1.1\r\nHost: any.example\r\n").status, 200);
}

TEST(Access, APreflightIsAllowedWhatItAsksFor) {
  ServiceOptions options;
  options.cors_allow_origin = "http://localhost:3000, https://chat.example";
  RunningService service({}, options);
  const std::string preflight =
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
      "Access-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization,content-type,x-stainless-os\r\n";
  for (const char* origin : {"http://localhost:3000", "https://chat.example"}) {
    const HttpAnswer answer = send(service, preflight + "Origin: " + origin + "\r\n");
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.header("access-control-allow-origin"), origin);
    EXPECT_THAT(answer.header("access-control-allow-headers"), HasSubstr("x-stainless-os"));
    EXPECT_THAT(answer.header("access-control-allow-headers"), HasSubstr("authorization"));
    EXPECT_THAT(answer.header("access-control-allow-methods"), HasSubstr("POST"));
    EXPECT_EQ(answer.header("vary"), "Origin");
  }
  for (const char* origin : {"http://evil", "http://localhost:3001", "https://localhost:3000",
                             "http://localhost:3000.evil", "null"}) {
    const HttpAnswer answer = send(service, preflight + "Origin: " + origin + "\r\n");
    EXPECT_EQ(answer.header("access-control-allow-origin"), "") << origin;
    EXPECT_EQ(answer.header("access-control-allow-headers"), "") << origin;
    EXPECT_EQ(answer.header("vary"), "Origin");
  }
}

TEST(Access, AnswersStreamsAndErrorsMayBeReadByAnAllowedOrigin) {
  ServiceOptions options;
  options.cors_allow_origin = "http://a.example";
  RunningService service({}, options);
  const std::string head =
      "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a.example\r\n"
      "Content-Type: application/json\r\n";
  for (const char* body : {R"({"prompt":"a"})", R"({"prompt":"a","stream":true})", "{"}) {
    const HttpAnswer answer = send(service, head, body);
    EXPECT_EQ(answer.header("access-control-allow-origin"), "http://a.example") << body;
    EXPECT_THAT(answer.header("access-control-expose-headers"), HasSubstr("Retry-After"));
    EXPECT_THAT(answer.header("access-control-expose-headers"), HasSubstr("X-Request-Id"));
  }
  RunningService closed;
  const HttpAnswer answer = send(closed, head, R"({"prompt":"a"})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("access-control-allow-origin"), "");
  EXPECT_EQ(answer.header("vary"), "");
}

TEST(Access, AStarAllowsEveryOrigin) {
  ServiceOptions options;
  options.cors_allow_origin = "*";
  RunningService service({}, options);
  const HttpAnswer answer =
      send(service, "GET /v1/models HTTP/1.1\r\nHost: localhost\r\nOrigin: http://b.example\r\n");
  EXPECT_EQ(answer.header("access-control-allow-origin"), "*");
}

TEST(Access, APageOfAnotherSiteCannotPostWithoutAPreflight) {
  ServiceOptions options;
  options.cors_allow_origin = "http://friend.example";
  RunningService service({}, options);
  struct Case {
    const char* type;
    const char* headers;
    int status;
  };
  const Case cases[] = {
      {"application/json", "Origin: http://evil\r\n", 200},  // asked first, and was told no
      {"application/json; charset=utf-8", "", 200},
      {"text/plain", "", 415},
      {"TEXT/PLAIN;charset=UTF-8", "Origin: http://evil\r\n", 415},
      {"multipart/form-data; boundary=x", "Origin: http://evil\r\n", 415},
      {"application/x-www-form-urlencoded", "", 200},  // curl -d
      {"", "", 200},
      {"application/x-www-form-urlencoded", "Origin: http://evil\r\n", 415},
      {"application/x-www-form-urlencoded", "Origin: null\r\n", 415},
      {"application/x-www-form-urlencoded", "Sec-Fetch-Site: cross-site\r\n", 415},
      {"application/x-www-form-urlencoded", "Sec-Fetch-Site: same-site\r\n", 415},
      {"", "Origin: http://evil\r\n", 415},
      {"application/x-www-form-urlencoded", "Origin: http://friend.example\r\n", 200},
      {"application/x-www-form-urlencoded", "Origin: http://localhost\r\n", 200},
  };
  for (const char* path : {"/v1/completions", "/infer", "/tokenize", "/v1/embeddings"}) {
    for (const Case& one : cases) {
      std::string head =
          std::string("POST ") + path + " HTTP/1.1\r\nHost: localhost\r\n" + one.headers;
      if (*one.type != '\0') head += std::string("Content-Type: ") + one.type + "\r\n";
      const HttpAnswer answer = send(service, head, R"({"prompt":"a","input":"a"})");
      EXPECT_EQ(answer.status, one.status) << path << " " << one.type << " " << one.headers;
    }
  }
}

TEST(Access, AnswersCarryTheRequestsId) {
  RunningService service;
  const HttpAnswer own = service.get("/health");
  EXPECT_THAT(own.header("x-request-id"), testing::StartsWith("req_"));
  const auto sent = [&](const std::string& id) {
    return send(service, "GET /health HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: " + id + "\r\n")
        .header("x-request-id");
  };
  EXPECT_EQ(sent("abc-123"), "abc-123");
  EXPECT_THAT(sent(std::string(200, 'x')), testing::StartsWith("req_"));
  EXPECT_THAT(sent("a b"), testing::StartsWith("req_"));
}

TEST(Access, AWrongOptionIsToldBeforeAnythingListens) {
  for (const char* origins : {"http://a\r\nX: 1", "nonsense"}) {
    ServiceOptions options;
    options.cors_allow_origin = origins;
    RunningService service({}, options);
    EXPECT_FALSE(service.listening());
  }
  ServiceOptions options;
  options.allowed_hosts = {"a\r\nb"};
  RunningService service({}, options);
  EXPECT_FALSE(service.listening());
}

}  // namespace
}  // namespace autoglm::serve
