// The bits of tiny-glm's logits, by the version of the arithmetic. A change that moves them must
// raise kArithmeticVersion, or pages and answers that were kept would be taken for what this
// program computes.
#include "kernels/arithmetic.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "goldens/run_model.h"
#include "kernels/isa.h"
#include "support/source_folder.h"

namespace autoglm {
namespace {

TEST(Arithmetic, ItsBitsAreThoseOfItsVersion) {
  struct Way {
    const char* quantize;
    const char* kv_cache_dtype;
    const char* digest;
  };
  constexpr int64_t kVersionOfDigests = 2;
  const Way ways[] = {
      {"none", "f32", "71b4bee9f0bec478d596fd099bafeadfe62974e050732f6bebaa906251231503"},
      {"none", "bf16", "80f8d7f33505f8d658e7e0f3ff556ee9170781c180bc10996047f235622f9f8f"},
      {"int8", "int8", "2d84f6b63a596f5fe4a655e22b2dad74351d9027f174840e9e956da6a06f6c31"},
      {"int4", "f32", "36078b6c1cdd2fd15b120e1ecc4c805cd77f69b2a8cce60906502278edc3015d"},
      {"int4", "bf16", "6931bfb236f0c0a5e3e05575ebbef7b20b8d1737eb2c56fb020313c01517864a"},
      {"int2", "int8", "f4ba727d640e2208233c3fae8453e4c3c60453bf2bb3298a7dc8f2e2bc81abb8"},
  };
  for (const Way& way : ways) {
    auto model = RunModel::load(source_folder() + "/models/tiny-glm",
                                {.quantize = way.quantize, .kv_cache_dtype = way.kv_cache_dtype});
    ASSERT_TRUE(model) << model.error().message();
    std::vector<TokenId> tokens;
    for (int32_t i = 0; i < 100; ++i) tokens.push_back(TokenId{i * 37 % 1000});
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
