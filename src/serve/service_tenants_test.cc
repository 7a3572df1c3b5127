// Tenants over HTTP: what each key's tenant may have, what it is told of that, and what of its use
// is kept, whatever end a request comes to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "guard/key_store.h"
#include "guard/tenant_store.h"
#include "guard/usage_store.h"
#include "support/service_fixture.h"
#include "support/state_folder.h"

namespace autoglm::serve {
namespace {

using guard::TenantLimits;
using testing::HasSubstr;
using testing::Not;

// A service whose state folder has a key of the tenant "law", and one of an administrator's.
class TenantService {
 public:
  explicit TenantService(const TenantLimits& limits, FakeScript script = {},
                         const std::string& zone = "UTC") {
    store = *guard::KeyStore::open(folder.path);
    key = store->create({.tenant = "law", .name = "law"})->text;
    admin = store->create({.name = "boss", .scopes = {guard::Scope::kAdmin}})->text;
    tenants = *guard::TenantStore::open(folder.path);
    EXPECT_TRUE(tenants->set("law", limits));
    ServiceOptions options;
    options.state_dir = folder.path;
    options.timezone = zone;
    service = std::make_unique<RunningService>(std::move(script), options);
    EXPECT_TRUE(service->listening());
  }

  HttpAnswer ask(const std::string& path, const std::string& body, std::string of = "") {
    if (of.empty()) of = key;
    HttpClient client(service->port());
    const std::string headers = "Authorization: Bearer " + of + "\r\n";
    client.send(body.empty() ? "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + headers +
                                   "Connection: close\r\n\r\n"
                             : HttpClient::post_text(path, body, headers));
    return client.read_answer();
  }
  // {"prompt": ten bytes, so ten tokens}
  HttpAnswer complete(int max_tokens) {
    return ask("/v1/completions",
               R"({"prompt":"0123456789","add_special_tokens":false,"max_tokens":)" +
                   std::to_string(max_tokens) + "}");
  }
  json::value usage(const std::string& query) {
    const HttpAnswer answer = ask("/v1/organization/usage/completions?" + query, "", admin);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return parsed(answer.body);
  }
  // Of all, today.
  guard::UsageSum used() {
    guard::UsageSum sum;
    // A second ago: the clock of days is another, and may be behind by less than that.
    const json::value page = usage("start_time=" + std::to_string(unix_time() - 1));
    for (const json::value& bucket : page.at("data").as_array()) {
      for (const json::value& result : bucket.at("results").as_array()) {
        sum.add({.requests = result.at("num_model_requests").as_int64(),
                 .input_tokens = result.at("input_tokens").as_int64(),
                 .cached_tokens = result.at("input_cached_tokens").as_int64(),
                 .output_tokens = result.at("output_tokens").as_int64()});
      }
    }
    return sum;
  }

