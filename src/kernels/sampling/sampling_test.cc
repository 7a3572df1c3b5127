// The passes over logits against sorting and against std::exp, and every variant against the
// generic one.
#include "kernels/sampling/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "kernels/isa.h"
#include "kernels/sampling/variants.h"

namespace autoglm {
namespace {

std::vector<float> random_logits(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(n);
  for (float& x : logits) x = normal(random);
  return logits;
}

TEST(Sampling, TheBestIsTheLowestIdAmongEquals) {
  LogitBlocks blocks;
  EXPECT_TRUE(scan_logits(std::vector<float>{1, 3, 3, 2}, &blocks));
  EXPECT_EQ(blocks.best, 1);
  EXPECT_TRUE(scan_logits(std::vector<float>{-INFINITY, -5, -INFINITY}, &blocks));
  EXPECT_EQ(blocks.best, 1);
  std::vector<float> logits(5000, -7.5f);
  logits[3000] = logits[4999] = -7.25f;
  EXPECT_TRUE(scan_logits(logits, &blocks));
  EXPECT_EQ(blocks.best, 3000);
}

TEST(Sampling, LogitsThatMakeNoDistributionAreFoundWhereverTheyAre) {
  LogitBlocks blocks;
  EXPECT_FALSE(scan_logits(std::vector<float>{}, &blocks));
  EXPECT_FALSE(scan_logits(std::vector<float>(40, -INFINITY), &blocks));
  for (const float bad : {NAN, -NAN, INFINITY}) {
    for (const size_t at : {0, 15, 16, 1023, 1024, 2049}) {
      std::vector<float> logits = random_logits(2050, 1);
      logits[at] = bad;
      EXPECT_FALSE(scan_logits(logits, &blocks)) << bad << " at " << at;
    }
  }
  std::vector<float> masked = random_logits(2050, 1);
  masked[7] = -INFINITY;
  masked[8] = std::numeric_limits<float>::max();
  EXPECT_TRUE(scan_logits(masked, &blocks));
}

TEST(Sampling, TopKIsTheHeadOfAStableSort) {
  for (const size_t n : {500, 20'000}) {
    std::mt19937 random(2);
    std::uniform_int_distribution<int> few(0, static_cast<int>(n) / 25);  // many equals
    std::vector<float> logits(n);
    for (float& x : logits) x = static_cast<float>(few(random));
    logits[17] = -INFINITY;
    std::vector<int32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t i, int32_t j) {
      return logits[static_cast<size_t>(i)] > logits[static_cast<size_t>(j)];
    });
    LogitBlocks blocks;
    ASSERT_TRUE(scan_logits(logits, &blocks));
    for (const int32_t k : {0, 1, 2, 20, 40, 499, 500, 30'000}) {
      std::vector<int32_t> top;
      top_k(logits, blocks, k, &top);
      ASSERT_EQ(top.size(), std::min(static_cast<size_t>(k), n));
      EXPECT_TRUE(std::equal(top.begin(), top.end(), order.begin())) << k << " of " << n;
    }
    for (const int32_t id : {0, 17, 250, 499}) {
      const auto place = std::find(order.begin(), order.end(), id) - order.begin();
      EXPECT_EQ(rank_before(logits, id), place);
    }
  }
}

TEST(Sampling, WeightsAndTheirSumAreSoftmaxs) {
  for (const size_t n : {1, 15, 1024, 3001}) {
    const std::vector<float> logits = random_logits(n, 3);
    LogitBlocks blocks;
    ASSERT_TRUE(scan_logits(logits, &blocks));
    SoftmaxWeights weights;
    softmax_weights(logits, blocks, 0.7f, &weights);
    const double greatest = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (size_t i = 0; i < n; ++i) {
      const double expected = std::exp((double{logits[i]} - greatest) / 0.7);
      // The exponent, of the order of 50, is rounded to a float.
      EXPECT_NEAR(weights.of[i], expected, expected * 3e-5 + 1e-30);
      sum += expected;
    }
    EXPECT_NEAR(weights.sum / sum, 1, 1e-6);
  }
}

TEST(Sampling, EveryVariantGivesTheGenericVariantsBits) {
  for (const Isa isa : isas_here()) {
    const SamplingVariant& variant = sampling_variant(isa);
    for (const size_t n : {1, 17, 1024, 4099}) {
      const std::vector<float> x = random_logits(n, 4);
      std::vector<float> found(2 * n + 8), expected(2 * n + 8);
      std::vector<double> found_sums(8), expected_sums(8);
      EXPECT_TRUE(variant.scan(x.data(), static_cast<int64_t>(n), found.data() + n));
      EXPECT_TRUE(kSamplingGeneric.scan(x.data(), static_cast<int64_t>(n), expected.data() + n));
      variant.weights(x.data(), static_cast<int64_t>(n), 9.0f, 1.3f, found.data(),
                      found_sums.data());
      kSamplingGeneric.weights(x.data(), static_cast<int64_t>(n), 9.0f, 1.3f, expected.data(),
                               expected_sums.data());
      EXPECT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0) << n;
      EXPECT_EQ(found_sums, expected_sums) << n;
    }
  }
}

}  // namespace
}  // namespace autoglm
