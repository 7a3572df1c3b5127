// The bits of tiny-glm's logits, by the version of the arithmetic. A change that moves them must
// raise kArithmeticVersion, or pages and answers that were kept would be taken for what this
// program computes.
#include "kernels/arithmetic.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "formats/synthetic.h"
#include "goldens/run_model.h"
#include "kernels/isa.h"
#include "support/scratch_folder.h"
#include "support/source_folder.h"

namespace autoglm {
namespace {

TEST(Arithmetic, ItsBitsAreThoseOfItsVersion) {
  // Codes of files: a random model, which has numbers that stand out of their rows.
  const ScratchFolder folder;
  const auto random = [&](DType dtype) {
    const std::string path = folder.path(std::string(dtype_info(dtype).name) + ".gguf");
    EXPECT_TRUE(
        write_synthetic({.path = path, .shape = synthetic_preset("tiny").value(), .dtype = dtype}));
    return path;
  };
  const std::string tiny = source_folder() + "/models/tiny-glm";
  struct Way {
    std::string model;
    const char* quantize;
    const char* kv_cache_dtype;
    const char* digest;
  };
  constexpr int64_t kVersionOfDigests = 2;
  const Way ways[] = {
      {tiny, "none", "f32", "71b4bee9f0bec478d596fd099bafeadfe62974e050732f6bebaa906251231503"},
      {tiny, "none", "bf16", "80f8d7f33505f8d658e7e0f3ff556ee9170781c180bc10996047f235622f9f8f"},
      {tiny, "int8", "int8", "50a8bb7558423c3a9c3b815d55ec0967c3e4d5f704b266a2a2a7bb6304c17d09"},
      {tiny, "int4", "f32", "7fb8ce73287349d4c27ebf9190fdde7ec761dc5c96226a00f557aa1eade228db"},
      {tiny, "int4", "bf16", "b374dccb54de56c8283bf0ff71b58fafbe9d72707fef26da332130a82d0005e3"},
      {tiny, "int2", "int8", "716482d572f6a083697348d5577c66465d3ac367e8b8baaee5059805fa7ef830"},
      {random(DType::kQ4_1), "none", "bf16",
       "740651f9a8018dd81f000836fc1a50f85bf0880f1b71fd615c6111b89648d52b"},
      {random(DType::kQ6_K), "none", "f32",
       "8edec4922bd530b5abd6b48731b6cbcd302df462fc1360a762cadcef2ccceadc"},
  };
  for (const Way& way : ways) {
    auto model =
        RunModel::load(way.model, {.quantize = way.quantize, .kv_cache_dtype = way.kv_cache_dtype});
    ASSERT_TRUE(model) << model.error().message();
    std::vector<TokenId> tokens;
    const int32_t vocabulary = way.model == tiny ? 1000 : 500;
    for (int32_t i = 0; i < 100; ++i) tokens.push_back(TokenId{i * 37 % vocabulary});
    RunModel::Sequence sequence;
    model->feed(sequence, tokens);
    Sha256 sum;
    for (const auto& logits : sequence.logits) sum.add(std::as_bytes(std::span(logits)));
    const bool own_order = best_isa() == Isa::kAmx && (std::string(way.quantize) == "none" ||
                                                       std::string(way.kv_cache_dtype) == "bf16");
    if (own_order) continue;  // docs/decisions/0072
    EXPECT_EQ(sum.finish(), way.digest)
        << way.quantize << ", " << way.kv_cache_dtype
        << ": results have other bits than before. Where that is meant, raise kArithmeticVersion "
           "(kernels/arithmetic.h) and state the new digests and their version here.";
  }
  EXPECT_EQ(kVersionOfDigests, kArithmeticVersion);
}

}  // namespace
}  // namespace autoglm
