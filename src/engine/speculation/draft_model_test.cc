// Rounds of a draft model over the fake executor.
#include "engine/speculation/draft_model.h"

#include <gtest/gtest.h>

#include "engine/testing/fakes.h"

namespace autoglm {
namespace {

constexpr ExecutorLimits kLimits{.max_rows = 8,
                                 .max_output_rows = 2,
                                 .vocab_size = 20,
                                 .hidden_size = 1,
                                 .max_context = 64,
                                 .page_tokens = 4,
                                 .page_bytes = 1};

struct Drafted {
  FakeExecutor executor{kLimits};
  DraftModel model{executor, 26};
  StepCost cost;
  double now = 0;
  SamplerScratch scratch;
  Sampler sampler{{.temperature = 0.7}, 3, 0, {}, {}};
  std::vector<TokenId> prompt, draft;
  std::vector<int32_t> pages{5, 2, 0, 7};
  int64_t computed = 0;

  explicit Drafted(int n_prompt) {
    EXPECT_TRUE(executor.reserve_pages(8));
    executor.on_step = [this](const StepInput&) { now += 1; };
    for (int i = 0; i < n_prompt; ++i) prompt.push_back(TokenId{i % 20});
  }
  const std::vector<TokenId>& run(int32_t most) {
    std::vector<DraftOrder> orders{{.prompt = prompt,
                                    .pages = pages,
                                    .sampler = &sampler,
                                    .most = most,
                                    .computed = &computed,
                                    .draft = &draft}};
    model.draft(orders, scratch, cost, [this] { return now; });
    return draft;
  }
};

TEST(DraftModel, DrawsOneTokenARoundAndLeavesTheLastUncomputed) {
  Drafted d(5);
  EXPECT_EQ(d.run(3).size(), 3U);
  EXPECT_EQ(d.executor.n_steps, 3);
  EXPECT_EQ(d.computed, 7);
  for (const TokenId id : d.draft)
    EXPECT_LT(static_cast<int32_t>(id), 20) << "the padding is drawn";
  EXPECT_EQ(d.cost.seconds(1), 1);
}

TEST(DraftModel, GivesTheSamplerBackAsItWas) {
  Drafted once(5), twice(5);
  twice.run(4);
  twice.computed = 4;  // the target took none of them
  EXPECT_EQ(once.run(4), twice.run(4));
}

TEST(DraftModel, CatchesUpAStepAtATime) {
  Drafted d(13);
  EXPECT_TRUE(d.run(2).empty());
  EXPECT_EQ(d.computed, 8);
  EXPECT_EQ(d.executor.n_steps, 1);
  EXPECT_EQ(d.run(2).size(), 2U);
  EXPECT_FALSE(d.cost.known(2));
}

TEST(DraftModel, AnOrderThatContradictsItselfIsAFaultOfItsOwn) {
  Drafted d(5);
  std::vector<TokenId> wrong_draft;
  int64_t too_many = 6;  // of 5 tokens
  std::vector<DraftOrder> orders{{.prompt = d.prompt,
                                  .pages = d.pages,
                                  .sampler = &d.sampler,
                                  .most = 2,
                                  .computed = &too_many,
                                  .draft = &wrong_draft},
                                 {.prompt = d.prompt,
                                  .pages = d.pages,
                                  .sampler = &d.sampler,
                                  .most = 2,
                                  .computed = &d.computed,
                                  .draft = &d.draft}};
  d.model.draft(orders, d.scratch, d.cost, [&] { return d.now; });
  ASSERT_TRUE(orders[0].fault);
  EXPECT_EQ(orders[0].fault->code, ErrorCode::kInternal);
  EXPECT_TRUE(wrong_draft.empty());
  EXPECT_FALSE(orders[1].fault);
  EXPECT_EQ(d.draft.size(), 2U);
}

TEST(DraftModel, LogitsThatAreNoNumbersDraftNothing) {
  Drafted d(5);
  d.executor.next_nan = 2;
  EXPECT_EQ(d.run(4).size(), 1U);
}

}  // namespace
}  // namespace autoglm
