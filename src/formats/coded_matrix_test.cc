// Coded matrices as a hostile file may hold them.
#include "formats/coded_matrix.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "formats/checkpoint.h"

namespace autoglm {
namespace {

StoredTensor of(std::string name, DType dtype, std::vector<int64_t> shape, const auto& bytes) {
  return {.name = std::move(name),
          .where = "file",
          .dtype = dtype,
          .shape = std::move(shape),
          .bytes = std::as_bytes(std::span(bytes))};
}

using ::testing::HasSubstr;

// Two rows of 34 columns at 4 bits, and one matrix of 3 columns at 8.
struct Parts {
  std::array<std::byte, 34> nibbles{};
  std::array<std::byte, 4> scales{};
  std::array<std::byte, 4> offsets{};
  std::array<float, 2> channels{0.5f, 2.0f};
  std::array<std::byte, 3> whole{std::byte{1}, std::byte{0xff}, std::byte{127}};
  std::array<float, 1> channel{0.25f};

  Parts() {
    nibbles[0] = std::byte{0xf3};   // row 0: codes 3 and 15
    nibbles[16] = std::byte{0x01};  // row 0, group 1: codes 1 and 0
    scales = {std::byte{2}, std::byte{4}, std::byte{1}, std::byte{1}};
    offsets = {std::byte{0xf6}, std::byte{7}, std::byte{0}, std::byte{0}};  // -10, 7
  }

