#include "engine/answer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/testing/fakes.h"

namespace autoglm {
namespace {

const FakeTokenizer kTokenizer(26);
const EndOfSequence kEnd{TokenId{4}, {TokenId{4}, TokenId{5}}};  // e and f

struct Told {
  std::string text;
  FinishReason finish_reason = FinishReason::kNone;
  std::optional<std::string> stop_reason;
  size_t n_tokens = 0;
  bool operator==(const Told&) const = default;
};

bool stop_is_a_token(const SamplingParams& params, const std::string& reason) {
  return std::find(params.stop.begin(), params.stop.end(), reason) == params.stop.end();
}

Told tell(const SamplingParams& params, std::string_view letters) {
  Answer answer(params, params.max_tokens.value_or(1000), kTokenizer, kEnd);
  Told told;
  for (const char letter : letters) {
    auto piece = answer.take(TokenId{letter - 'a'});
    told.text += piece.text;
    ++told.n_tokens;
    told.finish_reason = piece.finish_reason;
    told.stop_reason = piece.stop_reason;
    EXPECT_EQ(piece.stop_token.has_value(),
              piece.stop_reason && stop_is_a_token(params, *piece.stop_reason));
    if (piece.finish_reason != FinishReason::kNone) break;
  }
  return told;
}

TEST(Answer, EndsAtItsLengthWithAllItsText) {
  EXPECT_EQ(tell({.max_tokens = 3, .stop = {"cd"}}, "abcd"),
            (Told{"abc", FinishReason::kLength, std::nullopt, 3}));
}

TEST(Answer, TheTokenizersEndHasNoStopReasonAndOtherEndsTheirId) {
  EXPECT_EQ(tell({}, "abex"), (Told{"ab", FinishReason::kStop, std::nullopt, 3}));
  EXPECT_EQ(tell({}, "abfx"), (Told{"ab", FinishReason::kStop, "5", 3}));
  EXPECT_EQ(tell({.stop_token_ids = {TokenId{1}}}, "ab"), (Told{"a", FinishReason::kStop, "1", 2}));
}

TEST(Answer, IgnoringTheEndStillFollowsStopTokens) {
  EXPECT_EQ(tell({.ignore_eos = true}, "aefb"), (Told{"aefb", FinishReason::kNone, {}, 4}));
  EXPECT_EQ(tell({.stop_token_ids = {TokenId{4}}, .ignore_eos = true}, "ae"),
            (Told{"a", FinishReason::kStop, "4", 2}));
}

TEST(Answer, StopStringsEndItAcrossTokens) {
  EXPECT_EQ(tell({.stop = {"cd", "x"}}, "abcdef"), (Told{"ab", FinishReason::kStop, "cd", 4}));
  EXPECT_EQ(tell({.stop = {"cd"}, .include_stop_str_in_output = true}, "abcdef"),
            (Told{"abcd", FinishReason::kStop, "cd", 4}));
  EXPECT_EQ(tell({.include_stop_str_in_output = true}, "abef"),
            (Told{"abe", FinishReason::kStop, std::nullopt, 3}));
}

TEST(Answer, AStopStringOnTheLastTokenIsAStop) {
  EXPECT_EQ(tell({.max_tokens = 4, .stop = {"cd"}}, "abcd"),
            (Told{"ab", FinishReason::kStop, "cd", 4}));
}

TEST(Answer, StopStringsWaitForMinTokens) {
  EXPECT_EQ(tell({.min_tokens = 2, .stop = {"ab"}}, "abcab"),
            (Told{"abc", FinishReason::kStop, "ab", 5}));
}

TEST(Answer, GivesBackWhatWasHeldWhenTheEndComesFirst) {
  EXPECT_EQ(tell({.stop = {"bcd"}}, "abce"), (Told{"abc", FinishReason::kStop, std::nullopt, 4}));
}

}  // namespace
}  // namespace autoglm
