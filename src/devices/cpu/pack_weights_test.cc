// Weights that an earlier run held are taken as they are, answer the same bits, and are refused
// when they do not fit the graph.
#include "devices/cpu/pack_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <map>
#include <memory>

#include "base/aligned_buffer.h"
#include "devices/cpu/testing/made_up_model.h"

namespace autoglm {
namespace {

using testing::HasSubstr;

constexpr int64_t kVocab = 40;
constexpr int64_t kHidden = 64;

class Numbers : public WeightSource {
 public:
  Result<OpenTensor> open(std::string_view name) const override {
    ++opened;
    const float base = static_cast<float>(name.size() % 5) - 2.0F;
    return OpenTensor(std::make_unique<made_up::MadeUpTensor>(
        DType::kBF16, std::string(name), [base](int64_t row, std::span<float> out) {
          for (size_t c = 0; c < out.size(); ++c) {
            const auto step = (static_cast<size_t>(row) * 37 + c * 11) % 64;
            out[c] = (static_cast<float>(step) - 31.5F) / 64.0F + base / 8.0F;
          }
        }));
  }
  mutable int opened = 0;
};

// What was packed from another source, and nothing else.
class Packed : public WeightSource {
 public:
  Result<OpenTensor> open(std::string_view name) const override {
    return Error{ErrorCode::kNotFound, "not packed", std::string(name), "", ""};
  }
  std::optional<HeldTensor> held(std::string_view key) const override {
    const auto found = weights.find(key);
    if (found == weights.end()) return std::nullopt;
    return found->second;
  }
  HeldTensor& at(std::string_view key) { return weights.find(key)->second; }
  std::map<std::string, HeldTensor, std::less<>> weights;
};

Graph small_model(bool tied) {
  Graph g;
  const auto weight = [&](const std::string& name, int64_t rows, int64_t columns, WeightRole role) {
    return g.add_weight(
        {.role = role, .rows = rows, .columns = columns, .parts = {{name, 0, rows}}});
  };
  const WeightId table = weight("embed", kVocab, kHidden, WeightRole::kEmbedding);
  Value x = embedding(g, table);
  const Value normed = rms_norm(x, weight("norm", kHidden, 1, WeightRole::kVector), 1e-5F);
  const Value gate = linear(normed, weight("gate", 96, kHidden, WeightRole::kMatrix));
  const Value up = linear(normed, weight("upward", 96, kHidden, WeightRole::kMatrix));
  x = x + linear(swiglu(gate, up), weight("down", kHidden, 96, WeightRole::kMatrix));
  const Value hidden = select_outputs(x);
  g.add_output(
      kLogitsOutput,
      linear(hidden, tied ? table : weight("output", kVocab, kHidden, WeightRole::kOutput)));
  g.add_output(kHiddenOutput, hidden);
  return g;
}

DeviceOptions options_for(std::optional<WeightFormat> quantize) {
  return {.quantize = quantize, .threads = 2, .max_rows = 8, .max_output_rows = 8};
}

Packed pack(const Graph& graph, const DeviceOptions& options) {
  const Numbers source;
  const auto described = describe_weights(graph, source, options);
  EXPECT_TRUE(described) << described.error().message();
  Packed packed;
  size_t next = 0;
  const auto done =
      pack_weights(graph, source, options, [&](std::span<const std::byte> bytes) -> Result<void> {
        const WeightDescription& d = described->at(next++);
        EXPECT_EQ(static_cast<int64_t>(bytes.size()), d.bytes);
        const auto copy =
            std::make_shared<AlignedBuffer>(AGLM_TRY(AlignedBuffer::allocate(bytes.size())));
        std::memcpy(copy->data(), bytes.data(), bytes.size());
        packed.weights[d.key] = {.form = d.form,
                                 .format = d.format,
                                 .order = d.order,
                                 .rows = d.rows,
                                 .columns = d.columns,
                                 .bytes = {copy->data(), copy->size()},
                                 .memory = copy};
        return {};
      });
  EXPECT_TRUE(done) << done.error().message();
  EXPECT_EQ(next, described->size());
  return packed;
}

std::vector<float> step_logits(DeviceExecutor& executor) {
  EXPECT_TRUE(executor.reserve_pages(1));
  const std::vector<TokenId> tokens{TokenId{3}, TokenId{17}, TokenId{39}};
  const std::vector<int32_t> wanted{0, 1, 2};
  const std::vector<int32_t> pages{0};
  const StepSequence sequence{.n_rows = 3, .start_position = 0, .pages = pages};
  executor.step({.tokens = tokens, .sequences = {&sequence, 1}, .output_rows = wanted});
  std::vector<float> result;
  for (int32_t i = 0; i < 3; ++i) {
    const auto row = executor.logits(i);
    result.insert(result.end(), row.begin(), row.end());
  }
  return result;
}

std::vector<float> logits(const Graph& graph, const WeightSource& source,
                          const DeviceOptions& options) {
  auto executor = make_cpu_executor(graph, source, options);
  EXPECT_TRUE(executor) << executor.error().message();
  return executor ? step_logits(**executor) : std::vector<float>();
}

std::string refusal(const Packed& packed, const DeviceOptions& options) {
  const auto executor = make_cpu_executor(small_model(true), packed, options);
  return executor ? "accepted" : executor.error().message();
}

TEST(PackWeights, WhatWasPackedAnswersTheSameBitsAndNothingElseIsRead) {
  for (const bool tied : {true, false}) {
    for (const std::string& name : quantize_names()) {
      const std::optional<WeightFormat> quantize = parse_quantize(name).value();
      const Graph graph = small_model(tied);
      const DeviceOptions options = options_for(quantize);
      const Packed packed = pack(graph, options);
      const std::vector<float> expected = logits(graph, Numbers(), options);
      const std::vector<float> found = logits(graph, packed, options);
      ASSERT_FALSE(expected.empty());
      EXPECT_EQ(found, expected) << tied << " " << name;
    }
  }
}

TEST(PackWeights, AreCopiedWhereSomeMemoryIsNearerThanOtherAndAnswerTheSame) {
  DeviceOptions options = options_for(WeightFormat::kInt4);
  const Graph graph = small_model(false);
  const std::vector<float> expected = logits(graph, Numbers(), options);
  Packed packed = pack(graph, options);
  options.threads = 0;
  options.processors = {{0}, {0, 1}};
  EXPECT_EQ(logits(graph, packed, options), expected);
  EXPECT_EQ(logits(graph, Numbers(), options), expected);

  // The copies are what is read: the pack's bytes may change afterwards.
  auto executor = make_cpu_executor(graph, packed, options);
  ASSERT_TRUE(executor) << executor.error().message();
  EXPECT_EQ((*executor)->summary().nodes, 2);
  EXPECT_EQ((*executor)->summary().threads, 3);
  HeldTensor& down = packed.at("down[0+64]");
  auto* bytes = const_cast<std::byte*>(down.bytes.data());
  std::fill(bytes, bytes + down.bytes.size(), std::byte{0});
  EXPECT_NE(logits(graph, packed, options), expected);
  EXPECT_EQ(step_logits(**executor), expected);
}

TEST(PackWeights, AWeightOutlivesTheSourceThatGaveIt) {
  const DeviceOptions options = options_for(WeightFormat::kInt4);
  const Graph graph = small_model(true);
  auto packed = std::make_unique<Packed>(pack(graph, options));
  auto executor = make_cpu_executor(graph, *packed, options);
  ASSERT_TRUE(executor) << executor.error().message();
  packed.reset();
  ASSERT_TRUE((*executor)->reserve_pages(1));
  const std::vector<TokenId> tokens{TokenId{3}};
  const std::vector<int32_t> wanted{0};
  const std::vector<int32_t> pages{0};
  const StepSequence sequence{.n_rows = 1, .start_position = 0, .pages = pages};
  (*executor)->step({.tokens = tokens, .sequences = {&sequence, 1}, .output_rows = wanted});
  const std::vector<float> all = logits(graph, Numbers(), options);
  const auto row = (*executor)->logits(0);
  EXPECT_EQ(std::vector<float>(row.begin(), row.end()),
            std::vector<float>(all.begin(), all.begin() + kVocab));
}

TEST(PackWeights, RefusesWhatDoesNotFitTheGraph) {
  const DeviceOptions options = options_for(WeightFormat::kInt4);
  const std::string key = "down[0+64]";
  const auto change = [&](auto&& edit) {
    Packed packed = pack(small_model(true), options);
    edit(packed.at(key));
    return refusal(packed, options);
  };
  EXPECT_THAT(change([](HeldTensor& t) { t.columns = 95; }), HasSubstr("[64, 96]"));
  EXPECT_THAT(change([](HeldTensor& t) { t.bytes = t.bytes.first(t.bytes.size() - 64); }),
              HasSubstr("bytes"));
  EXPECT_THAT(change([](HeldTensor& t) { t.form = "rows"; }), HasSubstr("form"));
  EXPECT_THAT(change([](HeldTensor& t) { t.format = "int6"; }), HasSubstr("int6"));
  EXPECT_THAT(change([](HeldTensor& t) { t.order = "gate_up"; }), HasSubstr("order"));
  Packed packed = pack(small_model(true), options);
  packed.weights.erase(packed.weights.find(key));
  EXPECT_THAT(refusal(packed, options), HasSubstr("not packed"));
}

TEST(PackWeights, RefusesScalesAndVectorsThatAreNoNumbers) {
  const DeviceOptions options = options_for(WeightFormat::kInt8);
  for (const char* key : {"norm[0+64]", "down[0+64]"}) {
    Packed packed = pack(small_model(true), options);
    const HeldTensor& tensor = packed.at(key);
    // The last four bytes are a vector's last element, and a matrix' last column scale.
    const float broken = std::numeric_limits<float>::infinity();
    std::memcpy(const_cast<std::byte*>(tensor.bytes.data()) + tensor.bytes.size() - 4, &broken, 4);
    EXPECT_THAT(refusal(packed, options), HasSubstr("not a number")) << key;
  }
}

// A fixed matrix in every format, packed. When this fails, bytes that older programs packed mean
// something else, or would be packed otherwise now: raise kWeightLayoutVersion or
// kWeightRoundingVersion, then put the new sum here.
TEST(PackWeights, VersionsRiseWithTheBytes) {
  const auto sum_of = [](std::optional<WeightFormat> quantize) {
    uint64_t sum = 14695981039346656037U;
    const auto done = pack_weights(small_model(true), Numbers(), options_for(quantize),
                                   [&](std::span<const std::byte> bytes) -> Result<void> {
                                     for (const std::byte b : bytes) {
                                       sum = (sum ^ static_cast<uint64_t>(b)) * 1099511628211U;
                                     }
                                     return {};
                                   });
    EXPECT_TRUE(done);
    return sum;
  };
  EXPECT_EQ(kWeightLayoutVersion, 3);
  EXPECT_EQ(kWeightRoundingVersion, 2);
  EXPECT_EQ(sum_of(std::nullopt), 7137640455452899369U);
  EXPECT_EQ(sum_of(WeightFormat::kInt8), 463949817875196585U);
  EXPECT_EQ(sum_of(WeightFormat::kInt5), 4977541589740044825U);
  EXPECT_EQ(sum_of(WeightFormat::kInt4), 1032996829269549734U);
  EXPECT_EQ(sum_of(WeightFormat::kInt4Group64), 9084195263417085034U);
  EXPECT_EQ(sum_of(WeightFormat::kInt4Group128), 12706268853706150439U);
  EXPECT_EQ(sum_of(WeightFormat::kInt3), 17633268502783395746U);
  EXPECT_EQ(sum_of(WeightFormat::kInt3Group64), 7178943768454073192U);
  EXPECT_EQ(sum_of(WeightFormat::kInt2), 16415059772263873268U);
  EXPECT_EQ(sum_of(WeightFormat::kInt2Group64), 14510199999089091962U);
}

}  // namespace
}  // namespace autoglm
