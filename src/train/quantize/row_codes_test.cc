// The search against the kernels' own choice, and against every possible choice where there are
// few.
#include "train/quantize/row_codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace autoglm {
namespace {

std::vector<float> random_row(size_t n, uint32_t seed, bool heavy_tails) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.05f);
  std::student_t_distribution<float> tails(3.0f);
  std::vector<float> row(n);
  for (float& w : row) w = heavy_tails ? 0.05f * tails(random) : normal(random);
  return row;
}

double error(std::span<const float> row, std::span<const float> importance, const RowCodes& codes) {
  std::vector<float> decoded(row.size());
  codes.decode(decoded);
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const double rest = double{row[i]} - decoded[i];
    sum += (importance.empty() ? 1.0 : double{importance[i]}) * rest * rest;
  }
  return sum;
}

TEST(RowCodes, ComeCloserThanTheKernelsOwnChoice) {
  for (const bool heavy : {false, true}) {
    double smaller_groups = 0;
    int bits = 0;
    double more_bits = 0;  // error in groups of 32
    for (const Progressive& form : kProgressives) {
      double ours = 0;
      double theirs = 0;
      for (uint32_t seed = 0; seed < 20; ++seed) {
        const std::vector<float> row = random_row(300 + seed, seed, heavy);
        const RowCodes found = choose_progressive(row, {}, form);
        RowCodes quick = found;
        quick.channel_scale = quantize_progressive_row(row, form, quick.groups);
        EXPECT_LE(error(row, {}, found), error(row, {}, quick) * 1.0001) << seed;
        ours += error(row, {}, found);
        theirs += error(row, {}, quick);
      }
      EXPECT_LT(ours / theirs, 0.97) << (heavy ? "heavy tails " : "normal ") << form.cost();
      if (form.bits == bits) {
        EXPECT_GT(ours, smaller_groups);
      } else {
        EXPECT_GT(ours, 2 * more_bits) << form.bits;
        more_bits = ours;
      }
      bits = form.bits;
      smaller_groups = ours;
    }
  }
}

TEST(RowCodes, AreAlwaysExpandableAndAlikeOverAGroup) {
  for (const Progressive& form : kProgressives) {
    for (uint32_t seed = 0; seed < 50; ++seed) {
      std::vector<float> row = random_row(300, seed, true);
      row[seed] *= 100;
      const RowCodes codes = choose_progressive(row, {}, form);
      for (size_t g = 0; g < codes.groups.size(); ++g) {
        const ProgressiveGroup& group = codes.groups[g];
        EXPECT_TRUE(is_expandable(group, form.bits))
            << int{group.scale} << " " << int{group.offset};
        for (const uint8_t code : group.codes) EXPECT_LE(code, form.largest_code());
        const auto alike = static_cast<size_t>(form.group_size / ProgressiveGroup::kColumns);
        const ProgressiveGroup& first = codes.groups[g / alike * alike];
        EXPECT_TRUE(group.scale == first.scale && group.offset == first.offset) << g;
      }
    }
  }
}

TEST(RowCodes, OfEightBitsAreSymmetric) {
  for (uint32_t seed = 0; seed < 50; ++seed) {
    const std::vector<float> row = random_row(100, seed, true);
    for (const int8_t value : choose_int8(row, {}).values) EXPECT_GE(value, -127);
  }
}

TEST(RowCodes, SpendTheErrorWhereNothingDependsOnIt) {
  const std::vector<float> row = random_row(64, 3, false);
  std::vector<float> importance(64, 0.01f);
  for (size_t i = 0; i < 8; ++i) importance[i] = 10;
  const RowCodes blind = choose_progressive(row, {}, {4, 32});
  const RowCodes aware = choose_progressive(row, importance, {4, 32});
  EXPECT_LT(error(row, importance, aware), 0.9 * error(row, importance, blind));
  EXPECT_LE(error(row, importance, choose_int8(row, importance)),
            error(row, importance, choose_int8(row, {})));
}

TEST(RowCodes, FindTheBestOfAllScalesAndOffsetsOfAGroup) {
  for (const int bits : {2, 3, 4, 5}) {
    const Progressive form{.bits = bits};
    double found_all = 0;
    double best_all = 0;
    for (uint32_t seed = 0; seed < 10; ++seed) {
      std::vector<float> x = random_row(32, seed, false);
      for (float& w : x) w *= 700;
      const auto squares = [&](const ProgressiveGroup& group) {
        double sum = 0;
        for (const float w : x) {
          const double rest = double{w} - (group.scale * group_code(group, bits, w) + group.offset);
          sum += rest * rest;
        }
        return sum;
      };
      double best = HUGE_VAL;
      for (int scale = 1; scale <= form.largest_scale(); ++scale) {
        for (int offset = -127; offset <= 127 - form.largest_code() * scale; ++offset) {
          best = std::min(best, squares({.scale = static_cast<uint8_t>(scale),
                                         .offset = static_cast<int8_t>(offset)}));
        }
      }
      ProgressiveGroup found;
      choose_group(x, {}, bits, {&found, 1});
      EXPECT_LT(squares(found), best * 1.1) << bits << " " << seed;
      found_all += squares(found);
      best_all += best;
    }
    EXPECT_LT(found_all, best_all * 1.05) << bits;
  }
}

TEST(RowCodes, TurnARowOfZerosIntoZeros) {
  const std::vector<float> zeros(40, 0.0f);
  std::vector<float> decoded(40, 1.0f);
  choose_progressive(zeros, {}, {4, 128}).decode(decoded);
  EXPECT_EQ(decoded, zeros);
  choose_int8(zeros, {}).decode(decoded);
  EXPECT_EQ(decoded, zeros);
}

}  // namespace
}  // namespace autoglm
