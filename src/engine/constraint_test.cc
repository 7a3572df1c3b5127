// Answers whose form waits for thoughts: a stand-in for a model draws tokens at random among those
// that are left to it, and what comes out must be thoughts that are closed and then the form.
#include "engine/constraint.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <set>
#include <string>

#include "text/grammar/compile.h"

namespace autoglm {
namespace {

constexpr TokenId kEnd{0};

// Letters, signs, pieces of tags, and what a tokenizer would put together across a tag's end.
class Words : public Tokenizer {
 public:
  explicit Words(bool has_tags) {
    words_ = {"", "a", "b", "{", "}", "<", "/", "</", "think", ">", ">\n", ">{", ">b", "{}", "\n"};
    if (has_tags) words_.insert(words_.end(), {"<think>", "</think>"});
  }
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions) const override {
    std::vector<TokenId> ids;
    while (!text.empty()) {
      size_t best = 0;  // the longest
      for (size_t i = 1; i < words_.size(); ++i) {
        if (text.starts_with(words_[i]) && words_[i].size() > words_[best].size()) best = i;
      }
      EXPECT_NE(best, 0U) << text;
      if (best == 0) break;
      text.remove_prefix(words_[best].size());
      ids.push_back(TokenId{static_cast<int32_t>(best)});
    }
    return ids;
  }
  Result<std::string> decode(std::span<const TokenId> ids, bool) const override {
    std::string text;
    for (const TokenId id : ids) text += token_bytes(id);
    return text;
  }
  std::string token_bytes(TokenId id) const override { return words_[static_cast<size_t>(id)]; }
  std::string token_spelling(TokenId id) const override { return token_bytes(id); }
  std::optional<TokenId> token_id(std::string_view spelling) const override {
    for (size_t i = 1; i < words_.size(); ++i) {
      if (words_[i] == spelling) return TokenId{static_cast<int32_t>(i)};
    }
    return std::nullopt;
  }
  bool is_special(TokenId id) const override { return id == kEnd; }
  int32_t vocab_size() const override { return static_cast<int32_t>(words_.size()); }
  std::optional<TokenId> bos() const override { return std::nullopt; }
  std::optional<TokenId> eos() const override { return kEnd; }

 private:
  std::vector<std::string> words_;
};

const Words kTagged(true), kPieces(false);

std::shared_ptr<grammar::CompiledGrammar> regex(const Tokenizer& tokenizer,
                                                const std::string& source) {
  const auto words = grammar::Vocabulary::of(tokenizer, tokenizer.vocab_size());
  auto made = grammar::compile({.kind = StructuredOutput::Kind::kRegex, .text = source}, words);
  EXPECT_TRUE(made) << (made ? "" : made.error().message());
  return *made;
}

struct Wish {
  std::string prompt;
  std::string form = "\\{a*\\}";
  std::optional<int64_t> budget;
  bool after_thoughts = true;
};

// A whole answer, or "..." where none came in 2,000 tokens.
std::string answer(const Tokenizer& tokenizer, const Wish& wish, uint32_t seed) {
  Thoughts thoughts(wish.budget, *tokenizer.encode(wish.prompt, {}), tokenizer);
  Constraint constraint(regex(tokenizer, wish.form),
                        {.after_thoughts = wish.after_thoughts, .end_ids = {kEnd}});
  std::mt19937 random(seed);
  std::string text;
  for (int n = 0; n < 2000; ++n) {
    const auto looked = constraint.look(thoughts);
    EXPECT_TRUE(looked);
    if (!looked || constraint.finished()) return text;
    TokenId next{};
    const auto budgeted = constraint.waits() ? thoughts.forced() : std::nullopt;
    if (budgeted) {
      next = *budgeted;
    } else {
      std::vector<float> logits(static_cast<size_t>(tokenizer.vocab_size()));
      for (float& logit : logits) logit = static_cast<float>(random() % 1000);
      constraint.apply(logits);
      const auto best = std::max_element(logits.begin(), logits.end());
      EXPECT_TRUE(std::isfinite(*best)) << text;
      next = TokenId{static_cast<int32_t>(best - logits.begin())};
      EXPECT_EQ(constraint.forced().value_or(next), next);
    }
    if (next == kEnd) return text;
    text += tokenizer.token_bytes(next);
    thoughts.took(next);
    EXPECT_TRUE(constraint.take(next, thoughts));
  }
  return "...";
}

// What stands behind the first </think>, without space before it; all of it where there is none.
std::string behind_thoughts(const std::string& text) {
  const size_t close = text.find("</think>");
  const size_t begin = close == std::string::npos ? 0 : close + 8;
  return text.substr(std::min(text.find_first_not_of('\n', begin), text.size()));
}

bool is_form(const std::string& text) {
  return text.size() >= 2 && text.front() == '{' && text.back() == '}' &&
         text.find_first_not_of('a', 1) == text.size() - 1;
}

TEST(ConstraintAfterThoughts, HoldsWhatFollowsThoughtsThatThePromptHasOpened) {
  for (const Words* words : {&kTagged, &kPieces}) {
    for (uint32_t seed = 0; seed < 200; ++seed) {
      const std::string text = answer(*words, {.prompt = "a<think>\n", .budget = 30}, seed);
      EXPECT_NE(text.find("</think>"), std::string::npos) << text;
      EXPECT_TRUE(is_form(behind_thoughts(text))) << text;
    }
  }
}

TEST(ConstraintAfterThoughts, TheModelItselfMayCloseThemAndTheTokenMayBeginTheForm) {
  std::set<std::string> ways;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const std::string text = answer(kPieces, {.prompt = "<think>"}, seed);
    if (text == "...") continue;
    EXPECT_TRUE(is_form(behind_thoughts(text))) << text;
    ways.insert(text.substr(text.find("</think>") + 8, 1));
  }
  EXPECT_EQ(ways, (std::set<std::string>{"{", "\n"}));
}

