// Quantizing as a whole, on tiny models: what is loaded is what was chosen, moved scales change
// nothing but rounding, and what cannot be done is refused before anything is left behind.
#include "train/quantize/quantize.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/files.h"
#include "base/thread_pool.h"
#include "devices/cpu/cpu_device.h"
#include "devices/cpu/held_weights.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "formats/synthetic.h"
#include "graph/fuse.h"
#include "models/registry.h"
#include "runtime/checkpoint_weights.h"
#include "runtime/load_tokenizer.h"
#include "support/shared_data.h"
#include "tensor/rotation.h"
#include "train/quantize/report.h"
#include "train/quantize/targets.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Quantizing : public ::testing::Test {
 protected:
  Quantizing() {
    folder_ = fs::temp_directory_path() /
              fmt::format("autoglm-quantize-{}-{}", ::getpid(),
                          ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  ~Quantizing() override { fs::remove_all(folder_); }

  std::string in(std::string_view name) const { return (folder_ / name).string(); }

  // A tiny random model; its intermediate size is not a multiple of 32.
  std::string synthetic(const std::string& architecture) const {
    const std::string path = in(architecture);
    SyntheticShape shape = synthetic_preset("tiny", architecture).value();
    shape.layers = 2;
    shape.hidden_size = 64;
    shape.intermediate_size = 172;
    shape.heads = 4;
    shape.kv_heads = 2;
    shape.head_dim = 16;
    shape.vocab_size = 300;
    if (shape.experts > 0) {
      shape.experts = 3;
      shape.expert_size = 84;
    }
    const auto written = write_synthetic({.path = path, .shape = shape});
    EXPECT_TRUE(written) << written.error().message();
    return path;
  }

  // English of sorts, different with each seed.
  std::string text(std::string_view name, uint32_t seed, int words) const {
    std::string text;
    for (int i = 0; i < words; ++i) {
      seed = seed * 1664525 + 1013904223;
      text += fmt::format("{} ", std::string_view("the cat sat on a mat and saw that dogs run")
                                     .substr(seed >> 27, 5 + (seed >> 24) % 4));
    }
    std::ofstream(in(name)) << text;
    return in(name);
  }

  QuantizeReport quantized(const std::string& input, QuantizeOptions options) const {
    options.output = in("out");
    fs::remove_all(options.output);
    give_tokenizer(input, options);
    auto report = quantize_checkpoint(input, options);
    EXPECT_TRUE(report) << report.error().message();
    return report ? *report : QuantizeReport{};
  }

  static void give_tokenizer(const std::string& input, QuantizeOptions& options) {
    if (options.calibration.empty() && options.evaluation.empty()) return;
    auto tokenizer = load_tokenizer(input);
    EXPECT_TRUE(tokenizer) << tokenizer.error().message();
    if (tokenizer) options.tokenizer = *tokenizer;
  }

  std::string refused(const std::string& input, QuantizeOptions options) const {
    give_tokenizer(input, options);
    const auto report = quantize_checkpoint(input, options);
    return report ? "done" : report.error().message();
  }

  fs::path folder_;
};

double bits_of(const QuantizeReport& report, std::string_view part) {
  for (const MatrixReport& m : report.matrices) {
    if (m.tensor.find(part) != std::string::npos) return m.precision.bits;
  }
  return 0;
}

TEST_F(Quantizing, WhatIsHeldIsBitForBitWhatWasStored) {
  for (const char* architecture :
       {"Glm4ForCausalLM", "LlamaForCausalLM", "ChatGLMModel", "Qwen2MoeForCausalLM"}) {
    const QuantizeOptions several[] = {{.bits = 4},
                                       {.bits = 4, .group_size = 64},
                                       {.bits = 4, .group_size = 128},
                                       {.bits = 6, .group_size = 128},
                                       {.bits = 6},
                                       {.bits = 3},
                                       {.bits = 2, .group_size = 64},
                                       {.bits = 3.6},
                                       {.bits = 8}};
    for (const QuantizeOptions& options : several) {
      quantized(synthetic(architecture), options);
      const auto checkpoint = Checkpoint::open(in("out"));
      ASSERT_TRUE(checkpoint) << checkpoint.error().message();
      const Model model = build_model(**checkpoint).value();
      const Graph graph = fuse(model.graph, {.integer_matrices = true});
      const CheckpointWeights source = CheckpointWeights::of(**checkpoint, cpu_device()).value();
      const auto plans = plan_weights(graph, source, std::nullopt).value();
      ThreadPool pool(2);
      int matrices = 0;
      for (size_t i = 0; i < plans.size(); ++i) {
        if (plans[i].form != WeightPlan::Form::kPacked) continue;
        const Weight& weight = graph.weights()[i];
        if (weight.role == WeightRole::kRouter) {
          EXPECT_EQ(plans[i].format, WeightFormat::kBF16) << weight.name();
          continue;
        }
        EXPECT_TRUE(is_integer(plans[i].format)) << weight.name();
        const HeldWeight held = hold_weight(graph, i, plans[i], source, pool).value();
        std::vector<float> used(static_cast<size_t>(weight.columns));
        std::vector<float> stored(used.size());
        int64_t row = 0;
        for (const WeightPart& part : weight.parts) {
          for (int64_t r = 0; r < part.rows; ++r) {
            held.packed.decode_row(row++, used);
            decode_row(*(*checkpoint)->find(part.tensor), part.first_row + r, stored);
            ASSERT_EQ(used, stored) << weight.name() << " row " << row - 1;
          }
        }
        ++matrices;
      }
      EXPECT_GT(matrices, 4) << architecture;
    }
  }
}

TEST_F(Quantizing, MatricesOfOneProductShareTheirBits) {
  const QuantizeReport report = quantized(synthetic("LlamaForCausalLM"), {.bits = 6.0});
  EXPECT_LE(report.layer_bits_per_weight, 6.0);
  EXPECT_GT(report.layer_bits_per_weight, 5.0);
  EXPECT_EQ(bits_of(report, "0.self_attn.q_proj"), bits_of(report, "0.self_attn.v_proj"));
  EXPECT_EQ(bits_of(report, "1.mlp.gate_proj"), bits_of(report, "1.mlp.up_proj"));
  EXPECT_EQ(bits_of(report, "embed_tokens"), 8);
}

TEST_F(Quantizing, LargerGroupsAndMixturesCostWhatTheyShould) {
  const std::string input = source_path("models/tiny-glm");
  const auto with = [&](double bits, int64_t group_size) {
    return quantized(input, {.bits = bits, .group_size = group_size});
  };
  const QuantizeReport by_32 = with(4, 0);
  const QuantizeReport by_64 = with(4, 64);
  const QuantizeReport by_128 = with(4, 128);
  EXPECT_LT(by_64.layer_bits_per_weight, by_32.layer_bits_per_weight - 0.2);
  EXPECT_LT(by_128.layer_bits_per_weight, by_64.layer_bits_per_weight - 0.05);
  EXPECT_GT(by_64.matrices[1].weight_error, by_32.matrices[1].weight_error);
  EXPECT_GT(by_128.matrices[1].weight_error, by_64.matrices[1].weight_error);
  const auto config = json::parse_file(in("out/config.json"));
  ASSERT_TRUE(config);
  EXPECT_EQ(config->at_pointer("/quantization_config/version").as_int64(), kCodedVersion);
  EXPECT_EQ(config->at_pointer("/quantization_config/group_size").as_int64(), 128);

  const QuantizeReport mixed = with(4.4, 0);
  EXPECT_LE(mixed.layer_bits_per_weight, 4.4);
  EXPECT_GT(mixed.layer_bits_per_weight, 4.35);
  std::set<int64_t> sizes;
  for (const MatrixReport& m : mixed.matrices) sizes.insert(m.precision.group_size);
  EXPECT_EQ(sizes, (std::set<int64_t>{0, 32, 64, 128}));  // 0: embedding and output
  EXPECT_TRUE(json::parse_file(in("out/config.json"))
                  ->at_pointer("/quantization_config")
                  .as_object()
                  .contains("group_size_of"));
}

TEST_F(Quantizing, MoreBitsAndBetterMethodsComeCloserToTheOriginal) {
  const std::string input = source_path("models/tiny-glm");
  QuantizeOptions options{.calibration = source_path("models/tiny-glm/README.md"),
                          .evaluation = source_path("tests/data/tiny_glm_heldout.txt"),
                          .calibration_tokens = 2048,
                          .evaluation_tokens = 1024,
                          .window = 256,
                          .evaluate = true};
  options.bits = 8;
  const double int8 = quantized(input, options).quality->kl_mean;
  const auto kl_of = [&](double bits) {
    options.bits = bits;
    return quantized(input, options).quality->kl_mean;
  };
  const double rtn2 = kl_of(2);
  const double rtn3 = kl_of(3);
  const double rtn = kl_of(4);
  EXPECT_LT(rtn3, 0.4 * rtn2);
  EXPECT_LT(rtn, 0.4 * rtn3);
  options.method = {.awq = true, .gptq = true};
  const QuantizeReport best = quantized(input, options);
  EXPECT_LT(int8, 0.25 * rtn);
  EXPECT_LT(best.quality->kl_mean, rtn);
  EXPECT_LT(best.quality->perplexity_after, 1.02 * best.quality->perplexity_before);
  EXPECT_GT(best.quality->same_top1, 0.9);
  const double best3 = kl_of(3);
  EXPECT_LT(best3, 0.8 * rtn3);
  EXPECT_LT(kl_of(2), 0.9 * rtn2);
}

TEST_F(Quantizing, FewBitsAndMixturesOfThemTakeWhatTheyShould) {
  const std::string input = source_path("models/tiny-glm");
  const auto said = [&](std::string_view key) {
    return json::parse_file(in("out/config.json"))
        ->at_pointer(fmt::format("/quantization_config/{}", key));
  };
  const QuantizeReport three = quantized(input, {.bits = 3});
  EXPECT_EQ(said("version").as_int64(), kCodedVersion);
  EXPECT_EQ(said("bits").as_int64(), 3);
  EXPECT_LT(three.layer_bits_per_weight, 3.7);
  const QuantizeReport two = quantized(input, {.bits = 2});
  EXPECT_LT(two.layer_bits_per_weight, 2.7);
  EXPECT_GT(two.matrices[1].weight_error, 1.7 * three.matrices[1].weight_error);
  for (const double bits : {2.6, 4.2}) {
    const QuantizeReport mixed = quantized(input, {.bits = bits});
    EXPECT_LE(mixed.layer_bits_per_weight, bits);
    EXPECT_GT(mixed.layer_bits_per_weight, bits - 0.06) << bits;
    std::set<int> found;
    for (const MatrixReport& m : mixed.matrices) found.insert(m.precision.bits);
    EXPECT_GT(found.size(), 2U) << bits;  // 8 among them
    EXPECT_EQ(said("version").as_int64(), kCodedVersion);
    // What a chat needs works as from any directory.
    const auto checkpoint = Checkpoint::open(in("out"));
    ASSERT_TRUE(checkpoint) << checkpoint.error().message();
    EXPECT_TRUE(build_model(**checkpoint));
  }
}

TEST_F(Quantizing, MovedScalesLeaveTheModelWhereItWas) {
  const std::string calibration = text("text", 1, 2000);
  for (const char* architecture : {"Glm4ForCausalLM", "LlamaForCausalLM", "ChatGLMModel"}) {
    const std::string input = synthetic(architecture);
    QuantizeOptions options{.bits = 8, .calibration = calibration, .evaluate = true};
    const double plain = quantized(input, options).quality->kl_mean;
    for (const bool awq : {true, false}) {
      options.method = {.awq = awq, .smoothquant = !awq};
      const QuantizeReport report = quantized(input, options);
      int moved = 0;
      for (const MatrixReport& m : report.matrices) moved += m.scale_spread.has_value() ? 1 : 0;
      EXPECT_GT(moved, 0) << architecture;
      EXPECT_LT(report.quality->kl_mean, 3 * plain + 1e-5) << architecture;
    }
  }
}

TEST_F(Quantizing, ReportsAsTextJsonAndAPageThatNeedsNoNetwork) {
  QuantizeOptions options{.bits = 5, .calibration = text("text", 2, 2000), .evaluate = true};
  options.method.gptq = true;
  const QuantizeReport report = quantized(synthetic("Glm4ForCausalLM"), options);
  ASSERT_TRUE(write_report(report, in("report")));
  const std::string page = read_file(in("report/report.html"), 1 << 20).value();
  EXPECT_THAT(page, HasSubstr("<svg"));
  EXPECT_THAT(page, HasSubstr("mlp.down_proj"));
  EXPECT_THAT(page, ::testing::Not(HasSubstr("http")));
  const auto document = json::parse_file(in("report/report.json"));
  EXPECT_EQ(document->at("matrices").as_array().size(), report.matrices.size());
  EXPECT_GT(document->at("quality").at("perplexity_after").as_double(), 1);
  EXPECT_THAT(to_text(report), HasSubstr("perplexity"));
}

// The goldens' GGUF files hold the weights of the directories that they lie in, q and k of some in
// another order of rows.
TEST_F(Quantizing, AGgufFileGivesTheCodesOfItsTwin) {
  int files = 0;
  for (const fs::directory_entry& golden :
       fs::directory_iterator(source_path("tests/data/goldens"))) {
    if (!fs::exists(golden.path() / "model.gguf")) continue;
    quantized(golden.path().string(), {.bits = 4});
    const std::string expected = read_file(in("out/model.safetensors"), 1 << 26).value();
    const QuantizeReport report = quantized((golden.path() / "model.gguf").string(), {.bits = 4});
    const auto ours = Checkpoint::open(in("out"));
    ASSERT_TRUE(ours) << ours.error().message();
    std::ofstream(in("twin"), std::ios::binary) << expected;
    const auto twin = MappedFile::open(in("twin")).value();
    const std::vector<StoredTensor> tensors = parse_safetensors(twin.bytes(), "twin").value();
    for (const StoredTensor& tensor : tensors) {
      if (!tensor.name.ends_with("_codes")) continue;
      const std::string name = tensor.name.substr(0, tensor.name.size() - 6);
      const StoredTensor* found = (*ours)->find(name);
      ASSERT_NE(found, nullptr) << golden.path() << " " << name;
      EXPECT_TRUE(std::ranges::equal(found->bytes, tensor.bytes)) << golden.path() << " " << name;
    }
    EXPECT_TRUE(build_model(**ours)) << golden.path();
    EXPECT_EQ(report.input_quantization, "");
    ++files;
  }
  EXPECT_GT(files, 8);
}

TEST_F(Quantizing, TakesGgufWithItsVocabularyWhateverItsFormat) {
  const std::string path = in("model.gguf");
  SyntheticShape shape = synthetic_preset("tiny", "Glm4ForCausalLM").value();
  const auto written = write_synthetic({.path = path, .shape = shape, .dtype = DType::kQ4_0});
  ASSERT_TRUE(written) << written.error().message();
  const QuantizeReport report = quantized(
      path,
      {.bits = 4, .method = {.awq = true}, .calibration = text("text", 3, 4000), .evaluate = true});
  EXPECT_THAT(report.input_quantization, HasSubstr("Q4_0"));
  EXPECT_THAT(to_text(report), HasSubstr("rounded before: Q4_0"));
  EXPECT_LT(report.quality->kl_mean, 0.1);
  const auto before = load_tokenizer(path);
  const auto after = load_tokenizer(in("out"));
  ASSERT_TRUE(after) << after.error().message();
  EXPECT_EQ((*after)->vocab_size(), (*before)->vocab_size());
  EXPECT_EQ((*after)->encode("the cat sat").value(), (*before)->encode("the cat sat").value());
  const auto checkpoint = Checkpoint::open(in("out"));
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  EXPECT_EQ((*checkpoint)->quantization(), "progressive");
}

TEST_F(Quantizing, TakesWhatOthersQuantizedAsItDecodes) {
  int methods = 0;
  for (const fs::directory_entry& other :
       fs::directory_iterator(source_path("tests/data/quantized"))) {
    if (!fs::exists(other.path() / "config.json")) continue;
    const QuantizeReport report = quantized(other.path().string(), {.bits = 8});
    EXPECT_NE(report.input_quantization, "") << other.path();
    const auto before = Checkpoint::open(other.path().string()).value();
    const auto after = Checkpoint::open(in("out"));
    ASSERT_TRUE(after) << after.error().message();
    EXPECT_FALSE((*after)->config().contains("compression_config"));
    for (const StoredTensor& tensor : before->tensors()) {
      const StoredTensor* held = (*after)->find(tensor.name);
      ASSERT_NE(held, nullptr) << other.path() << " " << tensor.name;
      ASSERT_EQ(held->shape, tensor.shape);
      std::vector<float> was(static_cast<size_t>(tensor.columns()));
      std::vector<float> is(was.size());
      for (int64_t row = 0; row < tensor.rows(); ++row) {
        decode_row(tensor, row, was);
        decode_row(*held, row, is);
        // Every turned code is off by half a step of the row's at most; turning back spreads that.
        const Rotation rotation = Rotation::of(tensor.columns());
        std::vector<float> turned = was;
        rotate(rotation, turned);
        float largest = 0;
        for (const float t : turned) largest = std::max(largest, std::abs(t));
        const auto block = static_cast<double>(rotation.block);
        const double half_step = double{largest} / block / 254;
        double lost = 0;
        for (size_t i = 0; i < was.size(); ++i) lost += std::pow(double{is[i]} - was[i], 2);
        const double most = static_cast<double>(was.size()) * half_step * half_step * block;
        ASSERT_LE(lost, 1.01 * most + 1e-12) << tensor.name << " row " << row;
      }
    }
    ++methods;
  }
  EXPECT_GT(methods, 10);
}

TEST_F(Quantizing, RefusesWhatItCannotDoAndLeavesNothing) {
  const std::string input = synthetic("LlamaForCausalLM");
  const auto refuse = [&](QuantizeOptions options) {
    if (options.output.empty()) options.output = in("out");
    const std::string message = refused(input, options);
    EXPECT_FALSE(fs::exists(in("out"))) << message;
    EXPECT_FALSE(fs::exists(in("out.partial"))) << message;
    return message;
  };
  EXPECT_THAT(refuse({.bits = 1}), HasSubstr("bits are out of reach"));
  EXPECT_THAT(refuse({.bits = 9}), HasSubstr("2, 3, 4, 5 or 8, or an average from 2."));
  EXPECT_THAT(refuse({.bits = 2.2}), HasSubstr("found 2.2"));  // 2.25, were it not for rows
  EXPECT_THAT(refuse({.bits = 4.1, .group_size = 128}), HasSubstr("an average from 4."));
  EXPECT_THAT(refuse({.bits = 3, .group_size = 128}), HasSubstr("32 or 64 with --bits 3"));
  EXPECT_THAT(refuse({.group_size = 48}), HasSubstr("expected 32, 64 or 128, found 48"));
  EXPECT_THAT(refuse({.bits = 8, .group_size = 32}), HasSubstr("8 bits have no groups"));
  EXPECT_THAT(refuse({.method = {.gptq = true}}), HasSubstr("needs a text"));
  EXPECT_THAT(refuse({.calibration = text("short", 1, 3)}), HasSubstr("text is too short"));
  EXPECT_THAT(refuse({.calibration = in("none")}), HasSubstr("none"));
  EXPECT_THAT(refuse({.output = input}), HasSubstr("output exists and is not an empty folder"));
  EXPECT_THAT(refused(synthetic("Qwen3MoeForCausalLM"),
                      {.output = in("out"), .calibration = text("more", 2, 900)}),
              HasSubstr("a mixture of experts cannot be calibrated or evaluated"));
  fs::create_directories(in("there.partial"));
  EXPECT_THAT(refuse({.output = in("there")}), HasSubstr("an interrupted run left its folder"));
  quantized(input, {});
  EXPECT_THAT(refused(in("out"), {.output = in("again")}),
              HasSubstr("quantized by autoglm already"));
  EXPECT_FALSE(parse_method("awq+smoothquant"));
  EXPECT_FALSE(parse_method("best"));
  EXPECT_EQ(method_name(*parse_method("gptq+awq")), "awq+gptq");
}

TEST_F(Quantizing, NamesTheRowThatIsNoNumber) {
  const std::string input = synthetic("LlamaForCausalLM");
  std::string file = read_file(input + "/model.safetensors", 1 << 26).value();
  const auto checkpoint = Checkpoint::open(input).value();
  const StoredTensor& tensor = *checkpoint->find("model.layers.1.mlp.down_proj.weight");
  const uint16_t nan = 0x7fc0;
  const std::string row(reinterpret_cast<const char*>(tensor.row(5).data()), 64);
  const size_t at = file.find(row);
  ASSERT_NE(at, std::string::npos);
  std::memcpy(file.data() + at, &nan, sizeof nan);
  fs::create_directories(in("broken"));
  std::ofstream(in("broken/model.safetensors"), std::ios::binary) << file;
  fs::copy_file(input + "/config.json", in("broken/config.json"));
  const std::string message = refused(in("broken"), {.output = in("out")});
  EXPECT_THAT(message, HasSubstr("weight is not a number"));
  EXPECT_THAT(message, HasSubstr("model.layers.1.mlp.down_proj.weight: row 5"));
  EXPECT_FALSE(fs::exists(in("out")));
}

TEST_F(Quantizing, CodesOutOfRangeAreRefusedAtLoad) {
  quantized(synthetic("LlamaForCausalLM"), {.bits = 4});
  const auto checkpoint = Checkpoint::open(in("out")).value();
  const StoredTensor& tensor = *checkpoint->find("model.layers.0.mlp.down_proj.weight");
  std::string file = read_file(in("out/model.safetensors"), 1 << 26).value();
  const std::string scales(reinterpret_cast<const char*>(tensor.coded->group_scales.data()),
                           tensor.coded->group_scales.size());
  file[file.find(scales) + 7] = 17;
  std::ofstream(in("out/model.safetensors"), std::ios::binary) << file;
  const auto broken = Checkpoint::open(in("out")).value();
  const Model model = build_model(*broken).value();
  const auto loaded =
      make_cpu_executor(model.graph, CheckpointWeights::of(*broken, cpu_device()).value(),
                        {.threads = 1, .max_context = model.max_context});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message(), HasSubstr("codes are out of range"));
  EXPECT_THAT(loaded.error().message(), HasSubstr("down_proj.weight"));
}

}  // namespace
}  // namespace autoglm
