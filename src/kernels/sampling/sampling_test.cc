#include "kernels/sampling/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

namespace autoglm {
namespace {

TEST(Sampling, ArgmaxTakesTheLowestIdAmongEquals) {
  EXPECT_EQ(argmax(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(argmax(std::vector<float>{NAN, -5, NAN, -4}), 3);
  EXPECT_EQ(argmax(std::vector<float>{NAN, NAN}), 0);
  EXPECT_EQ(argmax(std::vector<float>{-INFINITY, -INFINITY}), 0);
}

TEST(Sampling, SoftmaxStatsGiveLogProbabilitiesThatSumToOne) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 5);
  std::vector<float> logits(1003);
  for (float& x : logits) x = normal(random);
  const SoftmaxStats stats = softmax_stats(logits);
  EXPECT_EQ(stats.max, *std::max_element(logits.begin(), logits.end()));
  double sum = 0;
  for (const float x : logits)
    sum += std::exp(double{x} - double{stats.max} - double{stats.log_sum});
  EXPECT_NEAR(sum, 1.0, 1e-6);
}

TEST(Sampling, TopKIsTheHeadOfAStableSort) {
  std::mt19937 random(2);
  std::uniform_int_distribution<int> few(0, 20);  // many equals
  std::vector<float> logits(500);
  for (float& x : logits) x = static_cast<float>(few(random));
  logits[17] = NAN;
  std::vector<int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](int32_t i) {
    const float x = logits[static_cast<size_t>(i)];
    return std::isnan(x) ? -INFINITY : x;
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t i, int32_t j) { return key(i) > key(j); });
  for (const size_t k : {0, 1, 2, 40, 499, 500}) {
    std::vector<int32_t> top(k);
    top_k(logits, top);
    EXPECT_TRUE(std::equal(top.begin(), top.end(), order.begin())) << k;
  }
}

}  // namespace
}  // namespace autoglm
