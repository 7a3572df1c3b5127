// Framing rules: what is a request, what is refused, and that no two readers could disagree.
#include "serve/http/request_parser.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "support/shared_data.h"

namespace autoglm::serve {
namespace {

struct Outcome {
  std::vector<Request> requests;
  std::optional<ParseFailure> failure;
  bool clean = false;  // nothing left over
};

// Parses everything, handing over `step` bytes more at a time.
Outcome parse_all(std::string_view bytes, size_t step, ParserLimits limits = {}) {
  Outcome outcome;
  std::string pending;
  auto parser = std::make_unique<RequestParser>(limits);
  for (size_t at = 0; at < bytes.size(); at += step) {
    pending += bytes.substr(at, step);
    for (;;) {
      const RequestParser::Step fed = parser->feed(pending);
      pending.erase(0, fed.consumed);
      if (fed.failure) {
        outcome.failure = fed.failure;
        return outcome;
      }
      if (!parser->done()) break;
      outcome.requests.push_back(parser->take());
      parser = std::make_unique<RequestParser>(limits);
      if (pending.empty()) break;
    }
  }
  outcome.clean = pending.empty() && !parser->header_done();
  return outcome;
}

int status_of(std::string_view bytes) {
  const Outcome outcome = parse_all(bytes, bytes.size());
  return outcome.failure ? outcome.failure->status : 0;
}

TEST(RequestParser, GivesTheSameWhateverThePieces) {
  const std::string bytes =
      "\r\nPOST /a%20b?x=%20 HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody"
      "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxy\r\n0\r\n\r\n"
      "GET http://h:80/d?e HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
  for (size_t step = 1; step <= bytes.size(); ++step) {
    const Outcome outcome = parse_all(bytes, step);
    ASSERT_FALSE(outcome.failure) << outcome.failure->message << " at step " << step;
    ASSERT_EQ(outcome.requests.size(), 3u) << step;
    EXPECT_EQ(outcome.requests[0].path, "/a b");
    EXPECT_EQ(outcome.requests[0].query, "x=%20");
    EXPECT_EQ(outcome.requests[0].body, "body");
    EXPECT_TRUE(outcome.requests[0].keep_alive);
    EXPECT_EQ(outcome.requests[1].body, "xy");
    EXPECT_EQ(outcome.requests[2].path, "/d");
    EXPECT_EQ(outcome.requests[2].query, "e");
    EXPECT_FALSE(outcome.requests[2].keep_alive);
  }
}

TEST(RequestParser, RefusesWhatCouldBeReadInTwoWays) {
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
                      "Content-Length: 3\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n"
                      "\r\nabcd"),
            400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            501);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"), 501);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n"),
            400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 505);
}

// Whoever stands before the server may have read the other one.
TEST(RequestParser, RefusesASecondHeaderOfThoseThatAreReadAsOne) {
  for (const std::string_view name : {"Host",
                                      "Content-Length",
                                      "Content-Type",
                                      "Content-Encoding",
                                      "Transfer-Encoding",
                                      "Expect",
                                      "Authorization",
                                      "Proxy-Authorization",
                                      "X-Api-Key",
                                      "X-Tenant",
                                      "X-Tenant-ID",
                                      "Anthropic-Version",
                                      "X-Request-Id",
                                      "Traceparent",
                                      "Origin",
                                      "Sec-Fetch-Site",
                                      "Access-Control-Request-Method",
                                      "Access-Control-Request-Headers",
                                      "x-tenant",
                                      "CONTENT-TYPE"}) {
    ASSERT_TRUE(is_single_header(name)) << name;
    // Two that are equal as well: that they are is for nobody to rely on.
    const std::string value = name == "Content-Length"      ? "0"
                              : name == "Transfer-Encoding" ? "chunked"
                                                            : "a";
    const std::string line = std::string(name) + ": " + value + "\r\n";
    const std::string bytes = "POST / HTTP/1.1\r\n" +
                              std::string(name == "Host" ? "" : "Host: h\r\n") + line +
                              "X-Other: b\r\n" + line + "\r\n";
    const Outcome outcome = parse_all(bytes, bytes.size());
    ASSERT_TRUE(outcome.failure) << name;
    EXPECT_EQ(outcome.failure->status, 400) << name;
    if (name == "Transfer-Encoding") continue;  // Beast's own words
    EXPECT_EQ(outcome.failure->message, "more than one " + std::string(name) + " header");
  }
  for (const std::string_view name : {"Accept", "Cookie", "Via", "X-Forwarded-For", "X-Other"}) {
    const std::string line = std::string(name) + ": a\r\n";
    EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: h\r\n" + line + line + "\r\n"), 0) << name;
  }
}

TEST(RequestParser, RefusesAMalformedChunkSizeOnceItIsSeen) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string_view before : {"", "3\r\nabc\r\n", "3\r\nabc"}) {
    for (const std::string_view size :
         {"-1\r\n", "-", "+5\r\n", "0x5\r\n", "0x", " 5\r\n", "5x\r\n", "5,5\r\n", "\r\n\r\n",
          ";a\r\n", "0-\r\n", "00000000000000005", "10000000000000000\r\n", "5\rx", "5\n", "zz"}) {
      // A chunk without its line end is told of the same way.
      const std::string bytes = head + std::string(before) + std::string(size);
      for (const size_t step : {bytes.size(), size_t{1}}) {
        const Outcome outcome = parse_all(bytes, step);
        ASSERT_TRUE(outcome.failure) << before << size;
        EXPECT_EQ(outcome.failure->status, 400) << before << size;
      }
    }
  }
  for (const std::string_view size : {"5\r\n", "05", "0000000000000005\r\n", "5;a=b\r\n",
                                      "5 ;a\r\n", "a", "A\r", "", "5;", "0\r\n"}) {
    EXPECT_EQ(status_of(head + std::string(size)), 0) << size;
    EXPECT_EQ(status_of(head + "3\r\nabc\r\n" + std::string(size)), 0) << size;
  }
}

