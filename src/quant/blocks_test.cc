#include "quant/blocks.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>
#include <vector>

#include "base/files.h"
#include "quant/half.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

constexpr DType kBlockFormats[] = {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1,   DType::kQ5_0,
                                   DType::kQ5_1, DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,
                                   DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS};

std::string name_of(DType dtype) { return std::string(dtype_info(dtype).name); }

std::string golden(const std::string& name) {
  return read_file(source_path("tests/data/quant/" + name), 1 << 20).value();
}

TEST(Blocks, DecodeToTheBitsOfTheReference) {
  for (const DType dtype : kBlockFormats) {
    const DTypeInfo info = dtype_info(dtype);
    const std::string file = golden(name_of(dtype) + ".decode.bin");
    const size_t blocks_bytes = 4 * static_cast<size_t>(info.block_bytes);
    ASSERT_EQ(file.size(), blocks_bytes + 16 * static_cast<size_t>(info.block_elements));
    const auto bytes = std::as_bytes(std::span(file));
    std::vector<float> values(4 * static_cast<size_t>(info.block_elements));
    decode_elements(dtype, bytes.first(blocks_bytes), values);
    for (size_t i = 0; i < values.size(); ++i) {
      float expected = 0;
      std::memcpy(&expected, bytes.data() + blocks_bytes + i * 4, 4);
      ASSERT_EQ(values[i], expected) << info.name << " element " << i;
    }
  }
}

TEST(Blocks, EncodeToTheBytesOfTheReference) {
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1}) {
    const std::string file = golden(name_of(dtype) + ".encode.bin");
    std::vector<float> values(128);
    std::memcpy(values.data(), file.data(), 512);
    std::vector<std::byte> encoded(file.size() - 512);
    encode_elements(dtype, values, encoded);
    const auto expected = std::as_bytes(std::span(file)).subspan(512);
    for (size_t i = 0; i < encoded.size(); ++i) {
      ASSERT_EQ(encoded[i], expected[i]) << name_of(dtype) << " byte " << i;
    }
  }
}

// A group's error is at most half a step of its scale, plus what rounding the scale itself costs.
TEST(Blocks, RoundTripWithinTheStepOfTheFormat) {
  const std::pair<DType, double> relative_to_largest[] = {
      {DType::kQ8_0, 0.005}, {DType::kQ4_0, 0.14}, {DType::kQ4_1, 0.08}, {DType::kQ5_0, 0.07},
      {DType::kQ5_1, 0.04},  {DType::kQ4_K, 0.09}, {DType::kQ5_K, 0.05}, {DType::kQ6_K, 0.025}};
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  for (const auto& [dtype, bound] : relative_to_largest) {
    std::vector<float> values(1024);
    float largest = 0;
    for (float& value : values) {
      value = normal(random);
      largest = std::max(largest, std::abs(value));
    }
    const DTypeInfo info = dtype_info(dtype);
    std::vector<std::byte> encoded(1024 / static_cast<size_t>(info.block_elements) *
                                   static_cast<size_t>(info.block_bytes));
    ASSERT_TRUE(can_encode(dtype));
    encode_elements(dtype, values, encoded);
    std::vector<float> decoded(values.size());
    decode_elements(dtype, encoded, decoded);
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_NEAR(decoded[i], values[i], bound * largest) << info.name << " element " << i;
    }
  }
}

TEST(Blocks, ZerosStayZeros) {
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                            DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    const std::vector<float> zeros(256, 0.0f);
    const DTypeInfo info = dtype_info(dtype);
    std::vector<std::byte> encoded(256 / static_cast<size_t>(info.block_elements) *
                                   static_cast<size_t>(info.block_bytes));
    encode_elements(dtype, zeros, encoded);
    std::vector<float> decoded(256, 1.0f);
    decode_elements(dtype, encoded, decoded);
    EXPECT_EQ(decoded, zeros) << info.name;
  }
}

TEST(Half, RoundsAsTheReferenceDoes) {
  const std::string file = golden("f16.bin");
  const size_t n = file.size() / 6;
  ASSERT_GT(n, 100u);
  for (size_t i = 0; i < n; ++i) {
    float value = 0;
    uint16_t expected = 0;
    std::memcpy(&value, file.data() + i * 4, 4);
    std::memcpy(&expected, file.data() + n * 4 + i * 2, 2);
    ASSERT_EQ(f32_to_f16(value), expected) << value;
  }
}

TEST(Half, EveryPatternSurvivesTheWayToFloatAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    if (std::isnan(f16_to_f32(half))) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f16_to_f32(half)))));
    } else {
      ASSERT_EQ(f32_to_f16(f16_to_f32(half)), half);
    }
    if (std::isnan(bf16_to_f32(half))) {
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(bf16_to_f32(half)))));
    } else {
      ASSERT_EQ(f32_to_bf16(bf16_to_f32(half)), half);
    }
  }
}

TEST(Half, Bfloat16RoundsToEven) {
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0x7f7fffffu)), 0x7f80);
  EXPECT_EQ(f32_to_bf16(std::bit_cast<float>(0xff800001u)), 0xffc0);
}

TEST(Elements, PlainTypesDecode) {
  const int16_t numbers[] = {-2, 300};
  std::vector<float> out(2);
  decode_elements(DType::kI16, std::as_bytes(std::span(numbers)), out);
  EXPECT_EQ(out, (std::vector<float>{-2, 300}));
  const double doubles[] = {0.5, -1e300};
  decode_elements(DType::kF64, std::as_bytes(std::span(doubles)), out);
  EXPECT_EQ(out[0], 0.5f);
  EXPECT_TRUE(std::isinf(out[1]));
  const uint8_t flags[] = {0, 7};
  decode_elements(DType::kBool, std::as_bytes(std::span(flags)), out);
  EXPECT_EQ(out, (std::vector<float>{0, 1}));
}

}  // namespace
}  // namespace autoglm
