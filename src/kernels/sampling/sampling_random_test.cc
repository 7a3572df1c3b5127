// The passes over logits on random rows: every instruction set gives the same bits and counts, and
// they agree with plain loops.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/sampling/sampling.h"
#include "kernels/sampling/variants.h"
#include "kernels/testing/guarded_rows.h"
#include "kernels/testing/random_cases.h"
#include "kernels/testing/values.h"

namespace autoglm {
namespace {

constexpr int64_t kBlock = LogitBlocks::kSize;

GuardedRows random_logits(Draw& draw) {
  const int64_t n = draw.one_in(2) ? draw.columns(600) : draw.between(600, 5000);
  GuardedRows logits(1, n, n);
  draw.fill(logits.row(0), 1e30f);
  // A mask, as a grammar sets it.
  if (draw.one_in(3)) {
    for (float& x : logits.row(0)) x = draw.one_in(3) ? x : -INFINITY;
  }
  return logits;
}

std::string text_of(Isa isa, int64_t n) {
  return std::to_string(n) + " logits on " + std::string(isa_name(isa));
}

TEST(RandomSampling, ScansAndCountsAreThoseOfPlainLoops) {
  for_random_cases(200, [&](Draw& draw) {
    const GuardedRows logits = random_logits(draw);
    const std::span<float> x = logits.row(0);
    const int64_t n = std::ssize(x);
    const int64_t n_blocks = (n + kBlock - 1) / kBlock;
    std::vector<float> greatest(static_cast<size_t>(n_blocks), -INFINITY);
    bool usable = true;
    if (draw.one_in(5)) x[static_cast<size_t>(draw.between(0, n - 1))] = draw.of({NAN, INFINITY});
    for (int64_t i = 0; i < n; ++i) {
      usable = usable && x[i] < INFINITY;
      greatest[static_cast<size_t>(i / kBlock)] =
          std::max(greatest[static_cast<size_t>(i / kBlock)], x[i]);
    }
    const float limit = draw.one_in(2) ? x[static_cast<size_t>(draw.between(0, n - 1))] : 0.5f;
    const int64_t above = std::ranges::count_if(x, [&](float v) { return v > limit; });
    const int64_t from = std::ranges::count_if(x, [&](float v) { return v >= limit; });
    for (const Isa isa : isas_here()) {
      const SamplingVariant& variant = sampling_variant(isa);
      const GuardedRows found(1, n_blocks, n_blocks);
      ASSERT_EQ(variant.scan(x.data(), n, found.data()), usable) << text_of(isa, n);
      for (int64_t i = 0; usable && i < n_blocks; ++i) {
        ASSERT_EQ(found.row(0)[i], greatest[static_cast<size_t>(i)])
            << text_of(isa, n) << ", " << i;
      }
      found.expect_untouched_outside(text_of(isa, n));
      ASSERT_EQ(variant.count_above(x.data(), n, limit), above) << text_of(isa, n);
      ASSERT_EQ(variant.count_from(x.data(), n, limit), from) << text_of(isa, n);
    }
  });
}

TEST(RandomSampling, WeightsAgree) {
  for_random_cases(200, [&](Draw& draw) {
    const GuardedRows logits = random_logits(draw);
    const std::span<float> x = logits.row(0);
    const int64_t n = std::ssize(x);
    const int64_t n_blocks = (n + kBlock - 1) / kBlock;
    const float shift = *std::ranges::max_element(x);
    if (shift == -INFINITY) return;  // nothing to choose from: found before
    const float factor = 1 / draw.of({0.1f, 0.7f, 1.0f, 2.0f});
    const GuardedRows first(1, n, n);
    std::vector<double> sums(static_cast<size_t>(n_blocks));
    kSamplingGeneric.weights(x.data(), n, shift, factor, first.data(), sums.data());
    for (const Isa isa : isas_here()) {
      const GuardedRows found(1, n, n);
      std::vector<double> found_sums(sums.size());
      sampling_variant(isa).weights(x.data(), n, shift, factor, found.data(), found_sums.data());
      found.expect_same(first, text_of(isa, n));
      ASSERT_EQ(found_sums, sums) << text_of(isa, n);
    }
    for (int64_t block = 0; block < n_blocks; ++block) {
      double sum = 0;
      for (int64_t i = block * kBlock; i < std::min(n, (block + 1) * kBlock); ++i) {
        const double exponent = (double{x[i]} - double{shift}) * double{factor};
        const double expected = std::exp(exponent);
        sum += expected;
        // The exponent is rounded twice, and exp() gives 0 below -104.
        const double bound = expected * (std::abs(exponent) * 2 + 4) * 0x1p-23 + 0x1p-149;
        if (std::isinf(exponent)) {
          ASSERT_EQ(first.row(0)[i], 0) << i << " of " << n;
        } else {
          ASSERT_NEAR(first.row(0)[i], expected, bound) << i << " of " << n;
        }
      }
      // Exponents of up to 104 matter, and sixteen sums of 64 numbers.
      ASSERT_NEAR(sums[static_cast<size_t>(block)], sum, sum * 300 * 0x1p-23 + 1e-40) << block;
    }
  });
}

}  // namespace
}  // namespace autoglm
