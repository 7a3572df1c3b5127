// Whose a request is, before it is read.
#include "serve/tenant.h"

#include <gtest/gtest.h>

namespace autoglm::serve {
namespace {

TEST(Tenant, TheFieldIsFoundWhereverItStandsAndNothingElseIs) {
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

TEST(Tenant, TheHeaderOutranksTheField) {
  Request request;
  request.body = R"({"user": "field"})";
  EXPECT_EQ(tenant_of(request), "field");
  request.headers = {{"x-tenant", "header"}};
  EXPECT_EQ(tenant_of(request), "header");
}

TEST(Tenant, OfALargeBodyOnlyTheBeginningIsLookedAt) {
  const std::string large = "{\"text\":\"" + std::string(kMostLookedAt, 'x') + "\",\"user\":\"a\"}";
  EXPECT_EQ(spelled_member(large, "user"), "");
}

}  // namespace
}  // namespace autoglm::serve
