// Whose address a request has behind proxies: only what a trusted one says is believed.
#include "serve/http/forwarding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autoglm::serve {
namespace {

std::string client(const std::string& peer, std::vector<Header> headers,
                   const std::vector<std::string>& trusted = {"10.0.0.0/8", "::1", "fd00::/8",
                                                              "127.0.0.1"}) {
  return TrustedProxies::of(trusted)->client_address(
      Request{.peer = peer, .headers = std::move(headers)});
}

TEST(Forwarding, OnlyTrustedProxiesAreBelieved) {
  struct Case {
    const char* peer;
    std::vector<Header> headers;
    const char* expected;
  };
  const std::vector<Case> cases = {
      {"10.0.0.1", {}, "10.0.0.1"},
      {"192.0.2.1", {{"X-Forwarded-For", "203.0.113.9"}}, "192.0.2.1"},
      {"10.0.0.1", {{"X-Forwarded-For", "203.0.113.9"}}, "203.0.113.9"},
      {"::ffff:10.0.0.1", {{"x-forwarded-for", "203.0.113.9"}}, "203.0.113.9"},
      // A client's own words stand before the proxy's.
      {"10.0.0.1", {{"X-Forwarded-For", "127.0.0.1, 203.0.113.9"}}, "203.0.113.9"},
      {"10.0.0.1", {{"X-Forwarded-For", "198.51.100.7, 10.3.3.3"}}, "198.51.100.7"},
      {"10.0.0.1",
       {{"X-Forwarded-For", "198.51.100.7"}, {"X-Forwarded-For", "10.3.3.3"}},
       "198.51.100.7"},
      {"10.0.0.1", {{"X-Forwarded-For", "198.51.100.7, not-one"}}, "10.0.0.1"},
      {"10.0.0.1", {{"X-Forwarded-For", "203.0.113.9:4711"}}, "203.0.113.9"},
      {"10.0.0.1", {{"X-Forwarded-For", "[2001:db8::1]:4711"}}, "2001:db8::1"},
      {"10.0.0.1", {{"X-Forwarded-For", "2001:db8::1"}}, "2001:db8::1"},
      {"10.0.0.1", {{"X-Forwarded-For", ""}}, "10.0.0.1"},
      {"10.0.0.1", {{"X-Forwarded-For", ", ,"}}, "10.0.0.1"},
      {"fd00::5", {{"Forwarded", "for=192.0.2.60;proto=http;by=203.0.113.43"}}, "192.0.2.60"},
      {"::1", {{"Forwarded", "For=\"[2001:db8:cafe::17]:4711\""}}, "2001:db8:cafe::17"},
      {"::1", {{"Forwarded", "for=198.51.100.7;host=\"a, for=127.0.0.1\""}}, "198.51.100.7"},
      {"::1", {{"Forwarded", "for=192.0.2.43, for=_hidden"}}, "::1"},
      {"::1", {{"Forwarded", "for=192.0.2.43, proto=https"}}, "::1"},
      // Two stories: neither counts.
      {"::1", {{"Forwarded", "for=192.0.2.43"}, {"X-Forwarded-For", "203.0.113.9"}}, "::1"},
      {"::1", {{"Forwarded", "for=192.0.2.43"}, {"X-Forwarded-For", "192.0.2.43"}}, "192.0.2.43"},
      {"10.0.0.1", {{"X-Real-IP", "203.0.113.9"}}, "10.0.0.1"},
      {"", {{"X-Forwarded-For", "203.0.113.9"}}, ""}};
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(client(cases[i].peer, cases[i].headers), cases[i].expected) << "case " << i;
  }
  EXPECT_EQ(client("127.0.0.1", {{"X-Forwarded-For", "203.0.113.9"}}, {}), "127.0.0.1");
}

TEST(Forwarding, NetworksEndWhereTheySay) {
  const std::vector<std::string> trusted = {"10.1.2.3/31", "2001:db8::/33", "0.0.0.0/32"};
  const Header forwarded{"X-Forwarded-For", "203.0.113.9"};
  for (const char* inside : {"10.1.2.2", "10.1.2.3", "2001:db8:7fff::1", "0.0.0.0"}) {
    EXPECT_EQ(client(inside, {forwarded}, trusted), "203.0.113.9") << inside;
  }
  for (const char* outside : {"10.1.2.1", "10.1.2.4", "2001:db8:8000::", "0.0.0.1"}) {
    EXPECT_EQ(client(outside, {forwarded}, trusted), outside);
  }
  EXPECT_EQ(client("192.0.2.1", {forwarded}, {"0.0.0.0/0"}), "203.0.113.9");
  for (const char* wrong : {"proxy", "10.0.0.0/33", "10.0.0", "", "10.0.0.0/", "::1/129", "/8"}) {
    const auto refused = TrustedProxies::of({wrong});
    ASSERT_FALSE(refused) << wrong;
    EXPECT_THAT(refused.error().message(), testing::HasSubstr("trusted_proxies"));
  }
}

TEST(Forwarding, EveryProxysHeaderIsASign) {
  for (const char* name : {"Forwarded", "x-forwarded-for", "via", "X-Forwarded-Host",
                           "X-FORWARDED-PROTO", "X-Real-Ip"}) {
    EXPECT_TRUE(is_forwarded(Request{.headers = {{name, ""}}})) << name;
  }
  EXPECT_FALSE(is_forwarded(Request{.headers = {{"Host", "a"}, {"X-Forwarded", "b"}}}));
}

}  // namespace
}  // namespace autoglm::serve
