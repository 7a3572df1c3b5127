// GGUF files of every block format, held as they are stored, against the same numbers decoded to
// f32: what int8 activations cost, and that batches, chunks and threads change nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "formats/safetensors_writer.h"
#include "formats/synthetic.h"
#include "goldens/run_model.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

class HeldCodes : public testing::TestWithParam<DType> {
 protected:
  HeldCodes()
      : folder_(fs::temp_directory_path() / fmt::format("autoglm-held-{}-{}", ::getpid(),
                                                        std::string(dtype_info(GetParam()).name))) {
    fs::create_directories(folder_);
  }
  ~HeldCodes() override { fs::remove_all(folder_); }

  std::string stored() const { return (folder_ / "model.gguf").string(); }
  std::string decoded() const { return (folder_ / "decoded").string(); }

  void write_stored() const {
    SyntheticOptions options{.path = stored(), .dtype = GetParam(), .seed = 3};
    options.shape = *synthetic_preset("tiny", "LlamaForCausalLM");
    const auto written = write_synthetic(options);
    ASSERT_TRUE(written) << written.error().message();
  }

  // The same model as a Hugging Face directory of f32.
  void write_decoded() const {
    const auto checkpoint = Checkpoint::open(stored());
    ASSERT_TRUE(checkpoint) << checkpoint.error().message();
    fs::create_directories(decoded());
    std::ofstream(decoded() + "/config.json") << boost::json::serialize((*checkpoint)->config());
    std::vector<TensorPlan> plans;
    for (const StoredTensor& t : (*checkpoint)->tensors()) {
      plans.push_back({t.name, DType::kF32, t.shape});
    }
    auto file = create_safetensors(decoded() + "/model.safetensors", plans);
    ASSERT_TRUE(file) << file.error().message();
    for (const StoredTensor& t : (*checkpoint)->tensors()) {
      std::vector<float> row(static_cast<size_t>(t.columns()));
      for (int64_t i = 0; i < t.rows(); ++i) {
        decode_row(t, i, row);
        ASSERT_TRUE(file->append(std::as_bytes(std::span(row))));
      }
    }
    ASSERT_TRUE(file->finish());
  }

  static std::vector<TokenId> prompt() {
    std::vector<TokenId> ids;
    for (int i = 0; i < 40; ++i) ids.push_back(static_cast<TokenId>(3 + i * 37 % 250));
    return ids;
  }

  static std::vector<std::vector<float>> logits(const std::string& path,
                                                const RunOptions& options) {
    auto model = RunModel::load(path, options);
    EXPECT_TRUE(model) << model.error().message();
    if (!model) return {};
    RunModel::Sequence sequence;
    model->feed(sequence, prompt());
    return sequence.logits;
  }

  fs::path folder_;
};

TEST_P(HeldCodes, AnswersAsTheDecodedNumbersDo) {
  write_stored();
  write_decoded();
  const auto found = logits(stored(), {.kv_cache_dtype = "f32"});
  const auto expected = logits(decoded(), {.kv_cache_dtype = "f32"});
  ASSERT_EQ(found.size(), expected.size());
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    for (size_t j = 0; j < found[i].size(); ++j) {
      difference += std::pow(double{found[i][j]} - double{expected[i][j]}, 2);
      norm += std::pow(double{expected[i][j]}, 2);
    }
  }
  // int8 activations over random weights; the codes themselves are exact.
  EXPECT_LE(std::sqrt(difference / norm), 3e-2);
  EXPECT_GT(difference, 0);
}

TEST_P(HeldCodes, GivesTheSameBitsWhateverRunsBesideIt) {
  write_stored();
  const auto expected = logits(stored(), {});
  ASSERT_FALSE(expected.empty());
  const auto threaded = logits(stored(), {.threads = 3});
  auto model = RunModel::load(stored());
  ASSERT_TRUE(model);
  // In pieces, and with another sequence in the same steps.
  RunModel::Sequence sequence;
  RunModel::Sequence other;
  const std::vector<TokenId> ids = prompt();
  for (size_t at = 0; at < ids.size();) {
    const size_t n = std::min<size_t>(at % 3 * 4 + 1, ids.size() - at);
    const auto piece = std::span(ids).subspan(at, n);
    const std::pair<RunModel::Sequence*, std::span<const TokenId>> work[] = {{&other, piece},
                                                                             {&sequence, piece}};
    model->step(work);
    at += n;
  }
  using Logits = std::vector<std::vector<float>>;
  for (const Logits& all : {threaded, Logits(sequence.logits)}) {
    ASSERT_EQ(all.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      ASSERT_EQ(std::memcmp(all[i].data(), expected[i].data(), expected[i].size() * 4), 0)
          << "position " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Gguf, HeldCodes,
                         testing::Values(DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                         DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K),
                         [](const auto& dtype) {
                           return std::string(dtype_info(dtype.param).name);
                         });

}  // namespace
}  // namespace autoglm
