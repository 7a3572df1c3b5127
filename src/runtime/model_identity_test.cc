// All the ways in which one model is mistaken for another: what an earlier start left behind, a
// pack beside the weights or spilled pages, is used by nobody but the same model.
#include "formats/model_identity.h"
#include "formats/model_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>

#include "autoglm/model.h"
#include "base/json.h"
#include "base/log.h"
#include "formats/pack_file.h"
#include "formats/synthetic.h"
#include "kernels/isa.h"
#include "runtime/load_executor.h"
#include "runtime/open_spill.h"
#include "runtime/pack_model.h"
#include "support/source_folder.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// What is logged while it lives.
class Logged {
 public:
  Logged()
      : before_(replace_logger(*make_logger(
            "info", "text", std::make_shared<spdlog::sinks::ostream_sink_mt>(stream_)))) {}
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;
  ~Logged() { replace_logger(before_); }
  std::string text() const { return stream_.str(); }

 private:
  std::ostringstream stream_;
  std::shared_ptr<spdlog::logger> before_;
};

class Identity : public testing::Test {
 protected:
  Identity() : folder_(fs::path(testing::TempDir()) / ("identity-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~Identity() override { fs::remove_all(folder_); }

  std::string in(const std::string& name) const { return (folder_ / name).string(); }

  std::string synthetic(const std::string& path, uint64_t seed) const {
    SyntheticOptions options{.path = path, .dtype = DType::kBF16, .seed = seed};
    options.shape = *synthetic_preset("tiny", "Glm4ForCausalLM");
    const auto written = write_synthetic(options);
    EXPECT_TRUE(written) << written.error().message();
    return path;
  }

  LoadOptions options(const std::string& quantize, const std::string& kv_cache_dtype) const {
    LoadOptions options;
    options.quantize = quantize;
    options.kv_cache_dtype = kv_cache_dtype;
    options.kv_cache_memory_bytes = 8 << 20;
    options.threads = 2;
    options.kv_cache_spill_path = in("spill");
    options.kv_cache_spill_bytes = 1 << 20;
    return options;
  }

  // Opened, or why not.
  std::string start(const std::string& path, const std::string& quantize = "int8",
                    const std::string& kv_cache_dtype = "auto") const {
    const auto model = GLMModel::from_pretrained(path, options(quantize, kv_cache_dtype));
    return model ? "opened" : model.error().message();
  }

  // The same of weights and spill alone, which need no tokenizer.
  std::string start_weights(const std::string& path) const {
    const auto checkpoint = Checkpoint::open(find_model(path).value().path);
    if (!checkpoint) return checkpoint.error().message();
    const auto loaded = load_executor(**checkpoint, {.quantize = "int8", .threads = 2});
    if (!loaded) return loaded.error().message();
    const auto spill = open_spill(options("int8", "auto"), **checkpoint, *loaded);
    return spill ? "opened" : spill.error().message();
  }

  static bool maps(const std::string& path) {
    const auto loaded = load_executor(**Checkpoint::open(find_model(path).value().path),
                                      {.quantize = "int8", .threads = 2});
    EXPECT_TRUE(loaded) << loaded.error().message();
    return loaded && loaded->pack != nullptr;
  }

  fs::path folder_;
};

void flip_last_byte(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(-2, std::ios::end);
  const char byte = static_cast<char>(file.get());
  file.seekp(-2, std::ios::end);
  file.put(static_cast<char>(byte ^ 1));
}

void append(const std::string& path) { std::ofstream(path, std::ios::app) << "\n"; }

// A model of AWQ, whose own file says how it was quantized.
void make_awq(const std::string& path) {
  const std::string from = source_folder() + "/tests/data/quantized/awq";
  fs::remove_all(path);
  fs::create_directories(path);
  fs::copy_file(from + "/model.safetensors", path + "/model.safetensors");
  json::object config = json::parse_file(from + "/config.json")->as_object();
  std::ofstream(path + "/quant_config.json") << config.at("quantization_config");
  config.erase("quantization_config");
  std::ofstream(path + "/config.json") << config;
}

// Size and time of change stay, as they do in images and stores that set all times alike.
void keeping_time(const std::string& path, const std::function<void()>& change) {
  const auto time = fs::last_write_time(path);
  change();
  fs::last_write_time(path, time);
}

TEST_F(Identity, WhatIsNotTheSameIsRefusedOrMadeAnewAndSaysWhy) {
  const std::string hf = "hf", gguf = "file.gguf", folder = "folder", awq = "awq";
  struct Way {
    std::string name;
    std::string model;                    // what is started
    std::function<void()> change;         // between two starts
    std::string said;                     // of it
    bool concerns_packed_weights = true;  // a pack beside them is made anew
  };
  const std::string other = synthetic(in("other.gguf"), 2);
  const std::vector<Way> ways = {
      {"a byte behind the beginning", hf,
       [&] {
         const std::string path = in("hf/model.safetensors");
         keeping_time(path, [&] { flip_last_byte(path); });
       },
       "weights"},
      {"other weights under the old name", hf,
       [&] {
         const std::string path = in("hf/model.safetensors");
         synthetic(in("again"), 3);
         ASSERT_EQ(fs::file_size(in("again/model.safetensors")), fs::file_size(path));
         keeping_time(path, [&] { fs::rename(in("again/model.safetensors"), path); });
       },
       "weights"},
      {"a GGUF file's byte", gguf,
       [&] { keeping_time(in(gguf), [&] { flip_last_byte(in(gguf)); }); }, "weights"},
      {"the only GGUF file of a folder", folder,
       [&] {
         const std::string path = in("folder/model.gguf");
         ASSERT_EQ(fs::file_size(other), fs::file_size(path));
         keeping_time(path,
                      [&] { fs::copy_file(other, path, fs::copy_options::overwrite_existing); });
       },
       "weights"},
      {"configuration", hf, [&] { append(in("hf/config.json")); }, "configuration"},
      {"quantization", awq, [&] { append(in("awq/quant_config.json")); }, "quantization"},
      {"tokenizer", hf, [&] { append(in("hf/tokenizer.json")); }, "tokenizer", false},
      {"tokenizer's configuration", hf, [&] { append(in("hf/tokenizer_config.json")); },
       "tokenizer", false},
  };
  for (const Way& way : ways) {
    SCOPED_TRACE(way.name);
    fs::remove_all(in("hf"));
    fs::remove_all(in("folder"));
    fs::create_directories(in("folder"));
    synthetic(in("hf"), 1);
    synthetic(in(gguf), 1);
    fs::copy_file(in(gguf), in("folder/model.gguf"));
    make_awq(in(awq));
    fs::remove(in("spill"));
    const std::string model = in(way.model);
    ASSERT_EQ(start_weights(model), "opened");
    ASSERT_EQ(start_weights(model), "opened")
        << "the same model takes up what the first start left";
    const auto packed = pack_model(model, "", {.quantize = "int8", .threads = 2});
    ASSERT_TRUE(packed) << packed.error().message();
    ASSERT_TRUE(maps(model));
    ASSERT_EQ(start_weights(model), "opened") << "with a pack it is the same model";

    way.change();
    const Logged log;
    EXPECT_EQ(maps(model), !way.concerns_packed_weights);
    if (way.concerns_packed_weights) {
      EXPECT_THAT(log.text(), HasSubstr("the pack is not used"));
      EXPECT_THAT(log.text(), HasSubstr(way.said));
    }
    const std::string refusal = start_weights(model);
    EXPECT_THAT(refusal, HasSubstr("holds KV pages of another model"));
    EXPECT_THAT(refusal, HasSubstr("expected " + way.said));
    EXPECT_THAT(refusal, HasSubstr("found " + way.said));
    fs::remove(packed->path);
  }
}

TEST_F(Identity, ThePackOfAPackedModelIsItsWeights) {
  const std::string packed = in("packed");
  ASSERT_TRUE(pack_model(synthetic(in("a"), 1), packed, {.quantize = "int8"}));
  ASSERT_TRUE(pack_model(synthetic(in("b"), 2), in("other"), {.quantize = "int8"}));
  ASSERT_EQ(start(packed), "opened");
  ASSERT_EQ(start(packed), "opened");
  const std::string path = packed + "/" + std::string(kPackFileName);
  keeping_time(path, [&] {
    fs::copy_file(in("other") + "/" + std::string(kPackFileName), path,
                  fs::copy_options::overwrite_existing);
  });
  EXPECT_THAT(start(packed), HasSubstr("expected weights"));
}

TEST_F(Identity, PagesComputedInAnotherWayAreRefused) {
  const std::string model = synthetic(in("hf"), 1);
  ASSERT_EQ(start(model), "opened");
  EXPECT_THAT(start(model, "int4"), HasSubstr("expected weights in int4"));
  EXPECT_THAT(start(model, "none"), HasSubstr("expected weights in bf16"));
  EXPECT_THAT(start(model, "int8", "int8"), HasSubstr("expected KV pages in int8"));
  EXPECT_THAT(start(model, "int8", "f32"), HasSubstr("expected KV pages in f32"));
  EXPECT_EQ(start(model, "int8", "bf16"), "opened") << "auto is bf16 here";
}

TEST_F(Identity, InstructionSetsAreToldApartWhereTheirSumsDiffer) {
  const std::string model = synthetic(in("hf"), 1);
  const auto start_on = [&](Isa isa, const std::string& kv_cache_dtype) {
    const char* before = std::getenv("AUTOGLM_ISA");
    const std::string kept = before == nullptr ? "" : before;
    setenv("AUTOGLM_ISA", std::string(isa_name(isa)).c_str(), 1);
    std::string said = start(model, "int8", kv_cache_dtype);
    before == nullptr ? unsetenv("AUTOGLM_ISA") : setenv("AUTOGLM_ISA", kept.c_str(), 1);
    return said;
  };
  for (const char* kv_cache_dtype : {"bf16", "int8", "f32"}) {
    fs::remove(in("spill"));
    for (int isa = 0; isa <= static_cast<int>(best_isa()); ++isa) {
      const bool differs =
          static_cast<Isa>(isa) == Isa::kAmx && std::string(kv_cache_dtype) == "bf16";
      EXPECT_THAT(start_on(static_cast<Isa>(isa), kv_cache_dtype),
                  HasSubstr(differs ? "expected AMX sums" : "opened"));
    }
  }
}

// Files that nobody has touched, as far as the system vouches for it, are not read: a digest in the
// pack that nobody could find does not show. Where it vouches for nothing, they are.
TEST_F(Identity, AReliableStampSparesReadingTheWeights) {
  const std::string at_rest = in("at_rest");
  fs::create_directories(at_rest);
  for (const auto& entry : fs::directory_iterator(source_folder() + "/models/tiny-glm")) {
    fs::create_symlink(entry.path(), fs::path(at_rest) / entry.path().filename());
  }
  for (const std::string& model : {synthetic(in("new"), 1), at_rest}) {
    const auto packed = pack_model(model, "", {.quantize = "int8", .threads = 2});
    ASSERT_TRUE(packed) << packed.error().message();
    ASSERT_TRUE(maps(model));
    const WeightFile source = (*PackFile::open(packed->path))->header().source.front();
    std::ifstream file(packed->path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    bytes.replace(bytes.find(source.digest), source.digest.size(), source.digest.size(), 'x');
    std::ofstream(packed->path, std::ios::binary) << bytes;
    EXPECT_EQ(maps(model), source.stamp.reliable) << model;
    EXPECT_FALSE(source.stamp.reliable && model != at_rest);
  }
}

TEST(IdentityText, NamesWhatDiffersAndNothingElse) {
  const ModelIdentity a{.weights = "11",
                        .files = {.configuration = "22", .quantization = "", .tokenizer = "33"},
                        .numerics = "weights in int4; KV pages in bf16"};
  EXPECT_EQ(a.text(),
            "weights 11; configuration 22; tokenizer 33; weights in int4; KV pages in bf16");
  ModelIdentity b = a;
  b.files.tokenizer = "44";
  b.files.quantization = "55";
  const IdentityDifference difference = identity_difference(a.text(), b.text());
  EXPECT_EQ(difference.expected, "tokenizer 33");
  EXPECT_EQ(difference.found, "quantization 55; tokenizer 44");
  EXPECT_EQ(identity_difference(a.text(), a.text()).expected, "");
}

}  // namespace
}  // namespace autoglm
