// What is known of a request before it is read.
#include "serve/request_context.h"

#include <gtest/gtest.h>

namespace autoglm::serve {
namespace {

TEST(RequestContext, TheFieldIsFoundWhereverItStandsAndNothingElseIs) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"user": "a"})", "a"},
      {R"({"messages":[{"user":"no","x":["user"]}],"user" : "a" ,"n":1})", "a"},
      {R"({"text":"\"user\": \"no\"","user":"a\"b\\"})", R"(a\"b\\)"},
      {R"({"x":"user","y":"b"})", ""},
      {R"({"user": 7, "x": "user"})", ""},
      {R"({"user": null})", ""},
      {R"({"users": "a"})", ""},
      {R"({"use": "a"})", ""},
      {R"(["user", "a"])", ""},
      {R"({"user": "a)", ""},
      {R"({"user)", ""},
      {R"({"user")", ""},
      {R"({"user":)", ""},
      {R"({"user":"\)", ""},
      {"", ""},
      {"\"user\":\"a\"", ""}};
  for (const auto& [body, expected] : cases) {
    EXPECT_EQ(spelled_member(body, "user"), expected) << body;
  }
}

TEST(RequestContext, TheHeaderOutranksTheField) {
  Request request;
  request.id = "req_1";
  request.body = R"({"user": "field"})";
  const RequestContext own = request_context(request, "/infer", {});
  EXPECT_EQ(own.id, "req_1");
  EXPECT_EQ(own.route, "/infer");
  EXPECT_EQ(own.tenant, "field");
  EXPECT_FALSE(own.tenant_outranks);
  request.headers = {{"x-tenant", "header"}};
  EXPECT_EQ(request_context(request, "/infer", {}).tenant, "header");
  EXPECT_TRUE(request_context(request, "/infer", {}).tenant_outranks);
}

// Once keys are asked for, what a client says of itself counts only where its key says so.
TEST(RequestContext, TheKeysTenantOutranksAllButAGateway) {
  Request request;
  request.body = R"({"user": "field"})";
  guard::Principal principal{
      .name = "key 1", .tenant = "its", .scopes = {guard::Scope::kInference}, .proved = true};
  const auto context = [&] { return request_context(request, "/infer", principal); };
  EXPECT_EQ(context().principal, "key 1");
  EXPECT_EQ(context().tenant, "its");
  EXPECT_TRUE(context().tenant_outranks);
  for (const char* name : {"X-Tenant", "X-Tenant-ID"}) {
    request.headers = {{name, "another"}};
    EXPECT_EQ(context().tenant, "its") << name;
    principal.scopes.add(guard::Scope::kGateway);
    EXPECT_EQ(context().tenant, "another") << name;
    principal.scopes = {guard::Scope::kInference};
  }
  principal.tenant = "";
  EXPECT_EQ(context().tenant, "");
  EXPECT_TRUE(context().tenant_outranks) << "the field is not looked at";
}

TEST(RequestContext, OfALargeBodyOnlyTheBeginningIsLookedAt) {
  const std::string large = "{\"text\":\"" + std::string(kMostLookedAt, 'x') + "\",\"user\":\"a\"}";
  EXPECT_EQ(spelled_member(large, "user"), "");
}

TEST(RequestContext, ATraceIsReadAndWhatIsNoneIsNone) {
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const std::string span = "00f067aa0ba902b7";
  const observe::TraceContext read = parse_traceparent("00-" + trace + "-" + span + "-01");
  EXPECT_EQ(read.trace_id, trace);
  EXPECT_EQ(read.parent_id, span);
  EXPECT_TRUE(read.sampled);
  EXPECT_FALSE(parse_traceparent("00-" + trace + "-" + span + "-02").sampled);
  EXPECT_EQ(parse_traceparent("cc-" + trace + "-" + span + "-01-more").trace_id, trace);
  const std::string nothing(32, '0');
  for (const std::string& wrong :
       {std::string(), std::string("00"), "00-" + trace + "-" + span,
        "ff-" + trace + "-" + span + "-01", "00-" + nothing + "-" + span + "-01",
        "00-" + trace + "-" + nothing.substr(16) + "-01", "00-" + trace + "-" + span + "-01-more",
        "cc-" + trace + "-" + span + "-01more", "00-" + trace + "_" + span + "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" + span + "-01",
        "00-" + trace + "-" + span + "-0g"}) {
    EXPECT_EQ(parse_traceparent(wrong).trace_id, "") << wrong;
  }
}

}  // namespace
}  // namespace autoglm::serve
