// What is read from a server: events in any split, answers of both APIs, URLs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "cli/load/answer_reader.h"
#include "cli/load/endpoint.h"
#include "cli/load/sse_reader.h"

namespace autoglm::load {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::vector<std::string> events_of(const std::vector<std::string>& pieces) {
  SseReader reader(1 << 20);
  std::vector<std::string> events;
  for (const std::string& piece : pieces) {
    EXPECT_TRUE(reader.feed(piece, [&](std::string_view data) { events.emplace_back(data); }));
  }
  return events;
}

TEST(SseReader, JoinsDataLinesAndPassesOverTheRest) {
  EXPECT_THAT(
      events_of({": a comment\n\nevent: x\nid: 7\ndata: one\ndata:two\n\ndata\n\nretry: 1\n\n"
                 "data: never ended"}),
      ElementsAre("one\ntwo", ""));
}

TEST(SseReader, AnyLineEndWillDo) {
  EXPECT_THAT(events_of({"data: a\r\n\r\ndata: b\r\rdata: c\n\n"}), ElementsAre("a", "b", "c"));
}

TEST(SseReader, TheSplitOfBytesDoesNotMatter) {
  const std::string stream =
      "data: {\"a\": 1}\r\n\r\n: ping\r\ndata: x\r\ndata: y\r\n\r\ndata: [DONE]\n\n";
  const std::vector<std::string> whole = events_of({stream});
  EXPECT_THAT(whole, ElementsAre("{\"a\": 1}", "x\ny", "[DONE]"));
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> pieces;
    for (size_t at = 0; at < stream.size();) {
      const size_t n = 1 + random() % 9;
      pieces.push_back(stream.substr(at, n));
      at += n;
    }
    EXPECT_EQ(events_of(pieces), whole);
  }
}

TEST(SseReader, AnEventWithoutEndIsAnErrorBeforeItFillsMemory) {
  SseReader reader(1000);
  const auto nothing = [](std::string_view) {};
  EXPECT_TRUE(reader.feed("data: " + std::string(900, 'x'), nothing));
  EXPECT_FALSE(reader.feed(std::string(200, 'x'), nothing));
}

AnswerReader read(const std::vector<std::string>& events) {
  AnswerReader reader;
  for (const std::string& event : events) reader.on_data(event, Clock::now());
  return reader;
}

TEST(AnswerReader, CountsPiecesAndTakesTheServersUsage) {
  const AnswerReader answer = read(
      {R"({"choices": [{"index": 0, "text": "a"}]})", R"({"choices": [{"index": 0, "text": ""}]})",
       R"({"choices": [{"index": 0, "text": "b", "finish_reason": "length"}]})",
       R"({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 3}}})",
       "[DONE]"});
  EXPECT_EQ(answer.at_end(), Failure::kNone);
  EXPECT_THAT(answer.pieces(), SizeIs(2));
  EXPECT_EQ(answer.text(), "ab");
  ASSERT_TRUE(answer.usage());
  EXPECT_EQ(answer.usage()->prompt_tokens, 5);
  EXPECT_EQ(answer.usage()->completion_tokens, 4);
  EXPECT_EQ(answer.usage()->cached_tokens, 3);
}

TEST(AnswerReader, ReasoningAndToolCallsAreOutputToo) {
  const AnswerReader answer =
      read({R"({"choices": [{"delta": {"role": "assistant", "content": ""}}]})",
            R"({"choices": [{"delta": {"reasoning_content": "hm"}}]})",
            R"({"choices": [{"delta": {"reasoning": "hm"}}]})",
            R"({"choices": [{"delta": {"tool_calls": [{"index": 0}]}}]})",
            R"({"choices": [{"delta": {"content": "x"}}]})",
            R"({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})"});
  EXPECT_THAT(answer.pieces(), SizeIs(4));
  EXPECT_EQ(answer.at_end(), Failure::kNone);
}

TEST(AnswerReader, AnAnswerOfNoTextHasItsTimeFromItsEnd) {
  const AnswerReader answer = read({R"({"choices": [{"text": "", "finish_reason": "stop"}]})"});
  EXPECT_THAT(answer.pieces(), SizeIs(1));
  EXPECT_EQ(answer.at_end(), Failure::kNone);
}

TEST(AnswerReader, TellsHowAnswersFail) {
  EXPECT_EQ(read({}).at_end(), Failure::kCutShort);
  EXPECT_EQ(read({"[DONE]"}).at_end(), Failure::kCutShort);
  EXPECT_EQ(read({R"({"choices": [{"text": "a"}]})"}).at_end(), Failure::kCutShort);
  EXPECT_EQ(read({"{\"choices\""}).at_end(), Failure::kBadStream);
  EXPECT_EQ(read({"[1]"}).at_end(), Failure::kBadStream);
  const AnswerReader said = read({R"({"error": {"message": "out of\nmemory"}})", "[DONE]"});
  EXPECT_EQ(said.at_end(), Failure::kServerError);
  EXPECT_EQ(said.detail(), "out of memory");
}

TEST(ErrorText, FindsTheMessageOfEveryServer) {
  EXPECT_EQ(error_text(R"({"error": {"message": "no such model", "code": 404}})"), "no such model");
  EXPECT_EQ(error_text(R"({"error": "busy"})"), "busy");
  EXPECT_EQ(error_text(R"({"detail": "Not Found"})"), "Not Found");
  EXPECT_EQ(error_text("plain text"), "plain text");
  EXPECT_THAT(error_text(std::string(1000, 'x')), SizeIs(203));
}

TEST(Url, IsTakenApart) {
  const Result<Endpoint> plain = parse_url("http://127.0.0.1:8000");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->host, "127.0.0.1");
  EXPECT_EQ(plain->port, "8000");
  EXPECT_EQ(plain->base_path, "");
  const Result<Endpoint> base = parse_url("http://[::1]:8080/api/v1/");
  ASSERT_TRUE(base);
  EXPECT_EQ(base->host, "::1");
  EXPECT_EQ(base->base_path, "/api");
  EXPECT_EQ(base->url(), "http://[::1]:8080/api");
  EXPECT_EQ(parse_url("localhost:8000")->authority(), "localhost:8000");
  EXPECT_EQ(parse_url("http://host")->port, "80");
  EXPECT_THAT(parse_url("https://host").error().message(), HasSubstr("https"));
  for (const char* wrong : {"", "http://", "http://:80", "http://a:b", "http://a:1 2", "ftp://a",
                            "http://[::1", "http://user@host", "http://a/?x", "http://a:123456"}) {
    EXPECT_FALSE(parse_url(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace autoglm::load
