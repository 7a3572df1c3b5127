// Every folder of tests/data/goldens: logits of the whole prompt within a relative error of the
// reference's, and the same greedy continuation. The bounds: 1e-4 for f32 weights, whose error is
// that of f32 sums in another order (about 1e-6); 1e-2 for bf16 weights, where the KV cache is
// bf16.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>

#include "base/files.h"
#include "formats/safetensors.h"
#include "goldens/run_model.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

// The experts of each token of the prompt and the continuation, ascending; [tokens, chosen].
using Routes = std::vector<std::vector<int64_t>>;

struct Golden {
  std::vector<TokenId> prompt;
  std::vector<float> logits;  // [prompt, vocab]
  int64_t vocab = 0;
  std::vector<TokenId> greedy;
  std::map<int, Routes> routes;  // by layer
};

std::vector<TokenId> ids_of(const StoredTensor& tensor) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i + sizeof(int64_t) <= tensor.bytes.size(); i += sizeof(int64_t)) {
    int64_t id = 0;
    std::memcpy(&id, tensor.bytes.data() + i, sizeof id);
    ids.push_back(static_cast<TokenId>(id));
  }
  return ids;
}

Routes routes_of(const StoredTensor& tensor) {
  Routes routes(static_cast<size_t>(tensor.rows()));
  const auto columns = static_cast<size_t>(tensor.columns());
  for (size_t row = 0; row < routes.size(); ++row) {
    routes[row].resize(columns);
    std::memcpy(routes[row].data(), tensor.bytes.data() + row * columns * sizeof(int64_t),
                columns * sizeof(int64_t));
  }
  return routes;
}

Result<Golden> read_golden(const std::string& path) {
  const std::string bytes = AGLM_TRY(read_file(path, size_t{1} << 24));
  const auto tensors = AGLM_TRY(parse_safetensors(std::as_bytes(std::span(bytes)), path));
  Golden golden;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.name == "prompt") golden.prompt = ids_of(tensor);
    if (tensor.name == "greedy") golden.greedy = ids_of(tensor);
    if (tensor.name.starts_with("routes.")) {
      golden.routes[std::stoi(tensor.name.substr(7))] = routes_of(tensor);
    }
    if (tensor.name != "logits") continue;
    golden.vocab = tensor.shape.at(1);
    golden.logits.resize(tensor.bytes.size() / sizeof(float));
    std::memcpy(golden.logits.data(), tensor.bytes.data(), tensor.bytes.size());
  }
  return golden;
}

double relative_error(std::span<const float> found, std::span<const float> expected) {
  double difference = 0;
  double norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double d = static_cast<double>(found[i]) - static_cast<double>(expected[i]);
    difference += d * d;
    norm += static_cast<double>(expected[i]) * static_cast<double>(expected[i]);
  }
  return std::sqrt(difference / norm);
}

class GoldenLogits : public testing::TestWithParam<std::string> {};

void compare_with_golden(const std::string& checkpoint, const Golden& golden, double bound) {
  auto model = RunModel::load(checkpoint);
  ASSERT_TRUE(model) << model.error().message();
  const auto n = static_cast<int64_t>(golden.prompt.size());
  if (checkpoint.ends_with("llama_rope_dynamic_long")) {
    // docs/decisions/0020: dynamic rope ends at the trained length.
    EXPECT_EQ(model->limits().max_context, 40);
    EXPECT_GT(n, 40);
    return;
  }
  ASSERT_LE(n, model->limits().max_context);
  RunModel::Sequence sequence;
  model->feed(sequence, golden.prompt);
  std::vector<float> logits;
  double worst = 0;
  size_t worst_at = 0;
  for (size_t row = 0; row < golden.prompt.size(); ++row) {
    const auto vocab = static_cast<size_t>(golden.vocab);
    ASSERT_EQ(sequence.logits[row].size(), vocab);
    logits.insert(logits.end(), sequence.logits[row].begin(), sequence.logits[row].end());
    const double error =
        relative_error(sequence.logits[row], std::span(golden.logits).subspan(row * vocab, vocab));
    if (error > worst) worst_at = row;
    worst = std::max(worst, error);
  }
  const double error = relative_error(logits, golden.logits);
  testing::Test::RecordProperty("relative_error", std::to_string(error));
  EXPECT_LE(error, bound) << "worst at position " << worst_at << ": " << worst;
  EXPECT_EQ(model->greedy(sequence, static_cast<int>(golden.greedy.size())), golden.greedy);
}

TEST_P(GoldenLogits, AgreeWithTheReferenceAndSoDoesTheGreedyContinuation) {
  const std::string folder = source_path("tests/data/goldens/") + GetParam();
  const auto golden = read_golden(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message();
  ASSERT_FALSE(golden->logits.empty());
  compare_with_golden(folder, *golden, GetParam().ends_with("_bf16") ? 1e-2 : 1e-4);
}

class GoldenRoutes : public testing::TestWithParam<std::string> {};

TEST_P(GoldenRoutes, EveryTokenGoesToTheExpertsOfTheReference) {
  const std::string folder = source_path("tests/data/goldens/") + GetParam();
  const auto golden = read_golden(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message();
  std::map<int32_t, Routes> found;  // by value: ascending with the layers
  auto model = RunModel::load(folder, {.on_result = [&](const ComputedRows& rows) {
                                const Node& node = rows.instruction.node;
                                if (node.op != Op::kRoute) return;
                                for (int64_t r = 0; r < rows.n_rows; ++r) {
                                  const float* row = rows.data + r * rows.instruction.result.stride;
                                  std::vector<int64_t> experts(row, row + node.route.chosen);
                                  std::ranges::sort(experts);
                                  found[rows.instruction.value].push_back(std::move(experts));
                                }
                              }});
  ASSERT_TRUE(model) << model.error().message();
  RunModel::Sequence sequence;
  model->feed(sequence, golden->prompt);
  model->feed(sequence, std::span(golden->greedy).first(golden->greedy.size() - 1), 5);
  ASSERT_EQ(found.size(), golden->routes.size());
  auto expected = golden->routes.begin();
  for (const auto& [value, routes] : found) {
    EXPECT_EQ(routes, expected->second) << "layer " << expected->first;
    ++expected;
  }
}

// Those that have a twin: each architecture that GGUF has a name for.
class GgufTwins : public testing::TestWithParam<std::string> {};

TEST_P(GgufTwins, HaveTheSameLogits) {
  const std::string folder = source_path("tests/data/goldens/") + GetParam();
  const auto golden = read_golden(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message();
  compare_with_golden(folder + "/model.gguf", *golden, 1e-4);
}

std::vector<std::string> golden_folders(const char* that_hold) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(source_path("tests/data/goldens"))) {
    if (std::filesystem::exists(entry.path() / that_hold))
      names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

std::vector<std::string> golden_folders_with_experts() {
  std::vector<std::string> names = golden_folders("golden.safetensors");
  std::erase_if(names, [](const std::string& name) {
    return name.find("_moe") == std::string::npos && !name.starts_with("mixtral");
  });
  return names;
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenRoutes,
                         testing::ValuesIn(golden_folders_with_experts()),
                         [](const auto& golden) { return golden.param; });
INSTANTIATE_TEST_SUITE_P(Checkpoints, GoldenLogits,
                         testing::ValuesIn(golden_folders("golden.safetensors")),
                         [](const auto& golden) { return golden.param; });
INSTANTIATE_TEST_SUITE_P(Checkpoints, GgufTwins, testing::ValuesIn(golden_folders("model.gguf")),
                         [](const auto& golden) { return golden.param; });

}  // namespace
}  // namespace autoglm
