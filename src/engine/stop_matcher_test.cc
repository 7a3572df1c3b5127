#include "engine/stop_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace autoglm {
namespace {

struct Answer {
  std::string text;
  std::optional<size_t> stop;
  bool operator==(const Answer&) const = default;
};

Answer feed(StopMatcher matcher, const std::vector<std::string>& pieces) {
  Answer answer;
  for (const std::string& piece : pieces) {
    auto out = matcher.push(piece, false);
    answer.text += out.text;
    answer.stop = out.stop;
    if (out.stop) return answer;
  }
  answer.text += matcher.finish();
  return answer;
}

TEST(StopMatcher, HoldsBackWhatMayBeAStopAndLetsItGoWhenItIsNot) {
  StopMatcher matcher({"</answer>"}, false);
  EXPECT_EQ(matcher.push("yes </ans", false).text, "yes ");
  EXPECT_EQ(matcher.push("wers", false).text, "</answers");
  EXPECT_EQ(matcher.push(" <", false).text, " ");
  EXPECT_EQ(matcher.finish(), "<");
}

TEST(StopMatcher, EndsBeforeTheStopOrAfterItWhenItBelongsToTheOutput) {
  EXPECT_EQ(feed(StopMatcher({"END"}, false), {"abE", "ND tail"}), (Answer{"ab", 0}));
  EXPECT_EQ(feed(StopMatcher({"END"}, true), {"abE", "ND tail"}), (Answer{"abEND", 0}));
}

TEST(StopMatcher, TakesTheStopThatEndsFirstAndOfThoseTheLongest) {
  EXPECT_EQ(feed(StopMatcher({"cd", "bc"}, false), {"abcd"}), (Answer{"a", 1}));
  EXPECT_EQ(feed(StopMatcher({"c", "abc"}, false), {"xabcd"}), (Answer{"x", 1}));
}

TEST(StopMatcher, AStopThatEndsWhereStopsAreIgnoredIsText) {
  StopMatcher matcher({"ab"}, false);
  EXPECT_EQ(matcher.push("xab", true).text, "xab");
  const auto piece = matcher.push("ab", false);
  EXPECT_EQ(piece.text, "");
  EXPECT_EQ(piece.stop, 0);
}

TEST(StopMatcher, AStopThatOnlyBeginsWhereStopsAreIgnoredCounts) {
  StopMatcher matcher({"ab"}, false);
  EXPECT_EQ(matcher.push("xa", true).text, "x");
  EXPECT_EQ(matcher.push("b", false).stop, 0);
}

// Against the plainest search, for random cuts of random texts over two letters.
TEST(StopMatcher, AgreesWithPlainSearchHoweverTheTextIsCut) {
  for (uint32_t seed = 0; seed < 4000; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto word = [&](size_t longest) {
      std::string text(1 + random() % longest, 'a');
      for (char& c : text) c = random() % 2 != 0 ? 'a' : 'b';
      return text;
    };
    std::vector<std::string> stops;
    for (auto n = 1 + random() % 3; n > 0; --n) stops.push_back(word(6));
    const std::string text = word(40);
    const bool include = random() % 2 != 0;

    Answer expected{text, std::nullopt};
    for (size_t end = 1; end <= text.size() && !expected.stop; ++end) {
      for (size_t i = 0; i < stops.size(); ++i) {
        if (!text.substr(0, end).ends_with(stops[i])) continue;
        if (!expected.stop || stops[i].size() > stops[*expected.stop].size()) expected.stop = i;
      }
      if (expected.stop) {
        expected.text = text.substr(0, include ? end : end - stops[*expected.stop].size());
      }
    }
    std::vector<std::string> pieces;
    for (size_t begin = 0; begin < text.size();) {
      const size_t n = 1 + random() % 5;
      pieces.push_back(text.substr(begin, n));
      begin += n;
    }
    EXPECT_EQ(feed(StopMatcher(stops, include), pieces), expected);
  }
}

}  // namespace
}  // namespace autoglm
