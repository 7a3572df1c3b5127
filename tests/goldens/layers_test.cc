// Checkpoints op by op against what transformers computes inside them (layers.safetensors,
// tools/goldens/make_layers.py). A failure names the first op of the program whose result differs:
// what comes after it differs because it does.
//   AUTOGLM_LAYERS=FOLDER goldens_test --gtest_filter='GoldenLayers.OfTheFolderAskedFor'
// compares any checkpoint that make_layers.py was run on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>

#include "base/files.h"
#include "formats/safetensors.h"
#include "goldens/run_model.h"
#include "goldens/value_names.h"
#include "kernels/isa.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

struct Layers {
  std::vector<TokenId> prompt;
  std::vector<int64_t> rows;  // of the prompt: those that are kept
  std::map<std::string, std::vector<float>> values;
};

template <class T>
std::vector<T> elements(const StoredTensor& tensor) {
  std::vector<T> out(tensor.bytes.size() / sizeof(T));
  std::memcpy(out.data(), tensor.bytes.data(), out.size() * sizeof(T));
  return out;
}

Result<Layers> read_layers(const std::string& path) {
  const std::string bytes = AGLM_TRY(read_file(path, size_t{1} << 28));
  const auto tensors = AGLM_TRY(parse_safetensors(std::as_bytes(std::span(bytes)), path));
  Layers layers;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.name == "prompt") {
      for (const int64_t id : elements<int64_t>(tensor)) {
        layers.prompt.push_back(static_cast<TokenId>(id));
      }
    } else if (tensor.name == "rows") {
      layers.rows = elements<int64_t>(tensor);
    } else {
      layers.values[std::string(tensor.name)] = elements<float>(tensor);
    }
  }
  return layers;
}

// Sees the results of steps, and keeps what it finds to say of the first that differs.
class Comparing {
 public:
  // `bound`: of a difference, in root mean squares of the value's kept rows.
  Comparing(const Layers& layers, double bound) : layers_(layers), bound_(bound) {}

  // Rows of the next step begin at this position.
  void begin_step(int64_t position) { position_ = position; }

  void compare(const ComputedRows& rows) {
    for (const NamedColumns& part : value_names(rows.graph, rows.instruction.value)) {
      const auto expected = layers_.values.find(part.name);
      if (expected == layers_.values.end()) {
        unknown_.push_back(part.name);
        continue;
      }
      compared_[part.name] = true;
      compare(rows, part, expected->second);
    }
  }

  // Nullopt: nothing differs.
  const std::optional<std::string>& first() const { return first_; }
  // In the order of their names.
  std::vector<std::string> not_compared() const {
    std::vector<std::string> names;
    for (const auto& [name, value] : layers_.values) {
      if (!compared_.contains(name)) names.push_back(name);
    }
    return names;
  }
  const std::vector<std::string>& unknown() const { return unknown_; }

 private:
  void compare(const ComputedRows& rows, const NamedColumns& part,
               const std::vector<float>& expected) {
    if (first_) return;
    ASSERT_EQ(static_cast<int64_t>(expected.size()), std::ssize(layers_.rows) * part.columns)
        << part.name;
    double squares = 0;
    for (const float x : expected) squares += double{x} * double{x};
    const double size = std::sqrt(squares / static_cast<double>(expected.size()));
    double worst = 0;
    std::string text;
    for (size_t i = 0; i < layers_.rows.size(); ++i) {
      const int64_t row = layers_.rows[i] - position_;
      if (row < 0 || row >= rows.n_rows) continue;
      const float* found = rows.data + row * rows.instruction.result.stride + part.first;
      for (int64_t c = 0; c < part.columns; ++c) {
        const float wanted = expected[i * static_cast<size_t>(part.columns) + c];
        const double difference = std::abs(double{found[c]} - double{wanted});
        if (difference <= worst) continue;  // also not-a-number, which comes next
        worst = difference;
        text = fmt::format(
            "largest difference {:.3g} at row {}, column {}; expected {:.6g}, found {:.6g}",
            difference, layers_.rows[i], c, wanted, found[c]);
      }
      for (int64_t c = 0; c < part.columns; ++c) {
        if (std::isfinite(found[c])) continue;
        worst = HUGE_VAL;
        text = fmt::format("found {} at row {}, column {}", found[c], layers_.rows[i], c);
      }
    }
    if (worst <= bound_ * size) return;
    first_ = place_text(rows.graph, rows.instruction.value, part.name) + ": " + text;
  }

  const Layers& layers_;
  const double bound_;
  int64_t position_ = 0;
  std::optional<std::string> first_;
  std::map<std::string, bool> compared_;
  std::vector<std::string> unknown_;
};

// f32 sums in another order than transformers' make about 1e-6, and its norms and angles in f32 as
// much. On AMX 16 bits of activations meet bf16 weights.
double bound_here() { return best_isa() == Isa::kAmx ? 2e-3 : 5e-5; }

struct Way {
  bool fuse = true;
  int32_t threads = 1;
  size_t chunk = RunModel::kRows;
};

