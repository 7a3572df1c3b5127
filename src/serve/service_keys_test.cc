// Keys: which requests are answered without one. All routes, in every spelling that a client or an
// attacker may choose; the gate decides on the path that is routed, and so can be no other.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "guard/key_store.h"
#include "serve/key_rules.h"
#include "serve/router.h"
#include "support/service_fixture.h"
#include "support/state_folder.h"

namespace autoglm::serve {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kKey = "a-key-in-clear";

ServiceOptions with_key() {
  ServiceOptions options;
  options.api_keys = {kKey};
  options.state_dir = "/nonexistent/state";
  return options;
}

HttpAnswer send(RunningService& service, const std::string& method, const std::string& target,
                const std::string& headers = "") {
  HttpClient client(service.port());
  const std::string body = method == "POST" ? "{}" : "";
  client.send(method + " " + target + " HTTP/1.1\r\n" +
              (headers.find("Host:") == std::string::npos ? "Host: localhost\r\n" : "") + headers +
              (body.empty() ? "" : "Content-Type: application/json\r\nContent-Length: 2\r\n") +
              "Connection: close\r\n\r\n" + body);
  return client.read_answer(method == "HEAD");
}

const std::vector<std::string> kOpen = {"/", "/health", "/ready"};
const std::vector<std::string> kClosed = {"/version",
                                          "/metrics",
                                          "/v1/models",
                                          "/v1/models/tiny-fake",
                                          "/v1/organization/usage/completions",
                                          "/infer",
                                          "/v1/chat/completions",
                                          "/v1/completions",
                                          "/v1/embeddings",
                                          "/v1/responses",
                                          "/v1/responses/input_tokens",
                                          "/v1/responses/resp_1",
                                          "/v1/responses/resp_1/input_items",
                                          "/v1/messages",
                                          "/v1/messages/count_tokens",
                                          "/api/chat",
                                          "/api/generate",
                                          "/api/show",
                                          "/api/tags",
                                          "/api/ps",
                                          "/api/version",
                                          "/tokenize",
                                          "/detokenize",
                                          "/apply-template"};

TEST(Keys, NoRouteAnswersWithoutOne) {
  ASSERT_EQ(kOpen.size() + kClosed.size(), n_routes());  // a new route wants a line in a table
  RunningService service({}, with_key());
  for (const std::string& path : kClosed) {
    std::string upper = path;
    for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    std::string escaped = path;
    escaped.replace(escaped.rfind('/'), 1, "%2f");
    const std::vector<std::string> targets = {path,
                                              path + "/",
                                              path + "?key=1",
                                              path + "#a",
                                              "/" + path,
                                              "//localhost" + path,
                                              "http://localhost" + path,
                                              "http://localhost:1" + path,
                                              "/." + path,
                                              "/x/.." + path,
                                              "/health/.." + path,
                                              path + "/../../health",
                                              path + ";/health",
                                              path + "%00",
                                              path + "%20",
                                              escaped,
                                              "/%2e" + path,
                                              upper};
    for (const std::string& target : targets) {
      for (const char* method : {"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "X"}) {
        for (const char* headers :
             {"", "Host: 127.0.0.1/health\r\n", "Host: localhost\r\nX-Forwarded-For: 127.0.0.1\r\n",
              "X-Original-URL: /health\r\nX-Rewrite-URL: /health\r\n", "Authorization: Bearer \r\n",
              "Authorization: Basic YTpi\r\n", "Authorization: Bearer a-key-in-clea\r\n",
              "X-Api-Key: A-KEY-IN-CLEAR\r\n"}) {
          const HttpAnswer answer = send(service, method, target, headers);
          EXPECT_THAT(answer.status, AnyOf(401, 403, 400, 405, 501))
              << method << " " << target << " " << headers;
          EXPECT_NE(answer.status / 100, 2) << method << " " << target << " " << headers;
          EXPECT_THAT(answer.body, Not(HasSubstr("tiny-fake")));
        }
        // 405 would tell that there is a route: a key comes first.
        EXPECT_NE(send(service, method, path).status, 405) << method << " " << path;
      }
    }
  }
}

TEST(Keys, WithOneEverythingIsAsBefore) {
  RunningService service({}, with_key());
  for (const std::string& shown :
       {std::string("Authorization: Bearer ") + kKey, std::string("Authorization: bearer  ") + kKey,
        std::string("X-Api-Key: ") + kKey, std::string("x-api-key: ") + kKey}) {
    EXPECT_EQ(send(service, "GET", "/v1/models", shown + "\r\n").status, 200) << shown;
    EXPECT_EQ(send(service, "GET", "/metrics", shown + "\r\n").status, 200) << shown;
    EXPECT_EQ(send(service, "GET", "/none", shown + "\r\n").status, 404) << shown;
    EXPECT_EQ(send(service, "PUT", "/v1/models", shown + "\r\n").status, 405) << shown;
  }
  for (const std::string& path : kOpen) EXPECT_EQ(send(service, "GET", path).status, 200) << path;
  EXPECT_EQ(send(service, "OPTIONS", "/v1/models").status, 204);
  // No page that was led here has the key.
  EXPECT_EQ(send(service, "GET", "/v1/models",
                 "Host: gateway.example\r\nX-Api-Key: " + std::string(kKey) + "\r\n")
                .status,
            200);
}

TEST(Keys, RefusalsSayWhatToDo) {
  RunningService service({}, with_key());
  const HttpAnswer none = send(service, "GET", "/v1/models");
  EXPECT_EQ(none.status, 401);
  EXPECT_EQ(none.header("www-authenticate"), "Bearer");
  EXPECT_THAT(none.body, HasSubstr("Authorization: Bearer KEY"));
  EXPECT_THAT(none.body, HasSubstr("\"code\":\"invalid_api_key\""));
  const HttpAnswer wrong = send(service, "GET", "/v1/models", "Authorization: Bearer nobodys\r\n");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_THAT(wrong.body, HasSubstr("unknown, has expired or was revoked"));
  EXPECT_THAT(wrong.body, Not(HasSubstr("nobodys")));
}

TEST(Keys, OfTheStateFolderCountAtOnceAndByScope) {
  const StateFolder folder;
  ServiceOptions options;
  options.state_dir = folder.path;
  RunningService service({}, options);
  const auto status = [&](const std::string& path, const std::string& key) {
    return send(service, "GET", path, "Authorization: Bearer " + key + "\r\n").status;
  };
  EXPECT_EQ(status("/metrics", "anything"), 200) << "on loopback, without keys";
  const auto store = *guard::KeyStore::open(folder.path);
  const std::string asks = store->create({.name = "asks"})->text;
  const std::string reads =
      store->create({.name = "reads", .scopes = {guard::Scope::kMetrics}})->text;
  EXPECT_EQ(status("/metrics", ""), 401);
  EXPECT_EQ(status("/metrics", asks), 403);
  EXPECT_EQ(status("/metrics", reads), 200);
  EXPECT_EQ(status("/v1/models", asks), 200);
  EXPECT_EQ(status("/version", asks), 200);
  EXPECT_EQ(status("/v1/models", reads), 403);
  ASSERT_TRUE(store->revoke("asks"));
  EXPECT_EQ(status("/v1/models", asks), 401);
}

// A backup that is put back, a folder that is moved away.
TEST(Keys, CountAsTheyLieInTheFolderNow) {
  const StateFolder folder;
  ServiceOptions options;
  options.state_dir = folder.path;
  std::string key;
  {
    const auto store = *guard::KeyStore::open(folder.path);
    key = store->create({.name = "asks"})->text;
  }
  RunningService service({}, options);
  const auto status = [&] {
    return send(service, "GET", "/v1/models", "Authorization: Bearer " + key + "\r\n").status;
  };
  EXPECT_EQ(status(), 200);
  const std::string database = folder.path + "/autoglm.db";
  std::filesystem::copy_file(database, folder.path + "/copy");
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(database + end);
  EXPECT_EQ(status(), 503);
  EXPECT_EQ(send(service, "GET", "/v1/models").status, 401);
  std::filesystem::rename(folder.path + "/copy", database);
  EXPECT_EQ(status(), 200);
  ASSERT_TRUE((*guard::KeyStore::open(folder.path))->revoke("asks"));
  EXPECT_EQ(status(), 401);
}

TEST(Keys, WhatAProxyPassedOnNeedsOneOnLoopbackToo) {
  const StateFolder folder;
  ServiceOptions options;
  options.state_dir = folder.path;
  for (const char* header : {"Forwarded: for=127.0.0.1", "X-Forwarded-For: 127.0.0.1",
                             "x-forwarded-proto: https", "X-Real-IP: ::1"}) {
    const std::string line = std::string(header) + "\r\n";
    for (const bool trusted : {false, true}) {
      options.no_auth = false;
      if (trusted) options.trusted_proxies = {"127.0.0.1"};
      RunningService service({}, options);
      for (const std::string& path : kClosed) {
        const HttpAnswer answer = send(service, "GET", path, line);
        EXPECT_EQ(answer.status, 401) << path << " " << header;
        EXPECT_THAT(answer.body, HasSubstr("autoglm key create"));
      }
      EXPECT_EQ(send(service, "GET", "/health", line).status, 200);
      EXPECT_EQ(send(service, "GET", "/v1/models").status, 200);
    }
    options.no_auth = true;
    RunningService open({}, options);
    EXPECT_EQ(send(open, "GET", "/v1/models", line).status, 200);
  }
}

TEST(Keys, AnAddressThatOthersReachGetsOne) {
  const StateFolder folder;
  ServiceOptions options;
  options.state_dir = folder.path;
  options.host = "0.0.0.0";
  std::string notice;
  {
    const auto rules = key_rules(options);
    ASSERT_TRUE(rules) << rules.error().message();
    notice = rules->notice;
    EXPECT_THAT(notice, HasSubstr("aglm_"));
    EXPECT_THAT(notice, HasSubstr(folder.path + "/api-key"));
  }
  auto again = key_rules(options);
  ASSERT_TRUE(again);
  EXPECT_THAT(again->notice, Not(HasSubstr("aglm_"))) << "told once";
  EXPECT_TRUE(again->gate.closed());
  const std::string key = notice.substr(notice.find("aglm_"), 63);
  EXPECT_TRUE(
      std::holds_alternative<guard::Principal>(again->gate.admit(key, guard::Scope::kInference)));
  options.no_auth = true;
  auto open = key_rules(options);
  ASSERT_TRUE(open);
  EXPECT_FALSE(open->gate.closed());
  EXPECT_THAT(open->notice, HasSubstr("whoever reaches 0.0.0.0"));
}

}  // namespace
}  // namespace autoglm::serve