  StateFolder folder;
  std::string key, admin;
  std::unique_ptr<guard::KeyStore> store;
  std::unique_ptr<guard::TenantStore> tenants;
  std::unique_ptr<RunningService> service;
};

TEST(Tenants, AreToldWhatIsLeftAndWhenToComeAgain) {
  TenantService s({.requests_per_minute = 2, .tokens_per_minute = 1000});
  const HttpAnswer first = s.complete(5);
  EXPECT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.header("x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(first.header("x-ratelimit-remaining-requests"), "1");
  EXPECT_EQ(first.header("x-ratelimit-limit-tokens"), "1000");
  EXPECT_EQ(first.header("x-ratelimit-remaining-tokens"), "985");
  EXPECT_THAT(first.header("x-ratelimit-reset-requests"), testing::MatchesRegex("(29|30).*s"));
  EXPECT_EQ(s.complete(5).status, 200);
  const HttpAnswer third = s.complete(5);
  EXPECT_EQ(third.status, 429);
  EXPECT_THAT(third.body, HasSubstr("\"code\":\"rate_limit_exceeded\""));
  EXPECT_THAT(third.body, HasSubstr("requests_per_minute"));
  EXPECT_THAT(third.header("retry-after"), testing::AnyOf("29", "30"));
  EXPECT_EQ(third.header("x-ratelimit-remaining-requests"), "0");
  EXPECT_EQ(s.service->backend().n_submitted, 2);
  // Another tenant's key is not held up, nor is what is no work.
  const std::string other = s.store->create({.tenant = "sales", .name = "sales"})->text;
  EXPECT_EQ(s.ask("/v1/completions", R"({"prompt":"a","max_tokens":1})", other).status, 200);
  EXPECT_EQ(s.ask("/v1/models", "").status, 200);
  const std::string metrics = s.service->core().context().metrics->text();
  EXPECT_THAT(metrics, HasSubstr("autoglm:quota_refusals_total{"));
  EXPECT_THAT(metrics, HasSubstr("quota=\"requests_per_minute\""));
}

TEST(Tenants, TokensAreRefusedBeforeAnyWork) {
  TenantService s({.tokens_per_day = 50});
  EXPECT_EQ(s.complete(5).status, 200);
  const HttpAnswer refused = s.complete(26);
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_THAT(refused.body, HasSubstr("tokens_per_day"));
  EXPECT_NE(refused.header("retry-after"), "");
  EXPECT_EQ(s.complete(25).status, 200);
  const HttpAnswer never = s.complete(41);
  EXPECT_EQ(never.status, 429);
  EXPECT_EQ(never.header("retry-after"), "") << "no waiting helps";
  EXPECT_EQ(s.ask("/v1/embeddings", R"({"input":"a text of more than twenty bytes"})").status, 429);
  EXPECT_EQ(s.service->backend().n_submitted, 2);
  EXPECT_EQ(s.service->backend().n_embedded, 0);
}

TEST(Tenants, UsageIsTheTruthWhateverTheEnd) {
  FakeScript script;
  script.endless = true;
  script.pause = std::chrono::microseconds(300);
  TenantService s({.concurrent_requests = 1}, script);
  EXPECT_EQ(s.complete(7).status, 200);
  EXPECT_EQ(s.used(), (guard::UsageSum{.requests = 1, .input_tokens = 10, .output_tokens = 7}));
  {
    // A client that leaves in the middle of its stream.
    HttpClient client(s.service->port());
    client.send(HttpClient::post_text(
        "/v1/completions",
        R"({"prompt":"0123456789","add_special_tokens":false,"max_tokens":4000,"stream":true})",
        "Authorization: Bearer " + s.key + "\r\n"));
    while (client.buffer().find("data: ") == std::string::npos) ASSERT_TRUE(client.receive());
    EXPECT_EQ(s.complete(1).status, 429) << "one at a time";
  }
  ASSERT_TRUE(comes_true([&] { return s.complete(1).status == 200; }));
  const guard::UsageSum sum = s.used();
  EXPECT_EQ(sum.requests, 3);
  EXPECT_EQ(sum.input_tokens, 30);
  EXPECT_GT(sum.output_tokens, 8);
  EXPECT_LT(sum.output_tokens, 4000);
  EXPECT_EQ(s.ask("/v1/embeddings", R"({"input":["ab","c"],"add_special_tokens":false})").status,
            200);
  EXPECT_EQ(s.used().input_tokens, 33);
  // And it lies in the folder when the server has gone.
  s.service->stop();
  s.service.reset();
  const auto rows = guard::UsageStore::open(s.folder.path)->rows({.tenant = "law"});
  guard::UsageSum kept;
  for (const guard::UsageRow& row : *rows) {
    EXPECT_EQ(row.of.model, "tiny-fake");
    EXPECT_EQ(row.of.key, (*s.store->list())[0].id);
    kept.add(row.sum);
  }
  EXPECT_EQ(kept.requests, 4);
  EXPECT_EQ(kept.input_tokens, 33);
}

TEST(Tenants, UsageIsToldInOpenAIsShape) {
  TenantService s({});
  ASSERT_EQ(s.complete(2).status, 200);
  const std::string now = std::to_string(unix_time());
  const json::value page = s.usage("start_time=" + now + "&group_by[]=project_id&group_by=model");
  EXPECT_EQ(page.at("object").as_string(), "page");
  EXPECT_FALSE(page.at("has_more").as_bool());
  const json::value& bucket = page.at("data").at(0);
  EXPECT_EQ(bucket.at("object").as_string(), "bucket");
  EXPECT_EQ(bucket.at("end_time").as_int64() - bucket.at("start_time").as_int64(), 86'400);
  const json::value& result = bucket.at("results").at(0);
  EXPECT_EQ(result.at("object").as_string(), "organization.usage.completions.result");
  EXPECT_EQ(result.at("project_id").as_string(), "law");
  EXPECT_EQ(result.at("model").as_string(), "tiny-fake");
  EXPECT_TRUE(result.at("api_key_id").is_null());
  EXPECT_TRUE(s.usage("start_time=" + now + "&project_ids=other")
                  .at("data")
                  .at(0)
                  .at("results")
                  .as_array()
                  .empty());
  // Pages: a bucket a day, from the one after the last.
  const int64_t weeks_ago = unix_time() - 20 * 86'400;
  json::value next = s.usage("start_time=" + std::to_string(weeks_ago) + "&limit=10");
  EXPECT_EQ(next.at("data").as_array().size(), 10);
  EXPECT_TRUE(next.at("has_more").as_bool());
  size_t n_days = 10;
  for (int i = 0; next.at("has_more").as_bool() && i < 5; ++i) {
    next = s.usage("start_time=" + std::to_string(weeks_ago) +
                   "&limit=10&page=" + std::string(next.at("next_page").as_string()));
    n_days += next.at("data").as_array().size();
  }
  EXPECT_EQ(n_days, 21);
  for (const char* wrong : {"", "start_time=x", "start_time=-1", "start_time=1&bucket_width=1h",
                            "start_time=1&limit=0", "start_time=1&limit=32", "start_time=1&a=%",
                            "start_time=1&group_by=user_id", "start_time=1&nothing=1"}) {
    EXPECT_EQ(s.ask(std::string("/v1/organization/usage/completions?") + wrong, "", s.admin).status,
              400)
        << wrong;
  }
  EXPECT_EQ(s.ask("/v1/organization/usage/completions?start_time=1", "").status, 403);
}

TEST(Tenants, SeeNoModelThatTheyMayNotUse) {
  TenantService s({.models = {"another"}});
  EXPECT_EQ(s.complete(1).status, 404);
  EXPECT_THAT(s.complete(1).body, HasSubstr("model_not_found"));
  EXPECT_THAT(s.ask("/v1/models", "").body, Not(HasSubstr("tiny-fake")));
  EXPECT_EQ(s.ask("/v1/models/tiny-fake", "").status, 404);
  EXPECT_EQ(s.ask("/tokenize", R"({"prompt":"a"})").status, 404);
  EXPECT_EQ(s.service->backend().n_submitted, 0);
  // A change counts at the next request.
  ASSERT_TRUE(s.tenants->set("law", {.priority = 2, .models = {"another", "tiny-fake"}}));
  EXPECT_EQ(s.complete(1).status, 200);
  EXPECT_THAT(s.ask("/v1/models", "").body, HasSubstr("tiny-fake"));
  EXPECT_EQ(s.service->backend().requests().back().scheduling.priority, 2);
}

TEST(Tenants, OfAGatewayEachHasItsOwn) {
  TenantService s({.requests_per_minute = 1});
  ASSERT_TRUE(s.tenants->set("*", {.requests_per_minute = 2}));
  const std::string gateway =
      s.store
          ->create({.name = "gate", .scopes = {guard::Scope::kInference, guard::Scope::kGateway}})
          ->text;
  const auto ask_as = [&](const std::string& tenant) {
    HttpClient client(s.service->port());
    client.send(HttpClient::post_text(
        "/v1/completions", R"({"prompt":"a","max_tokens":1})",
        "Authorization: Bearer " + gateway + "\r\nX-Tenant-ID: " + tenant + "\r\n"));
    return client.read_answer().status;
  };
  EXPECT_EQ(ask_as("law"), 200);
  EXPECT_EQ(ask_as("law"), 429);
  EXPECT_EQ(s.complete(1).status, 429) << "the same tenant";
  for (const int expected : {200, 200, 429}) EXPECT_EQ(ask_as("press"), expected);
}

TEST(Tenants, LimitsThatCannotBeReadAdmitNobody) {
  TenantService s({});
  ASSERT_EQ(s.complete(1).status, 200);
  ASSERT_TRUE((*state::Database::open(s.folder.path + "/autoglm.db"))
                  .run("UPDATE tenants SET models = 'x'"));
  EXPECT_EQ(s.complete(1).status, 503);
  EXPECT_EQ(s.service->backend().n_submitted, 1);
}

TEST(Tenants, WithoutKeysNobodyIsCounted) {
  const StateFolder folder;
  const auto tenants = *guard::TenantStore::open(folder.path);
  ASSERT_TRUE(tenants->set("*", {.requests_per_minute = 0}));
  ServiceOptions options;
  options.state_dir = folder.path;
  RunningService service({}, options);
  const HttpAnswer answer = service.post("/v1/completions", R"({"prompt":"a","user":"law"})");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.header("x-ratelimit-limit-requests"), "");
  service.stop();
  EXPECT_FALSE(guard::UsageStore::exists(folder.path));
}

TEST(Tenants, ATimeZoneThatIsNoneIsToldAtTheStart) {
  ServiceOptions options;
  options.timezone = "Mars/Olympus";
  RunningService service({}, options);
  EXPECT_FALSE(service.listening());
}

}  // namespace
}  // namespace autoglm::serve
