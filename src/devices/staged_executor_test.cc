// A model in parts computes what it computes whole, bit for bit, in one program and over pages that
// were moved.
#include "devices/staged_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>
#include <vector>

#include "devices/cpu/cpu_executor.h"
#include "devices/cpu/testing/made_up_model.h"
#include "graph/stages.h"

namespace autoglm {
namespace {

using namespace made_up;

constexpr int32_t kRows = 24;

DeviceOptions options_of(std::optional<WeightFormat> quantize) {
  return {.quantize = quantize,
          .threads = 1,
          .max_rows = kRows,
          .max_output_rows = 8,
          .max_context = 64};
}

std::unique_ptr<Executor> staged(const std::vector<int32_t>& first_layers,
                                 std::optional<WeightFormat> quantize) {
  auto graphs = split_into_stages(made_up_model(), first_layers);
  EXPECT_TRUE(graphs) << graphs.error().message();
  std::vector<std::unique_ptr<Executor>> stages;
  for (const Graph& graph : *graphs) {
    auto stage = make_cpu_executor(graph, MadeUpWeights(DType::kBF16), options_of(quantize));
    EXPECT_TRUE(stage) << stage.error().message();
    stages.push_back(*std::move(stage));
  }
  return std::make_unique<StagedExecutor>(std::move(stages));
}

// Of two steps of several sequences; between them all pages move to other places.
std::vector<float> results(Executor& executor) {
  EXPECT_TRUE(executor.reserve_pages(4));
  std::vector<float> all;
  const auto step = [&](int32_t rows, int64_t position, int32_t first_page) {
    std::vector<TokenId> tokens;
    for (int32_t i = 0; i < 2 * rows; ++i) tokens.push_back(static_cast<TokenId>(i * 13 % kVocab));
    const std::vector<int32_t> pages{first_page}, others{first_page + 1};
    const StepSequence sequences[] = {
        {.n_rows = rows, .start_position = position, .pages = pages},
        {.first_row = rows, .n_rows = rows, .start_position = position, .pages = others}};
    const std::vector<int32_t> wanted{0, rows, 2 * rows - 1};
    EXPECT_TRUE(executor.step({.tokens = tokens, .sequences = sequences, .output_rows = wanted}));
    for (int32_t i = 0; i < 3; ++i) {
      for (const auto part : {executor.logits(i), executor.hidden_state(i)}) {
        all.insert(all.end(), part.begin(), part.end());
      }
    }
  };
  step(9, 0, 0);
  std::vector<std::byte> bytes(static_cast<size_t>(executor.limits().page_bytes));
  for (const int32_t page : {1, 0}) {
    executor.read_page(page, bytes);
    executor.write_page(page + 2, bytes);
  }
  step(2, 9, 2);
  return all;
}

TEST(StagedExecutor, ComputesWhatTheWholeModelDoes) {
  for (const auto quantize : {std::optional<WeightFormat>(), std::optional(WeightFormat::kInt8),
                              std::optional(WeightFormat::kInt4)}) {
    auto whole =
        make_cpu_executor(made_up_model(), MadeUpWeights(DType::kBF16), options_of(quantize));
    ASSERT_TRUE(whole);
    const std::vector<float> expected = results(**whole);
    for (const std::vector<int32_t>& first_layers :
         std::vector<std::vector<int32_t>>{{}, {1}, {2}, {1, 2}}) {
      const auto executor = staged(first_layers, quantize);
      EXPECT_EQ(executor->limits().page_bytes, (*whole)->limits().page_bytes);
      EXPECT_EQ(executor->limits().vocab_size, (*whole)->limits().vocab_size);
      EXPECT_EQ(results(*executor), expected) << first_layers.size() + 1 << " stages";
    }
  }
}

TEST(Stages, RefusesLayersThatThereAreNot) {
  for (const auto& [first_layers, says] :
       std::vector<std::pair<std::vector<int32_t>, const char*>>{{{0}, "a layer behind 0"},
                                                                 {{3}, "1 to 2"},
                                                                 {{2, 1}, "a layer behind 2"},
                                                                 {{1, 1}, "a layer behind 1"}}) {
    const auto stages = split_into_stages(made_up_model(), first_layers);
    ASSERT_FALSE(stages);
    EXPECT_THAT(stages.error().message(), testing::HasSubstr(says));
  }
}

// x is read by the second layer and, again, by the sum behind the third.
TEST(Stages, RefusesAPlaceWhereMoreThanOneValueCrosses) {
  Recording r;
  const auto attend = [&](Value x, int32_t layer) {
    return attention(x, x, x,
                     {.layer = layer, .n_heads = 1, .n_kv_heads = 1, .head_dim = 8, .scale = 1});
  };
  const Value x = embedding(r.graph, r.matrix("embed", kVocab, 8, WeightRole::kEmbedding));
  const Value first = attend(x, 0);
  const Value second = attend(first, 1);
  r.graph.add_output(kHiddenOutput, select_outputs(second + x));
  const auto stages = split_into_stages(r.graph, std::vector<int32_t>{1});
  ASSERT_FALSE(stages);
  EXPECT_THAT(stages.error().message(), testing::HasSubstr("more than one value"));
}

}  // namespace
}  // namespace autoglm
