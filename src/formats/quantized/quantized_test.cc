// Quantized checkpoints: their matrices against what tools/goldens/make_quantized.py decoded, bit
// for bit, and what is refused.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/files.h"
#include "formats/checkpoint.h"
#include "formats/estimate.h"
#include "formats/quantized/resolve.h"
#include "formats/safetensors.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(source_path("tests/data/quantized"))) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

class Quantized : public testing::TestWithParam<std::string> {};

TEST_P(Quantized, DecodesToTheReferencesNumbersBitForBit) {
  const std::string folder = source_path("tests/data/quantized/") + GetParam();
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  const auto file = MappedFile::open(folder + "/golden.safetensors");
  ASSERT_TRUE(file);
  const auto golden = parse_safetensors(file->bytes(), "golden");
  ASSERT_TRUE(golden) << golden.error().message();
  int matrices = 0;
  for (const StoredTensor& expected : *golden) {
    if (!expected.name.ends_with(".weight")) continue;
    ++matrices;
    const StoredTensor* found = (*checkpoint)->find(expected.name);
    ASSERT_NE(found, nullptr) << expected.name;
    ASSERT_EQ(found->shape, expected.shape);
    std::vector<float> want(static_cast<size_t>(expected.columns()));
    std::vector<float> got(want.size());
    for (int64_t row = 0; row < expected.rows(); ++row) {
      decode_row(expected, row, want);
      decode_row(*found, row, got);
      ASSERT_EQ(std::memcmp(got.data(), want.data(), want.size() * sizeof(float)), 0)
          << expected.name << " row " << row << ": " << got[0] << " and " << want[0];
    }
  }
  EXPECT_EQ(matrices, 2);
}

TEST_P(Quantized, LeavesNothingOfTheMatricesInTheList) {
  const auto checkpoint = Checkpoint::open(source_path("tests/data/quantized/") + GetParam());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  for (const StoredTensor& tensor : (*checkpoint)->tensors()) {
    EXPECT_TRUE(tensor.name.ends_with("weight")) << tensor.name;
    EXPECT_EQ(tensor.quantized != nullptr, tensor.name.ends_with("_proj.weight")) << tensor.name;
    EXPECT_GT(tensor.stored_bytes(), 0);
  }
  EXPECT_FALSE((*checkpoint)->quantization().empty());
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Quantized, testing::ValuesIn(case_names()),
                         [](const auto& name) { return name.param; });

TEST(QuantizedInfo, NamesTheMethod) {
  const auto checkpoint = Checkpoint::open(source_path("tests/data/quantized/gptq4_act_order"));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  const auto info = estimate(**checkpoint);
  ASSERT_TRUE(info) << info.error().message();
  const std::string text = to_text(*info);
  EXPECT_THAT(text, HasSubstr("GPTQ 4-bit, groups of 32, asymmetric, by activation order\n"));
  EXPECT_THAT(text, HasSubstr("stored GPTQ 4-bit"));
  EXPECT_EQ(to_json(*info).at("quantization").get_string(),
            "GPTQ 4-bit, groups of 32, asymmetric, by activation order");
}

// Tensors of zeros with chosen shapes, a configuration, and what becomes of both.
class Refusals {
 public:
  Refusals& with(const std::string& name, DType dtype, std::vector<int64_t> shape) {
    tensors_.push_back({.name = name, .where = "m: " + name, .dtype = dtype, .shape = shape});
    int64_t bytes = dtype_info(dtype).block_bytes;
    for (const int64_t n : shape) bytes *= n;
    memory_.push_back(std::vector<std::byte>(static_cast<size_t>(bytes)));
    return *this;
  }
  Refusals& fill(uint8_t value) {
    for (std::byte& b : memory_.back()) b = std::byte{value};
    return *this;
  }
  Refusals& numbers(const std::vector<int64_t>& values) {
    std::memcpy(memory_.back().data(), values.data(), memory_.back().size());
    return *this;
  }
  std::string error(std::string_view quantization) {
    for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i].bytes = memory_[i];
    const std::string text =
        quantization.empty() ? "{}" : fmt::format(R"({{"quantization_config": {}}})", quantization);
    const auto config = json::parse(text, "config.json");
    if (!config) return config.error().message();
    const auto resolved =
        resolve_quantization(config->get_object(), nullptr, "config.json", tensors_);
    return resolved ? "resolved" : resolved.error().message();
  }

 private:
  std::vector<StoredTensor> tensors_;
  std::vector<std::vector<std::byte>> memory_;
};

constexpr std::string_view kGptq = R"({"quant_method": "gptq", "bits": 4, "group_size": 32})";

Refusals gptq(int64_t in, int64_t groups, int64_t out = 8) {
  Refusals r;
  r.with("q.qweight", DType::kI32, {in / 8, out});
  r.with("q.qzeros", DType::kI32, {groups, out / 8});
  r.with("q.scales", DType::kF16, {groups, out});
  return r;
}

