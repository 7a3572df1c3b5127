// One request's events for a thread that waits, over a script in place of an engine.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "autoglm/model.h"

namespace autoglm {
namespace {

// Takes one request, whose events the test tells; cancelled, it ends as the engine does.
struct Script {
  GenerationCallback on_event;
  std::atomic<int> n_cancelled = 0;

  Result<AnswerStream> stream() {
    return AnswerStream::begin([this](GenerationCallback callback) -> Result<GenerationHandle> {
      on_event = std::move(callback);
      return GenerationHandle([this] {
        ++n_cancelled;
        on_event({.finish_reason = FinishReason::kCancelled, .last = true});
      });
    });
  }
};

TEST(AnswerStream, GivesEventsInOrderAndThenNothing) {
  Script script;
  AnswerStream stream = *script.stream();
  EXPECT_FALSE(stream.wait_ms(0));
  std::thread engine([&] {
    script.on_event({.text = "a"});
    script.on_event({.text = "b", .finish_reason = FinishReason::kStop, .last = true});
  });
  EXPECT_EQ(stream.next()->text, "a");
  EXPECT_EQ(stream.next()->text, "b");
  EXPECT_FALSE(stream.next());
  EXPECT_TRUE(stream.wait_ms(0));
  EXPECT_FALSE(stream.next());
  engine.join();
}

TEST(AnswerStream, PutsTheRestTogether) {
  Script script;
  AnswerStream stream = *script.stream();
  script.on_event({.text = "a", .tokens = {TokenId{1}}});
  script.on_event({.choice = 1, .text = "x", .finish_reason = FinishReason::kLength});
  script.on_event({.text = "b",
                   .tokens = {TokenId{2}},
                   .finish_reason = FinishReason::kStop,
                   .stop_reason = "c",
                   .last = true,
                   .usage = {.completion_tokens = 2}});
  EXPECT_EQ(stream.next()->text, "a");
  const Result<GenerationResult> rest = stream.rest();
  ASSERT_TRUE(rest);
  ASSERT_EQ(rest->choices.size(), 2U);
  EXPECT_EQ(rest->choices[0].text, "b");
  EXPECT_EQ(rest->choices[0].tokens, std::vector<TokenId>{TokenId{2}});
  EXPECT_EQ(rest->choices[0].stop_reason, "c");
  EXPECT_EQ(rest->choices[1].text, "x");
  EXPECT_EQ(rest->usage.completion_tokens, 2);
}

TEST(AnswerStream, CancelsWhatNobodyReadsToItsEnd) {
  Script dropped;
  {
    const auto stream = dropped.stream();
    dropped.on_event({.text = "a"});
  }
  EXPECT_EQ(dropped.n_cancelled, 1);
  Script ended;
  {
    const auto stream = ended.stream();
    ended.on_event({.last = true});
  }
  EXPECT_EQ(ended.n_cancelled, 0);
  Script moved;
  {
    AnswerStream first = *moved.stream();
    const AnswerStream second = std::move(first);
  }
  EXPECT_EQ(moved.n_cancelled, 1);
}

TEST(AnswerStream, AnErrorAndACancelAreErrorsOfTheWhole) {
  Script failed;
  AnswerStream one = *failed.stream();
  failed.on_event({.finish_reason = FinishReason::kError,
                   .last = true,
                   .error = Error{.code = ErrorCode::kInternal, .what = "no"}});
  EXPECT_EQ(one.rest().error().code, ErrorCode::kInternal);
  Script cancelled;
  AnswerStream other = *cancelled.stream();
  other.cancel();
  EXPECT_EQ(other.rest().error().code, ErrorCode::kCancelled);
}

TEST(AnswerStream, ARefusalIsNoStream) {
  const auto refused = AnswerStream::begin([](GenerationCallback) -> Result<GenerationHandle> {
    return Error{.code = ErrorCode::kResourceExhausted, .what = "full"};
  });
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "full");
}

}  // namespace
}  // namespace autoglm
