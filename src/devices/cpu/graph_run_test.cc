// Texts run through a graph at once give the bits that serving gives, and every product's rows are
// shown before it is computed.
#include "devices/cpu/graph_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/thread_pool.h"
#include "devices/cpu/cpu_executor.h"
#include "devices/cpu/testing/made_up_model.h"

namespace autoglm {
namespace {

using namespace made_up;

class Watching : public RunVisitor {
 public:
  explicit Watching(ThreadPool& pool) : pool_(pool) {}

  Result<void> on_products(std::span<const int32_t> nodes, const RowsView& x) override {
    EXPECT_EQ(awaited_, 0U) << "before the last of the products of the rows before";
    groups.emplace_back(nodes.begin(), nodes.end());
    awaited_ = nodes.size();
    EXPECT_EQ(x.rows, expected_rows);
    return {};
  }
  void on_result(int32_t node, const RowsView& y) override {
    EXPECT_TRUE(std::ranges::count(groups.back(), node) == 1 && awaited_-- > 0) << node;
    EXPECT_EQ(y.rows, expected_rows);
  }
  Result<PackedWeight> matrix(const Weight& weight, int64_t begin, int64_t end) override {
    const auto tensor = AGLM_TRY(source_.open(weight.parts[0].tensor));
    PackedWeight packed =
        AGLM_TRY(PackedWeight::allocate(WeightFormat::kF32, end - begin, weight.columns));
    pool_.parallel_for(packed.n_panels(), 1, [&](int64_t first, int64_t last) {
      packed.pack_panels(first, last, [&](RowRange rows, std::span<float> out) {
        tensor->read_rows({begin + rows.begin, rows.n}, out);
      });
    });
    return packed;
  }
  Result<void> embedding_row(const Weight& weight, int64_t row, std::span<float> out) override {
    const auto tensor = AGLM_TRY(source_.open(weight.parts[0].tensor));
    tensor->read_rows({row, 1}, out);
    return {};
  }
  Result<std::vector<float>> vector(const Weight& weight) override {
    const auto tensor = AGLM_TRY(source_.open(weight.parts[0].tensor));
    std::vector<float> values(static_cast<size_t>(weight.rows));
    tensor->read_rows({0, weight.rows}, values);
    return values;
  }

  std::vector<std::vector<int32_t>> groups;
  int64_t expected_rows = 0;

 private:
  MadeUpWeights source_{DType::kF32};
  ThreadPool& pool_;
  size_t awaited_ = 0;
};

std::vector<TokenId> tokens(int32_t n, int32_t step) {
  std::vector<TokenId> result;
  for (int32_t i = 0; i < n; ++i) result.push_back(static_cast<TokenId>(i * step % kVocab));
  return result;
}

TEST(GraphRun, GivesTheHiddenStatesThatServingGives) {
  // More rows than one product takes at a time; the first sequence's are not asked for.
  const RunInput input{.sequences = {tokens(600, 31), tokens(40, 7)}, .first_output = 1};
  const Graph graph = made_up_model();
  ThreadPool pool(2);
  Watching visitor(pool);
  visitor.expected_rows = 640;
  const Context context{pool, best_isa()};
  const auto found = run_graph(graph, input, visitor, context, {});
  ASSERT_TRUE(found) << found.error().message();
  ASSERT_EQ(found->view.rows, 40);

  auto served = make_cpu_executor(graph, MadeUpWeights(DType::kF32),
                                  {.threads = 1, .max_rows = 40, .max_output_rows = 40});
  ASSERT_TRUE(served) << served.error().message();
  ASSERT_TRUE((*served)->reserve_pages(2));
  const std::vector<int32_t> pages{1, 0};
  const StepSequence sequence{.n_rows = 40, .pages = pages};
  std::vector<int32_t> wanted(40);
  for (int32_t i = 0; i < 40; ++i) wanted[static_cast<size_t>(i)] = i;
  ASSERT_TRUE((*served)->step({.tokens = input.sequences[1],
                               .sequences = {&sequence, 1},
                               .output_rows = wanted,
                               .logits = false}));
  for (int32_t i = 0; i < 40; ++i) {
    const std::span<const float> row(found->view.row(i), static_cast<size_t>(kHidden));
    EXPECT_TRUE(std::ranges::equal(row, (*served)->hidden_state(i))) << "row " << i;
  }
}

TEST(GraphRun, ShowsTheRowsOfEveryProductOnce) {
  ThreadPool pool(1);
  Watching visitor(pool);
  visitor.expected_rows = 9;
  const Context context{pool, best_isa()};
  std::vector<double> fractions;
  ASSERT_TRUE(run_graph(made_up_model(), {.sequences = {tokens(9, 5)}}, visitor, context,
                        [&](double fraction) { fractions.push_back(fraction); }));
  // Of each layer: q, k and v; o; gate and up, which the second layer has as one; down.
  std::vector<size_t> sizes;
  for (const auto& group : visitor.groups) sizes.push_back(group.size());
  EXPECT_EQ(sizes, (std::vector<size_t>{3, 1, 2, 1, 3, 1, 1, 1, 3, 1, 2, 1}));
  EXPECT_TRUE(std::ranges::is_sorted(fractions));
  EXPECT_EQ(fractions.back(), 1.0);
}

}  // namespace
}  // namespace autoglm