TEST(RequestParser, RefusesWhatIsNoHttp1) {
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(status_of("GET /\r\n\r\n"), 400);
  EXPECT_EQ(status_of(std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 tls", 15)), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n"), 417);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n"
                      "Content-Length: 1\r\n\r\nx"),
            415);
}

TEST(RequestParser, BoundsChunkHeadersAndTrailers) {
  const ParserLimits limits{.max_header_bytes = 1024, .max_body_bytes = 1024};
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const auto endless_extension = parse_all(head + "1;" + std::string(10'000, 'x'), 512, limits);
  ASSERT_TRUE(endless_extension.failure);
  EXPECT_EQ(endless_extension.failure->status, 431);
  const auto endless_trailer = parse_all(head + "0\r\nX: " + std::string(10'000, 'x'), 512, limits);
  ASSERT_TRUE(endless_trailer.failure);
  EXPECT_EQ(endless_trailer.failure->status, 431);
  const auto huge_chunk = parse_all(head + "ffffffffffffffff\r\n", 512, limits);
  ASSERT_TRUE(huge_chunk.failure);
}

TEST(RequestParser, DecodesPathsAndRefusesBrokenEscapes) {
  EXPECT_EQ(target_path("/v1/models/a%2Fb"), "/v1/models/a/b");
  EXPECT_EQ(target_path("https://host"), "/");
  EXPECT_EQ(target_path("*"), "*");
  EXPECT_EQ(target_path("/%4"), std::nullopt);
  EXPECT_EQ(target_path("/%zz"), std::nullopt);
  EXPECT_EQ(target_path("host:443"), std::nullopt);
}

// gunicorn keeps requests as text with escapes spelled out; real line ends are for the eye.
std::string unescaped(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n') continue;
    if (text[i] != '\\' || i + 1 == text.size()) {
      bytes += text[i];
      continue;
    }
    switch (text[++i]) {
      case 'r': bytes += '\r'; break;
      case 'n': bytes += '\n'; break;
      case 't': bytes += '\t'; break;
      case '0': bytes += '\0'; break;
      default: bytes += '\\'; bytes += text[i];
    }
  }
  return bytes;
}

TEST(RequestParser, ReadsEachOfGunicornsValidRequestsOrSaysNo) {
  const auto folder = shared_data("malformed/http/gunicorn/valid");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  int n_read = 0;
  int n_files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes = unescaped({std::istreambuf_iterator<char>(file), {}});
    const Outcome whole = parse_all(bytes, bytes.size());
    const Outcome pieces = parse_all(bytes, 7);
    EXPECT_EQ(whole.requests.size(), pieces.requests.size()) << entry.path();
    EXPECT_EQ(whole.failure.has_value(), pieces.failure.has_value()) << entry.path();
    if (whole.failure) {
      // gunicorn takes some that need its own settings; ours to refuse, by a clear status.
      EXPECT_TRUE(whole.failure->status < 500 || whole.failure->status == 501 ||
                  whole.failure->status == 505)
          << entry.path();
    } else {
      ++n_read;
    }
    ++n_files;
  }
  EXPECT_GT(n_files, 30);
  // Most of the others have no Host, which HTTP/1.1 demands and gunicorn does not.
  EXPECT_GT(n_read * 5, n_files * 2) << n_read << " of " << n_files;
  RecordProperty("read", n_read);
  RecordProperty("files", n_files);
}

// A proxy that decides by headers looks at the head alone; a field behind the body that stood for
// one of these would have passed it by.
TEST(RequestParser, DropsFieldsBehindAChunkedBody) {
  for (const std::string_view name :
       {"X-Tenant", "Authorization", "Host", "Connection", "Content-Type", "Origin", "Cookie",
        "Sec-Fetch-Site", "X-Request-Id", "Content-Length", "Transfer-Encoding",
        "Access-Control-Request-Method", "X-Anything"}) {
    const std::string trailer(name);
    const std::string value = name == "Content-Length"      ? "2"
                              : name == "Transfer-Encoding" ? "chunked"
                                                            : "m";
    const std::string bytes =
        "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: " + trailer +
        "\r\n\r\n2\r\nxy\r\n0\r\n" + trailer + ": " + value + "\r\n\r\n";
    for (const size_t step : {bytes.size(), size_t{1}}) {
      const Outcome outcome = parse_all(bytes, step);
      if (outcome.failure) {
        EXPECT_EQ(outcome.failure->status, 400) << name;  // a second framing, refused by Beast
        continue;
      }
      ASSERT_EQ(outcome.requests.size(), 1u) << name;
      const Request& request = outcome.requests[0];
      EXPECT_EQ(request.body, "xy");
      EXPECT_TRUE(request.keep_alive) << name;
      EXPECT_EQ(request.headers.size(), 3u) << name;
      EXPECT_EQ(request.header("Host"), "h");
      for (const Header& header : request.headers) {
        EXPECT_TRUE(header.name == "Host" || header.name == "Transfer-Encoding" ||
                    header.name == "Trailer")
            << name;
      }
    }
  }
}

}  // namespace
}  // namespace autoglm::serve
