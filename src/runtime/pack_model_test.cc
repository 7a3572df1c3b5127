// Packed models answer as their checkpoints do, token for token and probability for probability;
// packs that no longer fit are passed over, packed models that cannot be read are refused.
#include "runtime/pack_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "autoglm/model.h"
#include "devices/cpu/pack_weights.h"
#include "formats/pack_file.h"
#include "formats/synthetic.h"
#include "runtime/load_executor.h"
#include "tensor/weight_format.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Packing : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("autoglm-packing-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string in(const std::string& name) const { return (folder_ / name).string(); }

  std::string synthetic(const std::string& name, uint64_t seed = 1) const {
    SyntheticOptions options{.path = in(name), .dtype = DType::kBF16, .seed = seed};
    options.shape = *synthetic_preset("tiny", "Glm4ForCausalLM");
    const auto written = write_synthetic(options);
    EXPECT_TRUE(written) << written.error().message();
    return options.path;
  }

  static LoadOptions load_options(const std::string& quantize) {
    LoadOptions options;
    options.quantize = quantize;
    options.kv_cache_memory_bytes = 8 << 20;
    options.threads = 2;
    return options;
  }

  // Tokens and log-probabilities as one text, or the error.
  static std::string answer(const std::string& path, const std::string& quantize) {
    const auto model = GLMModel::from_pretrained(path, load_options(quantize));
    if (!model) return model.error().message();
    SamplingParams sampling;
    sampling.temperature = 0;
    sampling.max_tokens = 12;
    sampling.ignore_eos = true;
    sampling.logprobs = 3;
    const auto result = model->generate("once upon a time", sampling);
    if (!result) return result.error().message();
    std::string text;
    for (const PositionLogprobs& position : result->choices.front().logprobs) {
      text += std::to_string(static_cast<int32_t>(position.taken.id)) + ":" +
              std::to_string(position.taken.logprob) + " ";
    }
    return text;
  }

  static bool maps(const std::string& path, const std::string& quantize) {
    const auto checkpoint = Checkpoint::open(path);
    EXPECT_TRUE(checkpoint);
    const auto loaded = load_executor(**checkpoint, {.quantize = quantize, .threads = 1});
    EXPECT_TRUE(loaded) << loaded.error().message();
    return loaded && loaded->pack != nullptr;
  }

  fs::path folder_;
};

TEST_F(Packing, APackedModelAnswersAsItsCheckpointDoes) {
  for (const char* name : {"hf", "file.gguf"}) {
    const std::string source = synthetic(name);
    for (const std::string& quantize : quantize_names()) {
      const std::string expected = answer(source, quantize);
      ASSERT_THAT(expected, HasSubstr(":")) << expected;
      const std::string out = in(std::string(name) + quantize);
      const auto packed = pack_model(source, out + "/", {.quantize = quantize, .threads = 2});
      ASSERT_TRUE(packed) << packed.error().message();
      EXPECT_EQ(packed->path, out);
      EXPECT_EQ(answer(out, quantize), expected) << name << quantize;
      EXPECT_EQ(answer(out, "none"), expected) << name << quantize;
      EXPECT_TRUE(maps(out, "none"));
    }
  }
}

TEST_F(Packing, AStartFindsThePackBesideItsCheckpoint) {
  for (const char* name : {"hf", "file.gguf"}) {
    const std::string source = synthetic(name);
    const std::string expected = answer(source, "int4");
    EXPECT_FALSE(maps(source, "int4"));
    ASSERT_TRUE(pack_model(source, "", {.quantize = "int4"}));
    EXPECT_TRUE(maps(source, "int4"));
    EXPECT_FALSE(maps(source, "int8"));
    EXPECT_EQ(answer(source, "int4"), expected);
  }
}

TEST_F(Packing, APackThatDoesNotFitIsPassedOver) {
  const std::string source = synthetic("hf");
  const std::string expected = answer(source, "int8");
  const auto packed = pack_model(source, "", {.quantize = "int8"});
  ASSERT_TRUE(packed);
  ASSERT_TRUE(maps(source, "int8"));

  // A file of the checkpoint that was touched, but not changed, is no reason.
  const std::string weights = source + "/model.safetensors";
  fs::last_write_time(weights, fs::last_write_time(weights) + std::chrono::seconds(2));
  ASSERT_TRUE(maps(source, "int8"));

  // The pack was cut off.
  fs::resize_file(packed->path, fs::file_size(packed->path) - 4096);
  EXPECT_FALSE(maps(source, "int8"));
  EXPECT_EQ(answer(source, "int8"), expected);

  // It is another model's.
  const std::string other = synthetic("other", 2);
  const auto foreign = pack_model(other, "", {.quantize = "int8"});
  ASSERT_TRUE(foreign);
  fs::copy_file(foreign->path, packed->path, fs::copy_options::overwrite_existing);
  EXPECT_FALSE(maps(source, "int8"));
  EXPECT_EQ(answer(source, "int8"), expected);
}

TEST_F(Packing, RefusesWhatCannotBePackedOrHeldOtherwise) {
  const std::string source = synthetic("hf");
  const std::string out = in("out");
  ASSERT_TRUE(pack_model(source, out, {.quantize = "int4"}));
  EXPECT_THAT(answer(out, "int8"), HasSubstr("expected int4, found int8"));
  const auto again = pack_model(out, in("again"), {});
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message(), HasSubstr("packed already"));
  const auto full = pack_model(source, out, {});
  ASSERT_FALSE(full);
  EXPECT_THAT(full.error().message(), HasSubstr("there already"));
  const auto unknown = pack_model(source, in("new"), {.quantize = "int6"});
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().message(), HasSubstr("int6"));
  EXPECT_FALSE(fs::exists(in("new")));
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_THAT(entry.path().string(), testing::Not(HasSubstr("partial")));
  }
}

TEST_F(Packing, APackedModelThatIsDamagedIsRefused) {
  const std::string out = in("out");
  ASSERT_TRUE(pack_model(synthetic("hf"), out, {.quantize = "int4"}));
  const std::string pack = out + "/" + std::string(kPackFileName);
  std::ifstream file(pack, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = bytes;
    const size_t at = changed.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    EXPECT_EQ(from.size(), to.size());
    changed.replace(at, from.size(), to);
    std::ofstream(pack, std::ios::binary) << changed;
    return answer(out, "none");
  };
  const std::string version = std::to_string(kWeightLayoutVersion);
  EXPECT_THAT(with("\"layout\":" + version, "\"layout\":9"), HasSubstr("another layout"));
  EXPECT_THAT(with("\"form\":\"packed\"", "\"form\":\"nested\""), HasSubstr("form"));
  EXPECT_THAT(with("\"rows_of\":\"model.layers.1", "\"rows_of\":\"model.layers.7"),
              HasSubstr("not in the pack"));
  EXPECT_THAT(with("\"quantize\":\"int4\"", "\"quantize\":\"int6\""), HasSubstr("int6"));
  std::ofstream(pack, std::ios::binary) << bytes.substr(0, bytes.size() - 4096);
  EXPECT_THAT(answer(out, "none"), HasSubstr("outside of the file"));
}

}  // namespace
}  // namespace autoglm
