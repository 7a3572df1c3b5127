#include "kernels/isa.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "kernels/simd/half.h"

namespace autoglm {
namespace {

TEST(Isa, GrantsWhatTheMachineHasAndRefusesTheRest) {
  ASSERT_TRUE(select_isa("generic").has_value());
  EXPECT_EQ(*select_isa("generic"), Isa::kGeneric);
  EXPECT_EQ(*select_isa(isa_name(best_isa())), best_isa());
  if (best_isa() < Isa::kAmx) {
    const Result<Isa> refused = select_isa("amx");
    ASSERT_FALSE(refused.has_value());
    EXPECT_NE(refused.error().expected.find(isa_name(best_isa())), std::string::npos);
  }
  EXPECT_FALSE(select_isa("neon").has_value());
}

TEST(Isa, ObeysTheEnvironment) {
  ::setenv("AUTOGLM_ISA", "generic", 1);
  EXPECT_EQ(*select_isa(), Isa::kGeneric);
  ::setenv("AUTOGLM_ISA", "sse9", 1);
  EXPECT_FALSE(select_isa().has_value());
  ::unsetenv("AUTOGLM_ISA");
  EXPECT_EQ(*select_isa(), best_isa());
}

TEST(Half, SurvivesTheWayToF32AndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float f16 = f16_to_f32(half);
    const float bf16 = bf16_to_f32(half);
    EXPECT_TRUE(std::isnan(f16) || f32_to_f16(f16) == half) << half;
    EXPECT_TRUE(std::isnan(bf16) || f32_to_bf16(bf16) == half) << half;
    EXPECT_EQ(std::isnan(f16), std::isnan(f16_to_f32(f32_to_f16(f16))));
    EXPECT_EQ(std::isnan(bf16), std::isnan(bf16_to_f32(f32_to_bf16(bf16))));
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f), 0x3c00);             // halfway, down to even
  EXPECT_EQ(f32_to_f16(1.0f + 3 * 0x1p-11f), 0x3c02);         // halfway, up to even
  EXPECT_EQ(f32_to_f16(1.0f + 0x1p-11f + 0x1p-20f), 0x3c01);  // above halfway
  EXPECT_EQ(f32_to_f16(65504.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(0x1p-25f), 0x0000);
  EXPECT_EQ(f32_to_f16(0x1.8p-25f), 0x0001);
  EXPECT_EQ(f32_to_bf16(1.0f + 0x1p-8f), 0x3f80);
  EXPECT_EQ(f32_to_bf16(1.0f + 3 * 0x1p-8f), 0x3f82);
}

}  // namespace
}  // namespace autoglm