TEST(QuantizedRefusals, AnUnknownMethodAndTensorsThatNothingExplains) {
  EXPECT_THAT(gptq(64, 2).error(R"({"quant_method": "bitsandbytes"})"),
              HasSubstr("config.json.quantization_config: quant_method: quantization method is "
                        "unknown (expected gptq, awq, compressed-tensors or fp8 (or a checkpoint "
                        "without), found bitsandbytes)"));
  EXPECT_THAT(gptq(64, 2).error(R"({"bits": 4})"), HasSubstr("quant_method: field is missing"));
  EXPECT_THAT(gptq(64, 2).error(""), HasSubstr("m: q.qweight: tensor is quantized, and nothing "
                                               "says how (expected config.json: "
                                               "quantization_config"));
  EXPECT_THAT(Refusals().with("a.weight", DType::kF16, {2, 2}).error(kGptq),
              HasSubstr("no tensor is quantized (expected GPTQ 4-bit"));
}

TEST(QuantizedRefusals, GptqThatContradictsItself) {
  EXPECT_EQ(gptq(64, 2).error(kGptq), "resolved");
  EXPECT_THAT(gptq(64, 3).error(kGptq),
              HasSubstr("m: q.qzeros: tensor of a quantized matrix has the wrong shape (expected "
                        "[2, 1], found [3, 1])"));
  EXPECT_THAT(gptq(96, 2).error(R"({"quant_method": "gptq", "bits": 4, "group_size": 64})"),
              HasSubstr("m: q.qweight: groups do not divide the inputs of the matrix (expected a "
                        "divisor of 96, found group_size 64)"));
  EXPECT_THAT(gptq(64, 2).error(R"({"quant_method": "gptq", "bits": 5, "group_size": 32})"),
              HasSubstr("bits: field has the wrong value (expected 2, 3, 4 or 8, found integer 5"));
  EXPECT_THAT(gptq(64, 2).error(R"({"quant_method": "gptq", "bits": 4, "group_size": 0})"),
              HasSubstr("group_size"));
  EXPECT_THAT(
      gptq(64, 2).error(R"({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"})"),
      HasSubstr("expected gptq or gptq_v2"));
  EXPECT_THAT(gptq(64, 2).with("q.weight", DType::kF16, {8, 64}).error(kGptq),
              HasSubstr("matrix is there twice"));
  EXPECT_THAT(gptq(64, 2).with("q.g_idx", DType::kI32, {32}).error(kGptq),
              HasSubstr("m: q.qweight: tensor of a quantized matrix has the wrong shape"));
  EXPECT_THAT(gptq(64, 2).with("q.g_idx", DType::kI64, {64}).error(kGptq),
              HasSubstr("m: q.g_idx: tensor of a quantized matrix has the wrong type (expected "
                        "I32, found I64)"));
  EXPECT_THAT(gptq(64, 2).with("q.g_idx", DType::kI32, {64}).fill(1).error(kGptq),
              HasSubstr("m: q.g_idx[0]: group of an input does not exist (expected 0 to 1, found "
                        "16843009)"));
  EXPECT_THAT(gptq(64, 2).with("q.g_idx", DType::kI32, {64}).fill(255).error(kGptq),
              HasSubstr("found -1)"));
  EXPECT_THAT(Refusals().with("q.qweight", DType::kI32, {8, 8}).error(kGptq),
              HasSubstr("m: q.qweight: beside q.qzeros: tensor of a quantized matrix is missing"));
  EXPECT_THAT(Refusals()
                  .with("q.qweight", DType::kI32, {0, 8})
                  .with("q.qzeros", DType::kI32, {0, 1})
                  .with("q.scales", DType::kF16, {0, 8})
                  .error(kGptq),
              HasSubstr("two dimensions, both positive"));
}

TEST(QuantizedRefusals, AwqOfAnotherLayout) {
  const auto awq = [](std::string_view config) {
    Refusals r;
    r.with("q.qweight", DType::kI32, {64, 2});
    r.with("q.qzeros", DType::kI32, {2, 2});
    r.with("q.scales", DType::kF16, {2, 16});
    return r.error(config);
  };
  EXPECT_EQ(awq(R"({"quant_method": "awq", "bits": 4, "group_size": 32, "version": "GEMM"})"),
            "resolved");
  EXPECT_THAT(awq(R"({"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemv"})"),
              HasSubstr("version: field has the wrong value (expected gemm, found string"));
  EXPECT_THAT(awq(R"({"quant_method": "awq", "bits": 8, "group_size": 32})"),
              HasSubstr("bits: field has the wrong value (expected 4"));
  EXPECT_THAT(awq(R"({"quant_method": "awq", "bits": 4, "group_size": 48})"),
              HasSubstr("expected a divisor of 64, found group_size 48"));
  EXPECT_THAT(awq(R"({"quant_method": "awq", "bits": 4, "group_size": 64})"),
              HasSubstr("m: q.qzeros: tensor of a quantized matrix has the wrong shape (expected "
                        "[1, 2], found [2, 2])"));
}