  std::vector<StoredTensor> tensors() const {
    return {of("w_codes", DType::kU8, {2, 17}, nibbles),
            of("w_group_scales", DType::kU8, {2, 2}, scales),
            of("w_group_offsets", DType::kI8, {2, 2}, offsets),
            of("w_channel_scales", DType::kF32, {2}, channels),
            of("v_codes", DType::kI8, {1, 3}, whole),
            of("v_channel_scales", DType::kF32, {1}, channel),
            of("plain_codes_channel_scales", DType::kF32, {1}, channel)};
  }
};

std::string error(std::vector<StoredTensor> tensors) {
  const auto joined = join_coded(std::move(tensors), {});
  return joined ? "joined" : joined.error().message();
}

TEST(CodedMatrix, DecodesWhatItsPartsSay) {
  const Parts parts;
  const auto joined = join_coded(parts.tensors(), {});
  ASSERT_TRUE(joined) << joined.error().message();
  ASSERT_EQ(joined->size(), 3U);
  const StoredTensor& w = (*joined)[0];
  EXPECT_EQ(w.name, "w");
  EXPECT_EQ(w.shape, (std::vector<int64_t>{2, 34}));
  EXPECT_EQ(w.stored_bytes(), 34U + 4 + 4 + 8);
  std::vector<float> row(34);
  w.coded->decode_turned_row(0, row);
  EXPECT_EQ(row[0], 0.5f * (2 * 3 - 10));
  EXPECT_EQ(row[1], 0.5f * (2 * 15 - 10));
  EXPECT_EQ(row[2], 0.5f * -10);
  EXPECT_EQ(row[32], 0.5f * (4 * 1 + 7));
  std::vector<float> short_row(3);
  (*joined)[1].coded->decode_turned_row(0, short_row);
  EXPECT_EQ(short_row, (std::vector<float>{0.25f, -0.25f, 31.75f}));
  EXPECT_EQ((*joined)[2].name, "plain_codes_channel_scales");
}

TEST(CodedMatrix, TellsTheSizeOfItsGroupsFromTheNumberOfScales) {
  for (const int64_t size : {32, 64, 128}) {
    constexpr int64_t kColumns = 324;
    const int64_t groups = CodedMatrix::groups_of(kColumns, size);
    std::vector<std::byte> nibbles(kColumns / 2, std::byte{0x21});
    std::vector<std::byte> scales, offsets(static_cast<size_t>(groups), std::byte{0xff});
    for (int64_t g = 0; g < groups; ++g) scales.push_back(static_cast<std::byte>(g + 1));
    const std::array<float, 1> channel{0.5f};
    const auto joined = join_coded({of("w_codes", DType::kU8, {1, kColumns / 2}, nibbles),
                                    of("w_group_scales", DType::kU8, {1, groups}, scales),
                                    of("w_group_offsets", DType::kI8, {1, groups}, offsets),
                                    of("w_channel_scales", DType::kF32, {1}, channel)},
                                   {});
    ASSERT_TRUE(joined) << joined.error().message();
    EXPECT_EQ((*joined)[0].coded->group_size, size);
    std::vector<float> row(kColumns);
    (*joined)[0].coded->decode_turned_row(0, row);
    for (int64_t i = 0; i < kColumns; ++i) {
      const auto code = static_cast<float>(1 + i % 2);
      const auto scale = static_cast<float>(i / size + 1);
      ASSERT_EQ(row[static_cast<size_t>(i)], 0.5f * (scale * code - 1)) << size << " " << i;
    }
  }
}

// 172 columns: the last byte of 3 bits is half full, the last group has 12 columns.
TEST(CodedMatrix, ReadsTwoAndThreeBitsFromTheLowestOn) {
  constexpr int64_t kColumns = 172, kRows = 2;
  for (const int bits : {2, 3}) {
    for (const int64_t size : {32, 64}) {
      const int64_t row_bytes = (bits * kColumns + 7) / 8;
      const int64_t groups = CodedMatrix::groups_of(kColumns, size);
      const auto code_at = [&](int64_t row, int64_t i) {
        return static_cast<int>((i * 5 + row) % (1 << bits));
      };
      std::vector<std::byte> codes(static_cast<size_t>(kRows * row_bytes));
      for (int64_t row = 0; row < kRows; ++row) {
        for (int64_t bit = 0; bit < bits * kColumns; ++bit) {
          const bool set = (code_at(row, bit / bits) >> (bit % bits) & 1) != 0;
          if (set) {
            codes[static_cast<size_t>(row * row_bytes + bit / 8)] |=
                static_cast<std::byte>(1 << (bit % 8));
          }
        }
      }
      const std::vector<std::byte> scales(static_cast<size_t>(kRows * groups), std::byte{3});
      const std::vector<std::byte> offsets(scales.size(), std::byte{0xfe});
      const std::array<float, kRows> channel{0.5f, 2.0f};
      const std::vector<StoredTensor> tensors{
          of("w_codes", DType::kU8, {kRows, row_bytes}, codes),
          of("w_group_scales", DType::kU8, {kRows, groups}, scales),
          of("w_group_offsets", DType::kI8, {kRows, groups}, offsets),
          of("w_channel_scales", DType::kF32, {kRows}, channel)};
      const auto joined = join_coded(tensors, {.bits = 4, .bits_of = {{"w", bits}}});
      ASSERT_TRUE(joined) << joined.error().message();
      const StoredTensor& w = (*joined)[0];
      EXPECT_EQ(w.shape, (std::vector<int64_t>{kRows, kColumns}));
      EXPECT_EQ(w.dtype, bits == 2 ? DType::kCodes2 : DType::kCodes3);
      EXPECT_EQ(w.coded->group_size, size);
      std::vector<float> row(kColumns);
      for (int64_t r = 0; r < kRows; ++r) {
        w.coded->decode_turned_row(r, row);
        for (int64_t i = 0; i < kColumns; ++i) {
          ASSERT_EQ(row[static_cast<size_t>(i)],
                    channel[static_cast<size_t>(r)] * static_cast<float>(3 * code_at(r, i) - 2))
              << bits << " " << i;
        }
      }
    }
  }
}

TEST(CodedMatrix, RefusesCodesThatContradictTheirBits) {
  const Parts parts;
  const auto refusal = [](std::vector<StoredTensor> tensors, const CodedConfig& config) {
    const auto joined = join_coded(std::move(tensors), config);
    return joined ? "joined" : joined.error().message();
  };
  // v's are in I8, whatever is said; w's 17 bytes are 34 codes of 4 bits or 68 of 2, as is said.
  EXPECT_EQ(refusal(parts.tensors(), {.bits = 4}), "joined");
  EXPECT_THAT(refusal(parts.tensors(), {.bits = 8}),
              HasSubstr("codes contradict their number of bits (expected I8 for 8 bits"));
  EXPECT_EQ(join_coded(parts.tensors(), {.bits = 2}).value()[0].columns(), 68);
  auto tensors = parts.tensors();
  tensors[0].shape = {34, 1};
  EXPECT_THAT(refusal(tensors, {.bits = 3}), HasSubstr("codes contradict their number of bits"));
  tensors[0].shape = {1, 34};
  EXPECT_THAT(refusal(tensors, {.bits = 3}), HasSubstr("codes contradict their number of bits"));
}

TEST(CodedMatrix, RefusesPartsThatAreMissingOrContradictTheCodes) {
  const Parts parts;
  for (size_t missing = 1; missing < 4; ++missing) {
    auto tensors = parts.tensors();
    tensors.erase(tensors.begin() + static_cast<long>(missing));
    EXPECT_THAT(error(tensors), HasSubstr("part of a quantized matrix is missing"));
  }
  auto tensors = parts.tensors();
  tensors[1].shape = {2, 3};
  EXPECT_THAT(error(tensors), HasSubstr("contradicts its codes (expected U8 [2, 2]"));
  tensors = parts.tensors();
  tensors[3].dtype = DType::kI32;
  EXPECT_THAT(error(tensors), HasSubstr("contradicts its codes"));
  tensors = parts.tensors();
  tensors[0].shape = {34};
  EXPECT_THAT(error(tensors), HasSubstr("codes have a form that is not known"));
  tensors = parts.tensors();
  tensors.push_back(tensors[3]);
  tensors.back().name = "w";
  EXPECT_THAT(error(tensors), HasSubstr("matrix is there twice"));
}

TEST(CodedMatrix, KnowsItsVersionAndGroupSize) {
  const auto asked = [](std::string_view config) {
    const auto parsed = json::parse(config, "config.json");
    const auto coded = read_coded_config(parsed->as_object(), "config.json");
    return coded ? std::string(*coded ? "yes" : "no") : coded.error().message();
  };
  EXPECT_EQ(asked("{}"), "no");
  EXPECT_EQ(asked(R"({"quantization_config": {"quant_method": "gptq"}})"), "no");
  // Versions before and after.
  for (const char* version : {"1", "2", "3", "5"}) {
    EXPECT_THAT(
        asked(
            std::string(R"({"quantization_config": {"quant_method": "progressive", "version": )") +
            version + R"(, "group_size": 32, "bits": 4, "bits_of": {}}})"),
        HasSubstr("quantize the original again"));
  }
  EXPECT_EQ(asked(R"({"quantization_config":
      {"quant_method": "progressive", "version": 4, "group_size": 32, "bits": 3, "bits_of": {"a": 8}}})"),
            "yes");
  EXPECT_EQ(asked(R"({"quantization_config":
      {"quant_method": "progressive", "version": 4, "group_size": 128, "bits": 4, "bits_of": {}}})"),
            "yes");
  EXPECT_THAT(asked(R"({"quantization_config":
      {"quant_method": "progressive", "version": 4, "group_size": 32, "bits": 6, "bits_of": {}}})"),
              HasSubstr("expected 2, 3, 4, 5 or 8, found integer 6"));
  EXPECT_THAT(asked(R"({"quantization_config":
      {"quant_method": "progressive", "version": 4, "group_size": 32, "bits": 3,
       "bits_of": {"layer.weight": "4"}}})"),
              HasSubstr("layer.weight"));
  EXPECT_THAT(asked(R"({"quantization_config":
      {"quant_method": "progressive", "version": 4, "group_size": 32, "bits": 3}})"),
              HasSubstr("bits_of"));
  EXPECT_THAT(asked(R"({"quantization_config":
      {"quant_method": "progressive", "version": 4, "group_size": 48}})"),
              HasSubstr("expected 32, 64 or 128, found integer 48"));
  EXPECT_THAT(asked(R"({"quantization_config": 4})"), HasSubstr("quantization_config"));
}

}  // namespace
}  // namespace autoglm
