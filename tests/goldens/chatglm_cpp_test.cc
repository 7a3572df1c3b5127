// GLM-2, GLM-3 and GLM-4 models of one layer with random weights, with the hidden states that the
// original custom code computes from them: conformance data of the chatglm.cpp project.
#include <gtest/gtest.h>

#include <cstring>

#include "base/files.h"
#include "goldens/run_model.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

constexpr int64_t kVocab = 5;
constexpr int64_t kHidden = 32;
constexpr int64_t kInner = 48;
constexpr int64_t kQkv = 48;  // (8 + 2 + 2) heads of 4

// The file's raw tensors under the names of the published checkpoints.
class RawCheckpoint : public Checkpoint {
 public:
  explicit RawCheckpoint(std::string bytes) : bytes_(std::move(bytes)), left_(bytes_) {
    config_ = {{"architectures", json::array{"ChatGLMModel"}},
               {"hidden_size", kHidden},
               {"ffn_hidden_size", kInner},
               {"num_layers", 1},
               {"padded_vocab_size", kVocab},
               {"seq_length", 8},
               {"layernorm_epsilon", 1e-5},
               {"num_attention_heads", 8},
               {"multi_query_attention", true},
               {"multi_query_group_num", 2},
               {"kv_channels", 4},
               {"add_qkv_bias", true}};
    const std::string layer = "transformer.encoder.layers.0.";
    add("transformer.embedding.word_embeddings.weight", {kVocab, kHidden});
    add(layer + "input_layernorm.weight", {kHidden});
    add(layer + "self_attention.query_key_value.weight", {kQkv, kHidden});
    add(layer + "self_attention.query_key_value.bias", {kQkv});
    add(layer + "self_attention.dense.weight", {kHidden, kHidden});
    add(layer + "post_attention_layernorm.weight", {kHidden});
    add(layer + "mlp.dense_h_to_4h.weight", {2 * kInner, kHidden});  // gate, then up
    add(layer + "mlp.dense_4h_to_h.weight", {kHidden, kInner});
    add("transformer.encoder.final_layernorm.weight", {kHidden});
    // The file has no output matrix, and only hidden states are compared.
    StoredTensor output = tensors_[0];
    output.name = "transformer.output_layer.weight";
    tensors_.push_back(output);
    for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
  }

  Kind kind() const override { return Kind::kHuggingFace; }
  const std::string& path() const override { return path_; }
  const json::object& config() const override { return config_; }
  const json::object& generation_config() const override { return none_; }
  const std::vector<StoredTensor>& tensors() const override { return tensors_; }
  std::vector<const MappedFile*> weight_files() const override { return {}; }

  template <class T>
  std::vector<T> take(size_t n) {
    std::vector<T> values(n);
    EXPECT_LE(n * sizeof(T), left_.size());
    std::memcpy(values.data(), left_.data(), n * sizeof(T));
    left_.remove_prefix(n * sizeof(T));
    return values;
  }
  bool at_end() const { return left_.empty(); }

 private:
  void add(const std::string& name, std::vector<int64_t> shape) {
    int64_t elements = 1;
    for (const int64_t n : shape) elements *= n;
    const size_t n_bytes = static_cast<size_t>(elements) * sizeof(float);
    EXPECT_LE(n_bytes, left_.size());
    tensors_.push_back({.name = name,
                        .where = name,
                        .dtype = DType::kF32,
                        .shape = std::move(shape),
                        .bytes = std::as_bytes(std::span(left_.substr(0, n_bytes)))});
    left_.remove_prefix(n_bytes);
  }

  std::string bytes_;
  std::string_view left_;
  std::string path_ = "model.data";
  json::object config_;
  json::object none_;
  std::vector<StoredTensor> tensors_;
};

class ChatGlmCpp : public testing::TestWithParam<std::string> {};

TEST_P(ChatGlmCpp, HiddenStatesAgreeInPrefillAndInTwoSteps) {
  const auto path = shared_data("weights/chatglm-cpp/" + GetParam());
  if (!path) GTEST_SKIP() << kNoSharedData;
  auto bytes = read_file(*path, size_t{1} << 24);
  ASSERT_TRUE(bytes) << bytes.error().message();
  const auto checkpoint = std::make_shared<RawCheckpoint>(*std::move(bytes));
  auto loaded = load_executor(*checkpoint, {.threads = 1, .max_rows = 8, .max_output_rows = 8});
  ASSERT_TRUE(loaded) << loaded.error().message();
  Executor& executor = *loaded->executor;
  ASSERT_TRUE(executor.reserve_pages(1));
  const int32_t page = 0;
  int64_t position = 0;
  for (const size_t rows : {size_t{3}, size_t{1}, size_t{1}}) {
    std::vector<TokenId> tokens;
    for (const int32_t id : checkpoint->take<int32_t>(rows)) {
      tokens.push_back(static_cast<TokenId>(id));
    }
    const std::vector<float> expected = checkpoint->take<float>(rows * kHidden);
    const StepSequence sequence{
        .n_rows = static_cast<int32_t>(rows), .start_position = position, .pages = {&page, 1}};
    std::vector<int32_t> wanted(rows);
    std::iota(wanted.begin(), wanted.end(), 0);
    executor.step({.tokens = tokens, .sequences = {&sequence, 1}, .output_rows = wanted});
    for (size_t i = 0; i < expected.size(); ++i) {
      const float found = executor.hidden_state(static_cast<int32_t>(i / kHidden))[i % kHidden];
      // The project's own tolerance.
      ASSERT_NEAR(found, expected[i], 5e-4) << "position " << position << ", element " << i;
    }
    position += static_cast<int64_t>(rows);
  }
  EXPECT_TRUE(checkpoint->at_end());
}

INSTANTIATE_TEST_SUITE_P(Files, ChatGlmCpp, testing::Values("glm2_model.data", "glm3_model.data"),
                         [](const auto& file) { return file.param.substr(0, 4); });

}  // namespace
}  // namespace autoglm
