// Against a search of the whole text, and by hand.
#include "engine/speculation/prompt_lookup.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string_view>

namespace autoglm {
namespace {

std::vector<TokenId> letters(std::string_view text) {
  std::vector<TokenId> ids;
  for (const char c : text) ids.push_back(TokenId{c});
  return ids;
}

std::string drafted(PromptLookup& lookup, int32_t most) {
  std::vector<TokenId> draft;
  lookup.propose(most, draft);
  std::string text;
  for (const TokenId id : draft) text += static_cast<char>(static_cast<int32_t>(id));
  return text;
}

TEST(PromptLookup, ProposesWhatFollowedTheLongestMatch) {
  PromptLookup lookup(2, 4, {}, letters("the cat sat. a hat lay. the c"));
  EXPECT_EQ(drafted(lookup, 6), "at sat");
  for (const TokenId id : letters("hai, a h")) lookup.append(id);
  EXPECT_EQ(drafted(lookup, 5), "at la") << "\"a h\", not the later \" h\"";
}

TEST(PromptLookup, TakesTheLatestOfEqualMatches) {
  PromptLookup lookup(2, 4, {}, letters("ab1 ab2 ab"));
  EXPECT_EQ(drafted(lookup, 1), "2");
}

TEST(PromptLookup, ProposesNothingWhereNothingMatches) {
  PromptLookup lookup(2, 4, {}, letters("abcdefg"));
  EXPECT_EQ(drafted(lookup, 4), "");
  PromptLookup one(2, 4, {}, letters("a"));
  EXPECT_EQ(drafted(one, 4), "");
}

TEST(PromptLookup, GoesRoundWhereTheTextRepeatsItself) {
  PromptLookup lookup(2, 3, {}, letters("xyzxyzxy"));
  EXPECT_EQ(drafted(lookup, 8), "zxyzxyzx");
}

TEST(PromptLookup, FollowsAMatchPastALaterOne) {
  // After "abcd" the match with the first line is longer than any n-gram; "cdX" came later.
  PromptLookup lookup(2, 2, {}, letters("abcdE. cdX. ab"));
  EXPECT_EQ(drafted(lookup, 3), "cdE");
  for (const TokenId id : letters("cd")) lookup.append(id);
  EXPECT_EQ(drafted(lookup, 1), "E");
}

TEST(PromptLookup, BeginsWithThePredictionAndFindsBackToIt) {
  const auto prediction = letters("int main() { return 0; }");
  PromptLookup lookup(2, 4, prediction, letters("rewrite: "));
  EXPECT_EQ(drafted(lookup, 5), "int m");
  for (const TokenId id : letters("int work")) lookup.append(id);
  EXPECT_EQ(drafted(lookup, 3), "");
  for (const TokenId id : letters("() ")) lookup.append(id);
  EXPECT_EQ(drafted(lookup, 8), "{ return");
}

// The definition: longest n first, the latest occurrence that something follows.
std::vector<TokenId> search(const std::vector<TokenId>& text, int32_t min_n, int32_t max_n,
                            int32_t most) {
  for (int32_t n = max_n; n >= min_n; --n) {
    for (int64_t end = std::ssize(text) - 1; end >= n; --end) {
      if (!std::equal(text.begin() + (end - n), text.begin() + end, text.end() - n)) continue;
      std::vector<TokenId> draft;
      for (int64_t i = end; i < end + most; ++i) {
        draft.push_back(i < std::ssize(text) ? text[static_cast<size_t>(i)]
                                             : draft[static_cast<size_t>(i - std::ssize(text))]);
      }
      return draft;
    }
  }
  return {};
}

TEST(PromptLookup, FindsWhatASearchOfTheWholeTextFinds) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    const auto n_letters = 2 + random() % 30;
    const auto max_n = static_cast<int32_t>(1 + random() % 5);
    const auto min_n = static_cast<int32_t>(1 + random() % static_cast<uint32_t>(max_n));
    std::vector<TokenId> text;
    for (uint64_t i = random() % 400; i > 0; --i) {
      text.push_back(TokenId{static_cast<int32_t>(random() % n_letters)});
    }
    // Fresh, it follows no match yet.
    PromptLookup lookup(min_n, max_n, {}, text);
    std::vector<TokenId> draft;
    lookup.propose(6, draft);
    ASSERT_EQ(draft, search(text, min_n, max_n, 6)) << "round " << round;
  }
}

TEST(PromptLookup, KeepsUpWithALongText) {
  std::mt19937 random(6);
  std::vector<TokenId> text;
  for (int i = 0; i < 200'000; ++i)
    text.push_back(TokenId{static_cast<int32_t>(random() % 150'000)});
  text.insert(text.end(), text.begin() + 1000, text.begin() + 1004);
  PromptLookup lookup(2, 4, {}, text);
  std::vector<TokenId> draft;
  lookup.propose(3, draft);
  EXPECT_EQ(draft, (std::vector<TokenId>(text.begin() + 1004, text.begin() + 1007)));
}

}  // namespace
}  // namespace autoglm