// Runs the prompt. Keys and values in f32: nothing is then rounded that transformers does not
// round.
void run(const std::string& checkpoint, const Layers& layers, const Way& way,
         Comparing& comparing) {
  auto model = RunModel::load(
      checkpoint, {.threads = way.threads,
                   .kv_cache_dtype = "f32",
                   .fuse = way.fuse,
                   .on_result = [&](const ComputedRows& rows) { comparing.compare(rows); }});
  ASSERT_TRUE(model) << model.error().message();
  RunModel::Sequence sequence;
  for (size_t at = 0; at < layers.prompt.size(); at += way.chunk) {
    const size_t n = std::min(way.chunk, layers.prompt.size() - at);
    comparing.begin_step(static_cast<int64_t>(at));
    model->feed(sequence, std::span(layers.prompt).subspan(at, n));
  }
}

// A folder has its own checkpoint, or is about the model in models/.
std::string checkpoint_of(const std::string& folder) {
  const bool own = std::filesystem::exists(folder + "/config.json");
  return own ? folder : source_path("models/tiny-glm");
}

void expect_as_the_reference(const std::string& folder) {
  const auto layers = read_layers(folder + "/layers.safetensors");
  ASSERT_TRUE(layers) << layers.error().message();
  // As ops were recorded, all values are there; fused, some are only seen as part of others.
  for (const Way& way : {Way{.fuse = false}, Way{.fuse = true}, Way{.threads = 2, .chunk = 7}}) {
    Comparing comparing(*layers, bound_here());
    run(checkpoint_of(folder), *layers, way, comparing);
    EXPECT_EQ(comparing.first().value_or(""), "")
        << (way.fuse ? "fused" : "as recorded") << ", chunks of " << way.chunk;
    EXPECT_THAT(comparing.unknown(), testing::IsEmpty());
    if (way.fuse) continue;
    EXPECT_THAT(comparing.not_compared(), testing::IsEmpty());
  }
}

class OpByOp : public testing::TestWithParam<std::string> {};

TEST_P(OpByOp, IsWhatTheReferenceComputes) {
  expect_as_the_reference(source_path("tests/data/goldens/") + GetParam());
}

std::vector<std::string> folders_with_layers() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/data/goldens"))) {
    if (!std::filesystem::exists(entry.path() / "layers.safetensors")) continue;
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, OpByOp, testing::ValuesIn(folders_with_layers()),
                         [](const auto& golden) { return golden.param; });

TEST(GoldenLayers, OfTheFolderAskedFor) {
  const char* folder = std::getenv("AUTOGLM_LAYERS");
  if (folder == nullptr) GTEST_SKIP() << "AUTOGLM_LAYERS names no folder";
  expect_as_the_reference(folder);
}

// What is said when a value is another: of the value itself, not of those that it enters.
TEST(GoldenLayers, NameTheFirstOpThatDiffers) {
  const std::string folder = source_path("tests/data/goldens/glm4");
  const auto layers = read_layers(folder + "/layers.safetensors");
  ASSERT_TRUE(layers) << layers.error().message();
  const auto first_of = [&](const std::string& name, bool fuse) {
    Layers other = *layers;
    std::vector<float>& values = other.values.at(name);
    values[values.size() / static_cast<size_t>(std::ssize(other.rows)) + 3] += 1.5f;  // row 1
    Comparing comparing(other, bound_here());
    run(folder, other, {.fuse = fuse}, comparing);
    return comparing.first().value_or("");
  };
  const std::string at =
      fmt::format("largest difference 1.5 at row {}, column 3; expected ", layers->rows[1]);
  for (const bool fuse : {false, true}) {
    EXPECT_THAT(first_of("model.layers.1.self_attn.attention", fuse),
                testing::StartsWith("layer 1: attention: " + at));
    EXPECT_THAT(first_of("model.layers.0.self_attn.k_proj", fuse),
                testing::StartsWith("layer 0: linear self_attn.k_proj: " + at));
    EXPECT_THAT(first_of("model.layers.1.self_attn.q_rotary", fuse),
                testing::StartsWith("layer 1: rope self_attn.q_rotary: " + at));
    EXPECT_THAT(first_of("model.layers.0.input_layernorm", fuse),
                testing::StartsWith("layer 0: rms_norm input_layernorm: " + at));
    EXPECT_THAT(first_of("model.embed_tokens", fuse),
                testing::StartsWith("embedding model.embed_tokens: " + at));
    EXPECT_THAT(first_of("lm_head", fuse), testing::StartsWith("linear lm_head: " + at));
  }
  EXPECT_THAT(first_of("model.layers.1.mlp.swiglu", false),
              testing::StartsWith("layer 1: swiglu: " + at));
  EXPECT_THAT(first_of("model.layers.1.mlp.swiglu", true),
              testing::StartsWith("layer 1: linear mlp.swiglu: " + at));
  EXPECT_THAT(first_of("model.layers.0.post_mlp_layernorm+residual", false),
              testing::StartsWith("layer 0: add post_mlp_layernorm+residual: " + at));
}

}  // namespace
}  // namespace autoglm