TEST(ConstraintAfterThoughts, ThoughtsMayBeOpenedByTheModelOrNot) {
  int with = 0, without = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    const std::string text = answer(kTagged, {.prompt = "a", .budget = 9}, seed);
    EXPECT_TRUE(is_form(behind_thoughts(text))) << text;
    EXPECT_TRUE(text.starts_with("<think>") || is_form(text)) << text;
    ++(text.starts_with("<think>") ? with : without);
    // Where <think> is no token of its own, nothing tells it from other text.
    EXPECT_TRUE(is_form(answer(kPieces, {.prompt = "a", .budget = 9}, seed)));
  }
  EXPECT_GT(with, 20);
  EXPECT_GT(without, 20);
}

TEST(ConstraintAfterThoughts, HoldsAtOnceWhereThePromptHasClosedThem) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    EXPECT_TRUE(is_form(answer(kTagged, {.prompt = "<think>\n</think>\n"}, seed)));
    EXPECT_TRUE(is_form(answer(kTagged, {.prompt = "<think>", .after_thoughts = false}, seed)));
  }
}

TEST(ConstraintAfterThoughts, AFormWithThoughtsOfItsOwnHasThemItsWay) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    const Wish wish{.prompt = "a", .form = "<think>b</think>\\{\\}", .budget = 0};
    EXPECT_EQ(answer(kTagged, wish, seed), "<think>b</think>{}");
    EXPECT_EQ(answer(kPieces, wish, seed), "<think>b</think>{}");
  }
}

TEST(Constraint, ATokenTakenAgainstTheGrammarIsAFaultOfOurs) {
  const Words words(false);
  const auto vocabulary = grammar::Vocabulary::of(words, words.vocab_size());
  const auto made =
      grammar::compile({.kind = StructuredOutput::Kind::kRegex, .text = "a{2}"}, vocabulary);
  ASSERT_TRUE(made);
  Constraint constraint(*made, {.end_ids = {kEnd}});
  const Thoughts thoughts;
  ASSERT_TRUE(constraint.look(thoughts));
  for (const TokenId wrong : {TokenId{2}, kEnd}) {
    const auto taken = constraint.take(wrong, thoughts);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::kInternal);
  }
  EXPECT_TRUE(constraint.take(TokenId{1}, thoughts));
}

}  // namespace
}  // namespace autoglm
