// Prompts with parts that are not tokens: what is refused, what the executor is told, which pages
// are shared.
#include "engine/prompt_inputs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "engine/testing/core_fixture.h"

namespace autoglm {
namespace {

constexpr int32_t kColumns = 5;  // kLimits.hidden_size

std::vector<float> numbers(int64_t rows, float first) {
  std::vector<float> values;
  for (int64_t i = 0; i < rows * kColumns; ++i) {
    values.push_back(first + static_cast<float>(i) / 4);
  }
  return values;
}

TEST(PromptInputs, RefusesWhatDoesNotFit) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const PromptEmbeddings fits{.first_position = 2, .values = numbers(3, 0)};
  const struct {
    PromptInputs inputs;
    const char* says;  // empty: taken
  } kCases[] = {
      {{}, ""},
      {{.embeddings = {fits}}, ""},
      {{.embeddings = {fits, {.first_position = 5, .values = numbers(5, 0)}}}, ""},
      {{.embeddings = {{.first_position = 2}}}, "inputs.embeddings[0].values"},
      {{.embeddings = {{.values = {1, 2, 3}}}}, "rows of 5 numbers"},
      {{.embeddings = {{.values = {1, 2, 3, kNan, 5}}}}, "nan at 3"},
      {{.embeddings = {{.first_position = -1, .values = numbers(1, 0)}}}, "-1"},
      {{.embeddings = {{.first_position = 8, .values = numbers(3, 0)}}},
       "within positions 0 to 10"},
      {{.embeddings = {{.first_position = std::numeric_limits<int64_t>::max(),
                        .values = numbers(3, 0)}}},
       "first_position"},
      {{.embeddings = {fits, fits}}, "inputs.embeddings[1].first_position"},
      {{.positions = std::vector<RotaryPosition>(10)}, ""},
      {{.positions = std::vector<RotaryPosition>(9)}, "one for each of 10 tokens"},
      {{.positions = std::vector<RotaryPosition>(10, {0, -1, 0})}, "inputs.positions[0]"},
      {{.positions = std::vector<RotaryPosition>(10, {0, 0, (1 << 30) + 1})}, "0 to 1073741824"},
  };
  for (const auto& [inputs, says] : kCases) {
    const auto result = check_inputs(inputs, 10, kColumns);
    EXPECT_EQ(static_cast<bool>(result), *says == '\0') << says;
    if (result) continue;
    EXPECT_THAT(result.error().message(), testing::HasSubstr(says));
  }
}

GenerationRequest with(PromptInputs inputs) {
  GenerationRequest request = long_question({1, 2, 3}, 4);
  request.inputs = std::move(inputs);
  return request;
}

PromptInputs image(float first, int64_t at = 6) {
  return {.embeddings = {{.first_position = at, .values = numbers(3, first)}}};
}

std::vector<RotaryPosition> positions(int32_t shift_from_9) {
  std::vector<RotaryPosition> all;
  for (int32_t i = 0; i < 21; ++i) {
    const int32_t p = i < 9 ? i : i + shift_from_9;
    all.push_back({p, p, p});
  }
  return all;
}

// Rows 6 to 8: the end of the second page and the beginning of the third.
TEST(PromptInputs, PagesAreSharedWhereAllThatTheyDependOnIsTheSame) {
  const struct {
    const char* what;
    PromptInputs first, second;
    int64_t cached;
  } kCases[] = {
      {"the same image", image(1), image(1), 20},
      {"another image", image(1), image(2), 4},
      {"the same at another place", image(1), image(1, 7), 4},
      {"none", image(1), {}, 4},
      {"none first", {}, image(1), 4},
      {"positions that are its own", {}, {.positions = positions(0)}, 20},
      {"other positions from 9 on", {}, {.positions = positions(3)}, 8},
      {"the same other positions", {.positions = positions(3)}, {.positions = positions(3)}, 20},
      {"still others", {.positions = positions(3)}, {.positions = positions(4)}, 8},
  };
  for (const auto& [what, first, second, cached] : kCases) {
    Fixture f(kLimits, kRoomy);
    ask(f, 1, with(first));
    const Outcome outcome = ask(f, 2, with(second));
    EXPECT_EQ(outcome.result.usage.cached_tokens, cached) << what;
    expect_same(outcome, run_alone(with(second), 0), true);
  }
}

TEST(PromptInputs, DecideTheAnswer) {
  const Outcome plain = run_alone(with({}), 0);
  for (const PromptInputs& inputs :
       {image(1), image(2), image(1, 7), PromptInputs{.positions = positions(3)}}) {
    EXPECT_NE(run_alone(with(inputs), 0).result.choices[0].tokens, plain.result.choices[0].tokens);
  }
}

// In steps of four rows, beside a request without any, with drafts: the same answer.
TEST(PromptInputs, StepsAndNeighboursDoNotChangeTheAnswer) {
  PromptInputs inputs = image(1);
  inputs.positions = positions(3);
  const GenerationRequest request = with(inputs);
  const Outcome alone = run_alone(request, 0);
  for (const char* method : {"none", "ngram", "draft_model"}) {
    CoreOptions options = kRoomy;
    options.max_batched_tokens = 4;
    options.max_batch_size = 4;
    options.speculation = {.method = method, .num_speculative_tokens = 3, .adaptive = false};
    Fixture f(kLimits, options);
    const GenerationRequest other = long_question({9}, 7);
    Outcome beside, outcome;
    f.core.add(job_of(1, other, 0, [&](const auto& event) { record(beside, event); }));
    f.core.add(job_of(2, request, 0, [&](const auto& event) { record(outcome, event); }));
    rows_until_idle(f);
    expect_same(outcome, alone, true);
    expect_same(beside, run_alone(other, 0), true);
  }
}

// A page that ends with the prompt's last rows, and those of the answer: all are marked.
TEST(PromptInputs, TheAnswersPagesAreMarkedToo) {
  GenerationRequest first = long_question({1, 2, 3}, 9);
  first.inputs = PromptInputs{.positions = positions(3)};
  Fixture f(kLimits, kRoomy);
  const Outcome answer = ask(f, 1, first);
  GenerationRequest second = first;
  const auto& taken = answer.result.choices[0].tokens;
  second.prompt.insert(second.prompt.end(), taken.begin(), taken.end());
  second.prompt.push_back(TokenId{3});
  second.inputs = {};
  EXPECT_EQ(ask(f, 2, second).result.usage.cached_tokens, 8) << "the answer at its own positions";
  std::vector<RotaryPosition> longer = positions(3);
  for (int32_t p = 24; std::ssize(longer) < std::ssize(second.prompt); ++p) {
    longer.push_back({p, p, p});
  }
  second.inputs = PromptInputs{.positions = longer};
  EXPECT_EQ(ask(f, 3, second).result.usage.cached_tokens, 28) << "a prompt that goes on alike";
}

}  // namespace
}  // namespace autoglm
