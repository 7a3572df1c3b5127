// Fused tensors of experts, as one matrix for each.
#include "formats/expert_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace autoglm {
namespace {

using testing::HasSubstr;

// Elements 0, 1, 2, ...
class Numbers {
 public:
  explicit Numbers(size_t n) {
    for (size_t i = 0; i < n; ++i) values_.push_back(static_cast<float>(i));
  }
  StoredTensor tensor(std::string name, std::vector<int64_t> shape,
                      DType dtype = DType::kF32) const {
    return {.name = name,
            .where = "model.safetensors: " + name,
            .dtype = dtype,
            .shape = std::move(shape),
            .bytes = std::as_bytes(std::span(values_))};
  }

 private:
  std::vector<float> values_;
};

std::string refusal(std::vector<StoredTensor> tensors) {
  const auto split = split_fused_experts(std::move(tensors));
  return split ? "" : split.error().message();
}

TEST(FusedExperts, BecomeOneMatrixForEach) {
  const Numbers gate_up(3 * 4 * 5);
  const Numbers down(3 * 5 * 2);
  const Numbers other(2);
  const auto split =
      split_fused_experts({gate_up.tensor("model.layers.0.mlp.experts.gate_up_proj", {3, 4, 5}),
                           other.tensor("model.norm.weight", {2}),
                           down.tensor("model.layers.0.mlp.experts.down_proj", {3, 5, 2})});
  ASSERT_TRUE(split) << split.error().message();
  ASSERT_EQ(split->size(), 3 * 3 + 1);
  const auto first_of = [&](std::string_view name, std::vector<int64_t> shape) {
    for (const StoredTensor& tensor : *split) {
      if (tensor.name != name) continue;
      EXPECT_EQ(tensor.shape, shape) << name;
      EXPECT_EQ(tensor.bytes.size(), 4 * static_cast<size_t>(shape[0] * shape[1]));
      float first = 0;
      std::memcpy(&first, tensor.bytes.data(), sizeof first);
      return first;
    }
    ADD_FAILURE() << name << " is missing";
    return -1.0f;
  };
  EXPECT_EQ(first_of("model.layers.0.mlp.experts.0.gate_proj.weight", {2, 5}), 0);
  EXPECT_EQ(first_of("model.layers.0.mlp.experts.0.up_proj.weight", {2, 5}), 10);
  EXPECT_EQ(first_of("model.layers.0.mlp.experts.2.gate_proj.weight", {2, 5}), 40);
  EXPECT_EQ(first_of("model.layers.0.mlp.experts.2.up_proj.weight", {2, 5}), 50);
  EXPECT_EQ(first_of("model.layers.0.mlp.experts.1.down_proj.weight", {5, 2}), 10);
}

TEST(FusedExperts, OfOtherShapesAndTypesAreRefusedByName) {
  const Numbers numbers(60);
  const std::string name = "model.layers.0.mlp.experts.gate_up_proj";
  EXPECT_THAT(refusal({numbers.tensor(name, {12, 5})}),
              HasSubstr(name + ": tensor of fused experts has the wrong shape (expected [experts, "
                               "2 * inner, columns], found [12, 5])"));
  EXPECT_THAT(refusal({numbers.tensor(name, {4, 3, 5})}), HasSubstr("found [4, 3, 5]"));
  EXPECT_THAT(refusal({numbers.tensor(name, {3, 4, 5}, DType::kF8E4M3)}),
              HasSubstr("stored in a type that is not supported (expected F32, F16 or BF16"));
}

TEST(FusedExperts, ThatAreThereOneByOneAsWellAreRefused) {
  const Numbers numbers(60);
  EXPECT_THAT(refusal({numbers.tensor("model.layers.0.mlp.experts.gate_up_proj", {3, 4, 5}),
                       numbers.tensor("model.layers.0.mlp.experts.1.up_proj.weight", {2, 5})}),
              HasSubstr("two tensors stand for the same weights (expected one, found "
                        "model.layers.0.mlp.experts.1.up_proj.weight)"));
}

}  // namespace
}  // namespace autoglm
