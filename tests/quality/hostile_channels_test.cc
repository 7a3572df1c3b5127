// Channels that are hostile to rounding must not cost more than about what an untreated model
// loses: every way to hold weights, on the models that come with the tests.
#include "support/hostile_channels.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "base/files.h"
#include "devices/cpu/cpu_device.h"
#include "goldens/run_model.h"
#include "models/registry.h"
#include "runtime/checkpoint_weights.h"
#include "runtime/load_tokenizer.h"
#include "support/shared_data.h"
#include "train/quantize/next_token.h"

namespace autoglm {
namespace {

struct Way {
  const char* name;
  std::optional<WeightFormat> quantize;
  CodeKind grid;
};
constexpr Way kWays[] = {{"int8", WeightFormat::kInt8, CodeKind::kNone},
                         {"int5", WeightFormat::kInt5, CodeKind::kNone},
                         {"int4", WeightFormat::kInt4, CodeKind::kNone},
                         {"int4-g64", WeightFormat::kInt4Group64, CodeKind::kNone},
                         {"int4-g128", WeightFormat::kInt4Group128, CodeKind::kNone},
                         {"int3", WeightFormat::kInt3, CodeKind::kNone},
                         {"int3-g64", WeightFormat::kInt3Group64, CodeKind::kNone},
                         {"int2", WeightFormat::kInt2, CodeKind::kNone},
                         {"int2-g64", WeightFormat::kInt2Group64, CodeKind::kNone},
                         {"codes4", std::nullopt, CodeKind::kSimple4},
                         {"codes4-minimum", std::nullopt, CodeKind::kSimple4Minimum},
                         {"codes8", std::nullopt, CodeKind::kSimple8},
                         {"codes8-minimum", std::nullopt, CodeKind::kSimple8Minimum}};

class Hostile : public ::testing::Test {
 protected:
  static constexpr size_t kTokens = 192;

  std::vector<std::vector<float>> logits(const WeightSource& source,
                                         std::optional<WeightFormat> quantize) {
    auto executor = make_cpu_executor(model_->graph, source,
                                      {.quantize = quantize,
                                       .kv_dtype = KvDType::kF32,
                                       .threads = 1,
                                       .max_rows = RunModel::kRows,
                                       .max_output_rows = RunModel::kRows,
                                       .max_context = model_->max_context});
    EXPECT_TRUE(executor) << executor.error().message();
    EXPECT_TRUE((*executor)->reserve_pages(RunModel::kPages));
    RunModel run(*std::move(executor));
    RunModel::Sequence sequence;
    run.feed(sequence, tokens_);
    return sequence.logits;
  }

  // KL divergence of a way from the same weights in f32.
  double loss(const Way& way, float factor) {
    const HostileChannels held(*source_, shape_, factor, way.grid);
    // The reference of codes is what they stand for, as floats that are multiplied as floats.
    const Floats floats(held);
    const auto before = logits(floats, std::nullopt);
    const auto after = logits(held, way.quantize);
    std::vector<NextToken> positions;
    for (size_t i = 0; i + 1 < tokens_.size(); ++i) {
      positions.push_back(compare_logits(before[i], after[i], static_cast<size_t>(tokens_[i + 1])));
    }
    return summarize(positions).kl_mean;
  }

  void load(const std::string& path, const std::string& text, const HostileShape& shape) {
    checkpoint_ = Checkpoint::open(path).value();
    model_ = build_model(*checkpoint_).value();
    source_ = CheckpointWeights::of(*checkpoint_, cpu_device()).value();
    shape_ = shape;
    tokens_ = load_tokenizer(path).value()->encode(text, {.add_special_tokens = false}).value();
    ASSERT_GE(tokens_.size(), kTokens);
    tokens_.resize(kTokens);
  }

  void expect_little_loss() {
    for (const Way& way : kWays) {
      const double plain = loss(way, 1);
      for (const float factor : {8.0f, 64.0f}) {
        const double hostile = loss(way, factor);
        std::printf("%-16s factor %3.0f: KL %.6f, untreated %.6f (%.2f times)\n", way.name,
                    double{factor}, hostile, plain, hostile / plain);
        // 2e-4: what int8 loses. Codes of 4 bits lose the function itself to such channels, so what
        // they stand for is another one.
        EXPECT_LT(hostile, 2 * plain + 2e-4) << way.name << " at " << factor;
      }
    }
  }

 private:
  // Floats even where codes are at hand.
  class Floats : public WeightSource {
   public:
    explicit Floats(const WeightSource& of) : of_(&of) {}
    Result<OpenTensor> open(std::string_view name) const override {
      OpenTensor tensor = AGLM_TRY(of_->open(name));
      return OpenTensor(std::make_unique<Tensor>(std::move(tensor)));
    }

   private:
    class Tensor : public SourceTensor {
     public:
      explicit Tensor(OpenTensor of)
          : SourceTensor({.dtype = of->form().dtype}, of->where()), of_(std::move(of)) {}
      void read_rows(RowRange rows, std::span<float> out) const override {
        of_->read_rows(rows, out);
      }

     private:
      OpenTensor of_;
    };

    const WeightSource* of_;
  };

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::optional<Model> model_;
  std::optional<CheckpointWeights> source_;
  HostileShape shape_;
  std::vector<TokenId> tokens_;
};

TEST_F(Hostile, ChannelsOfTinyGlmCostLittle) {
  load(source_path("models/tiny-glm"),
       read_file(source_path("tests/data/tiny_glm_heldout.txt"), 1 << 20).value().substr(0, 4000),
       {.hidden = 192, .intermediate = 512, .n_heads = 6, .n_kv_heads = 2, .head_dim = 32});
  expect_little_loss();
}

}  // namespace
}  // namespace autoglm
