// Constrained answers in the core: they satisfy their grammar, are the same in any company, with
// drafts and after preemption, and what the grammar forces is taken without the model.
#include <gtest/gtest.h>

#include <set>

#include "engine/testing/core_fixture.h"
#include "text/grammar/compile.h"

namespace autoglm {
namespace {

std::shared_ptr<grammar::CompiledGrammar> regex(const std::string& source) {
  static const auto kWords = grammar::Vocabulary::of(kTokenizer, kVocabulary);
  auto made = grammar::compile({.kind = StructuredOutput::Kind::kRegex, .text = source}, kWords);
  EXPECT_TRUE(made) << (made ? "" : made.error().message());
  return *made;
}

Outcome run(Fixture& f, const GenerationRequest& request,
            std::shared_ptr<grammar::CompiledGrammar> grammar) {
  Outcome outcome;
  f.core.add({.id = 1,
              .request = request,
              .grammar = std::move(grammar),
              .seed = 7,
              .on_event = [&](const auto& event) { record(outcome, event); }});
  while (!f.core.idle()) {
    f.core.step();
    EXPECT_EQ(f.core.check_invariants(), std::nullopt);
  }
  return outcome;
}

TEST(ConstrainedAnswers, KeepToTheGrammarAndEndWhereNothingCanFollow) {
  Fixture f(kLimits, kRoomy);
  const Outcome outcome =
      run(f, request_of({1, 2, 3}, {.max_tokens = 40, .ignore_eos = true, .n = 8}),
          regex("(ab|cd){2,5}x[f-h]z"));
  ASSERT_EQ(outcome.result.choices.size(), 8U);
  std::set<std::string> texts;
  for (const Choice& choice : outcome.result.choices) {
    EXPECT_EQ(choice.finish_reason, FinishReason::kStop);
    EXPECT_TRUE(grammar::GrammarMatcher(regex("(ab|cd){2,5}x[f-h]z")).accept_text(choice.text));
    EXPECT_EQ(choice.text.back(), 'z');
    EXPECT_EQ(choice.text.size(), choice.tokens.size());
    texts.insert(choice.text);
  }
  EXPECT_GT(texts.size(), 1U);
}

TEST(ConstrainedAnswers, ForcedTokensCostNoStepsAndChangeNothing) {
  const auto request = request_of({1, 2, 3}, {.max_tokens = 60, .ignore_eos = true});
  auto asked = request;
  asked.sampling.logprobs = 0;  // the model must be asked for each token
  Fixture jumping(kLimits, kRoomy), walking(kLimits, kRoomy);
  const auto grammar = regex("[a-c]hello[d-f]worldandsomemore[a-z]{3}");
  const Outcome jumped = run(jumping, request, grammar);
  const Outcome walked = run(walking, asked, grammar);
  EXPECT_EQ(jumped.result.choices[0].tokens, walked.result.choices[0].tokens);
  EXPECT_EQ(jumped.result.choices[0].text, walked.result.choices[0].text);
  EXPECT_EQ(jumped.result.usage.completion_tokens, walked.result.usage.completion_tokens);
  EXPECT_EQ(jumping.core.stats().forced_tokens, 21);
  EXPECT_EQ(walking.core.stats().forced_tokens, 0);
  EXPECT_LT(jumping.executor.n_steps, walking.executor.n_steps - 15);
}

TEST(ConstrainedAnswers, StopAtMaxTokensAndAtStopStrings) {
  Fixture f(kLimits, kRoomy);
  const Outcome cut =
      run(f, request_of({1}, {.max_tokens = 5, .ignore_eos = true}), regex("abcdefgh"));
  EXPECT_EQ(cut.result.choices[0].text, "abcde");
  EXPECT_EQ(cut.result.choices[0].finish_reason, FinishReason::kLength);
  const Outcome whole =
      run(f, request_of({1}, {.max_tokens = 8, .ignore_eos = true}), regex("abcdefgh"));
  EXPECT_EQ(whole.result.choices[0].finish_reason, FinishReason::kStop);
  const Outcome stopped =
      run(f, request_of({1}, {.max_tokens = 20, .stop = {"def"}, .ignore_eos = true}),
          regex("abcdefgh"));
  EXPECT_EQ(stopped.result.choices[0].text, "abc");
  EXPECT_EQ(stopped.result.choices[0].stop_reason, "def");
  const Outcome least = run(
      f, request_of({1}, {.max_tokens = 20, .min_tokens = 10, .ignore_eos = true}), regex("abcd"));
  EXPECT_EQ(least.result.choices[0].text, "abcd");
}

TEST(ConstrainedAnswers, EndTokensAreAllowedExactlyWhereTheGrammarMayEnd) {
  // Tokens 4 and 5 end answers here.
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Fixture f(kLimits, kRoomy);
    Outcome outcome;
    f.core.add({.id = 1,
                .request = request_of({1}, {.max_tokens = 30}),
                .grammar = regex("[a-z]{3}([g-z]{3})*"),
                .seed = seed,
                .on_event = [&](const auto& event) { record(outcome, event); }});
    while (!f.core.idle()) f.core.step();
    const Choice& choice = outcome.result.choices[0];
    const bool cut = choice.finish_reason == FinishReason::kLength;
    EXPECT_TRUE(cut || choice.text.size() % 3 == 0) << choice.text;
    EXPECT_GE(choice.text.size(), 3U);
    EXPECT_EQ(choice.text.find_first_of("ef"), std::string::npos);
  }
}

TEST(ConstrainedAnswers, AGrammarThatTheVocabularyCannotSpellIsAnError) {
  Fixture f(kLimits, kRoomy);
  const Outcome outcome =
      run(f, request_of({1}, {.max_tokens = 20, .ignore_eos = true}), regex("ab#c"));
  EXPECT_EQ(outcome.result.choices[0].finish_reason, FinishReason::kError);
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->where, "structured_outputs");  // the request's field
}

TEST(ConstrainedAnswers, AreTheSameInCompanyWithDraftsAndPreempted) {
  const auto grammar = regex("([a-m]{1,4}xyz){3,6}|[n-z]+");
  std::vector<Outcome> alone(6);
  const auto request = [&](int i) {
    return request_of({i + 1, 2, 3},
                      {.repetition_penalty = 1.1, .max_tokens = 30, .ignore_eos = true, .n = 2});
  };
  for (int i = 0; i < 6; ++i) {
    Fixture f(kLimits, kRoomy);
    alone[static_cast<size_t>(i)] = run(f, request(i), grammar);
  }
  for (const bool drafts : {false, true}) {
    CoreOptions tight = kRoomy;
    tight.n_pages = 9;  // of which all want more: some are preempted
    if (drafts) {
      tight.speculation = {.method = "ngram", .num_speculative_tokens = 3, .adaptive = false};
    }
    Fixture f(kLimits, tight);
    std::vector<Outcome> together(6);
    for (int i = 0; i < 6; ++i) {
      f.core.add({.id = static_cast<uint64_t>(i + 1),
                  .request = request(i),
                  .grammar = grammar,
                  .seed = 7,
                  .on_event = [&, i](const auto& event) {
                    record(together[static_cast<size_t>(i)], event);
                  }});
    }
    while (!f.core.idle()) {
      f.core.step();
      ASSERT_EQ(f.core.check_invariants(), std::nullopt);
    }
    for (size_t i = 0; i < 6; ++i) expect_same(together[i], alone[i], true);
    EXPECT_GT(f.core.stats().preemptions, 0);
  }
}

}  // namespace
}  // namespace autoglm
