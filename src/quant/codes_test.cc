// The integers of block formats against the floats that decode_block() makes of the same bytes.
#include "quant/codes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "quant/blocks.h"

namespace autoglm {
namespace {

constexpr DType kAll[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,   DType::kQ8_0,
                          DType::kQ4_K, DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS};

TEST(Codes, GiveTheDecodedNumbersBitForBit) {
  constexpr int64_t columns = 512;
  for (const DType dtype : kAll) {
    const DTypeInfo info = dtype_info(dtype);
    const auto size = static_cast<size_t>(columns / info.block_elements * info.block_bytes);
    std::mt19937 random(7);
    std::vector<std::byte> bytes(size);
    // Bytes below 0x7c: no f16 of them is infinite or not a number; all codes and most scales
    // occur.
    for (std::byte& b : bytes) b = static_cast<std::byte>(random() % 0x7c);
    std::vector<float> expected(columns);
    decode_elements(dtype, bytes, expected);
    CodeRow row;
    unpack_codes(dtype, bytes, columns, row);
    const bool nested = CodeRow::is_nested(code_kind(dtype));
    for (size_t i = 0; i < columns; ++i) {
      float scale = row.scales[nested ? i / 256 : i / 32];
      float minimum = row.minima[nested ? i / 256 : i / 32];
      if (nested) {
        scale *= static_cast<float>(row.group_scales[i / 16]);
        minimum *= static_cast<float>(row.group_minima[i / 16]);
      }
      const float found = scale * static_cast<float>(row.codes[i]) - minimum;
      ASSERT_EQ(found, expected[i]) << info.name << " element " << i;
    }
  }
}

TEST(Codes, FitTheFormThatTheTypeIsHeldIn) {
  EXPECT_EQ(code_kind(DType::kQ2_K), CodeKind::kNone);
  EXPECT_EQ(code_kind(DType::kBF16), CodeKind::kNone);
  std::mt19937 random(9);
  for (const DType dtype : kAll) {
    const DTypeInfo info = dtype_info(dtype);
    std::vector<std::byte> bytes(static_cast<size_t>(256 / info.block_elements * info.block_bytes));
    for (std::byte& b : bytes) b = static_cast<std::byte>(random());
    CodeRow row;
    unpack_codes(dtype, bytes, 256, row);
    for (const int8_t code : row.codes) {
      switch (code_kind(dtype)) {
        case CodeKind::kSimple4: ASSERT_TRUE(code >= -8 && code <= 7) << info.name; break;
        case CodeKind::kSimple4Minimum:
        case CodeKind::kNested4: ASSERT_TRUE(code >= 0 && code <= 15) << info.name; break;
        default: break;
      }
    }
    for (size_t i = 0; i + 1 < row.group_scales.size(); i += 2) {
      if (code_kind(dtype) == CodeKind::kNested6) break;
      ASSERT_EQ(row.group_scales[i], row.group_scales[i + 1]) << info.name;
    }
  }
}

}  // namespace
}  // namespace autoglm