constexpr std::string_view kPacked =
    R"({"quant_method": "compressed-tensors", "format": "pack-quantized", "config_groups":
        {"group_0": {"weights": {"num_bits": 4, "strategy": "group", "group_size": 32}}}})";

TEST(QuantizedRefusals, CompressedTensorsThatContradictThemselves) {
  const auto packed = [](int64_t rows, int64_t columns, std::vector<int64_t> scales) {
    Refusals r;
    r.with("q.weight_scale", DType::kBF16, std::move(scales));
    r.with("q.weight_packed", DType::kI32, {16, 8});
    r.with("q.weight_shape", DType::kI64, {2}).numbers({rows, columns});
    return r.error(kPacked);
  };
  EXPECT_EQ(packed(16, 64, {16, 2}), "resolved");
  for (const auto& [rows, columns] : {std::pair{15, 64}, {16, 65}, {16, 56}, {16, 0}, {16, -1}}) {
    EXPECT_THAT(packed(rows, columns, {16, 2}),
                HasSubstr("m: q.weight_packed: packed codes contradict weight_shape"))
        << columns;
  }
  EXPECT_THAT(packed(16, 60, {16, 2}), HasSubstr("groups do not divide the inputs"));
  const auto bytes = [](std::vector<int64_t> scales, DType dtype = DType::kI8) {
    Refusals r;
    r.with("q.weight", dtype, {16, 64});
    r.with("q.weight_scale", DType::kBF16, std::move(scales));
    return r.error(kPacked);
  };
  EXPECT_EQ(bytes({16, 1}), "resolved");
  EXPECT_EQ(bytes({16, 2}), "resolved");
  EXPECT_EQ(bytes({16}, DType::kF8E4M3), "resolved");
  EXPECT_THAT(bytes({16, 3}),
              HasSubstr("m: q.weight_scale: tensor of a quantized matrix has the wrong shape "
                        "(expected [1] or [16, 1] or [16, 2], found [16, 3])"));
  EXPECT_THAT(Refusals()
                  .with("q.weight", DType::kI8, {16, 64})
                  .with("q.weight_scale", DType::kF16, {16, 1})
                  .with("q.weight_zero_point", DType::kI8, {1})
                  .error(kPacked),
              HasSubstr("m: q.weight_zero_point: tensor of a quantized matrix has the wrong shape "
                        "(expected [16, 1], as its scales, found [1])"));
  EXPECT_THAT(Refusals().with("q.weight", DType::kI8, {16, 64}).error(kPacked),
              HasSubstr("m: q.weight: beside q.weight_scale: tensor of a quantized matrix is "
                        "missing"));
  const auto with = [&](std::string_view config) {
    return Refusals().with("q.weight", DType::kI8, {16, 64}).error(config);
  };
  EXPECT_THAT(with(R"({"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized",
                       "config_groups": {}})"),
              HasSubstr("format: field has the wrong value (expected pack-quantized"));
  EXPECT_THAT(with(R"({"quant_method": "compressed-tensors", "format": "int-quantized",
                       "config_groups": {"g": {"weights": {"num_bits": 3}}}})"),
              HasSubstr("config_groups.g.weights: num_bits"));
  EXPECT_THAT(with(R"({"quant_method": "compressed-tensors", "format": "int-quantized",
                       "config_groups": {"g": {"weights": null}}})"),
              HasSubstr("expected a group with weights"));
  EXPECT_THAT(with(R"({"quant_method": "compressed-tensors", "format": "int-quantized",
                       "sparsity_config": {"format": "sparse-24-bitmask"}, "config_groups": {}})"),
              HasSubstr(": sparsity_config: format: field has the wrong value (expected dense"));
}

TEST(QuantizedRefusals, Fp8WithoutItsScales) {
  const auto fp8 = [](std::vector<int64_t> scales, std::string_view blocks) {
    Refusals r;
    r.with("q.weight", DType::kF8E4M3, {130, 64});
    if (!scales.empty()) r.with("q.weight_scale_inv", DType::kF32, std::move(scales));
    return r.error(fmt::format(R"({{"quant_method": "fp8", "weight_block_size": {}}})", blocks));
  };
  EXPECT_EQ(fp8({2, 1}, "[128, 128]"), "resolved");
  EXPECT_THAT(fp8({1, 1, 1}, "[128, 128]"), HasSubstr("expected [1] or [130, 1] or [2, 1]"));
  EXPECT_THAT(fp8({}, "[128, 128]"), HasSubstr("beside q.weight_scale_inv: tensor of a quantized"));
  EXPECT_THAT(fp8({2, 1}, "[128]"), HasSubstr("expected two positive integers"));
  EXPECT_THAT(fp8({2, 1}, "[0, 128]"), HasSubstr("expected two positive integers"));
}

}  // namespace
}  // namespace autoglm
