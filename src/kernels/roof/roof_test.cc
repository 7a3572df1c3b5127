#include "kernels/roof/roof.h"

#include <gtest/gtest.h>

#include <set>

#include "base/thread_pool.h"

namespace autoglm {
namespace {

TEST(Roof, MeasuresEachUnitOfThisMachineOnce) {
  ThreadPool pool(1);
  const std::vector<ComputeLimit> limits = measure_compute({.pool = pool, .isa = best_isa()}, 1);
  std::set<std::pair<Isa, RoofUnit>> seen;
  for (const ComputeLimit& limit : limits) {
    EXPECT_TRUE(seen.insert({limit.isa, limit.unit}).second) << limit.name;
    EXPECT_LE(limit.isa, best_isa()) << limit.name;
    // A processor that is slower than a pocket calculator means a loop that was optimised away or
    // counted wrong; one that is faster than any ever built means the same.
    EXPECT_GT(limit.operations_per_second, 1e8) << limit.name;
    EXPECT_LT(limit.operations_per_second, 1e14) << limit.name;
  }
  EXPECT_TRUE(seen.contains({Isa::kGeneric, RoofUnit::kFloat}));
  EXPECT_TRUE(seen.contains({Isa::kGeneric, RoofUnit::kInteger}));
}

TEST(Roof, ReadsAWorkingSetOfTheSizeAskedFor) {
  ThreadPool pool(2);
  const auto limit = measure_read({.pool = pool, .isa = best_isa()}, 1 << 20, 1);
  ASSERT_TRUE(limit) << limit.error().message();
  EXPECT_EQ(limit->bytes, 1 << 20);
  EXPECT_EQ(limit->threads, 2);
  EXPECT_GT(limit->bytes_per_second, 1e8);
  EXPECT_LT(limit->bytes_per_second, 1e13);
}

TEST(Roof, NamesTheUnitThatAFormatRunsOn) {
  using enum RoofUnit;
  const std::vector<ComputeLimit> limits = {
      {kFloat, Isa::kGeneric, "a", 1, 1},  {kInteger, Isa::kGeneric, "b", 1, 1},
      {kFloat, Isa::kAvx2, "c", 1, 1},     {kInteger, Isa::kAvx2, "d", 1, 1},
      {kInt4, Isa::kAvx2, "e", 1, 1},      {kFloat, Isa::kAvx512, "f", 1, 1},
      {kInteger, Isa::kAvx512, "g", 1, 1}, {kMatrixInt8, Isa::kAmx, "h", 1, 1},
      {kMatrixBF16, Isa::kAmx, "i", 1, 1}};
  EXPECT_EQ(limit_for(limits, kInt4, Isa::kGeneric)->name, "b");
  EXPECT_EQ(limit_for(limits, kInt4, Isa::kAvx2)->name, "e");
  EXPECT_EQ(limit_for(limits, kInteger, Isa::kAvx2)->name, "d");
  EXPECT_EQ(limit_for(limits, kInt4, Isa::kAvx512)->name, "g");
  EXPECT_EQ(limit_for(limits, kMatrixBF16, Isa::kAvx512)->name, "f");
  EXPECT_EQ(limit_for(limits, kInteger, Isa::kAmx)->name, "h");
  EXPECT_EQ(limit_for(limits, kMatrixBF16, Isa::kAmx)->name, "i");
  EXPECT_EQ(limit_for(limits, kFloat, Isa::kAmx)->name, "f");
  EXPECT_EQ(limit_for({}, kFloat, Isa::kAvx2), nullptr);
}

}  // namespace
}  // namespace autoglm
