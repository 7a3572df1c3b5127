#include "formats/gguf_split.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "formats/checkpoint.h"
#include "formats/gguf_writer.h"
#include "support/scratch_folder.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

TEST(SplitName, IsReadAsLlamaCppWritesIt) {
  const auto name = parse_split_name("/m/glm-4-Q4_K_M-00002-of-00013.gguf");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->stem, "/m/glm-4-Q4_K_M");
  EXPECT_EQ(name->part, 2);
  EXPECT_EQ(name->parts, 13);
  EXPECT_EQ(split_path(*name, 7), "/m/glm-4-Q4_K_M-00007-of-00013.gguf");
  EXPECT_EQ(first_part_of("/m/x-00003-of-00003.gguf"), "/m/x-00001-of-00003.gguf");
  for (const char* other : {"x.gguf", "x-00001-of-00003.safetensors", "x-00004-of-00003.gguf",
                            "x-00000-of-00003.gguf", "x-1-of-3.gguf", "x-00001-of-00003.gguf.gguf",
                            "-00001-of-00003.gguf", "x-0000a-of-00003.gguf"}) {
    EXPECT_FALSE(parse_split_name(other)) << other;
    EXPECT_EQ(first_part_of(other), other);
  }
}

struct Part {
  GgufMetadata metadata;
  std::vector<TensorPlan> plans;
};

// A model of three tensors in three parts.
class SplitGguf : public ::testing::Test {
 protected:
  SplitGguf() : parts_(3) {
    GgufMetadata& m = parts_[0].metadata;
    m.add_string("general.architecture", "llama");
    m.add_uint32("llama.block_count", 1);
    m.add_uint32("llama.context_length", 64);
    m.add_uint32("llama.embedding_length", 24);
    m.add_uint32("llama.feed_forward_length", 40);
    m.add_uint32("llama.attention.head_count", 4);
    m.add_float32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
    parts_[0].plans = {{"token_embd.weight", DType::kF32, {10, 24}}};
    parts_[1].plans = {{"output_norm.weight", DType::kF32, {24}}};
    parts_[2].plans = {{"output.weight", DType::kF32, {10, 24}}};
  }

  // What a part says of its place; the first one promises `tensors`.
  void place(size_t i, uint32_t number, uint32_t count, uint32_t tensors = 3) {
    parts_[i].metadata.add_uint32("split.no", number);
    parts_[i].metadata.add_uint32("split.count", count);
    parts_[i].metadata.add_uint32("split.tensors.count", tensors);
  }
  void place_all() {
    for (size_t i = 0; i < 3; ++i) place(i, static_cast<uint32_t>(i), 3);
  }
  std::string write(size_t i, std::string_view name) const {
    std::string file = gguf_header(parts_[i].metadata, parts_[i].plans);
    float value = static_cast<float>(100 * i);
    for (const TensorPlan& plan : parts_[i].plans) {
      for (size_t n = 0; n < plan.bytes() / 4; ++n, ++value) {
        file.append(reinterpret_cast<const char*>(&value), sizeof value);
      }
      file.resize((file.size() + 31) / 32 * 32);
    }
    return folder_.write(name, file);
  }
  std::string write_all() const {
    write(1, "m-00002-of-00003.gguf");
    write(2, "m-00003-of-00003.gguf");
    return write(0, "m-00001-of-00003.gguf");
  }
  std::string error(const std::string& path) const {
    const auto opened = Checkpoint::open(path);
    return opened ? "opened" : opened.error().message();
  }

  ScratchFolder folder_;
  std::vector<Part> parts_;
};

TEST_F(SplitGguf, HasTheTensorsOfAllItsParts) {
  place_all();
  const auto opened = Checkpoint::open(write_all());
  ASSERT_TRUE(opened) << opened.error().message();
  EXPECT_EQ((*opened)->tensors().size(), 3U);
  EXPECT_EQ((*opened)->path(), folder_.path("m-00001-of-00003.gguf"));
  EXPECT_EQ((*opened)->config().at("tie_word_embeddings"), false);
  std::vector<float> row(24);
  const std::pair<const char*, float> firsts[] = {{"model.embed_tokens.weight", 0.0F},
                                                  {"lm_head.weight", 200.0F}};
  for (const auto& [name, first] : firsts) {
    const StoredTensor* tensor = (*opened)->find(name);
    ASSERT_NE(tensor, nullptr) << name;
    decode_row(*tensor, 1, row);
    EXPECT_EQ(row[0], first + 24) << name;
  }
}

TEST_F(SplitGguf, MayHaveNoTensorsInItsFirstPart) {
  std::swap(parts_[0].plans, parts_[1].plans);
  parts_[1].plans.insert(parts_[1].plans.end(), parts_[0].plans.begin(), parts_[0].plans.end());
  parts_[0].plans.clear();
  place_all();
  EXPECT_EQ(error(write_all()), "opened");
}

TEST_F(SplitGguf, InOnePartIsAnOrdinaryFile) {
  for (size_t i : {1, 2}) {
    parts_[0].plans.insert(parts_[0].plans.end(), parts_[i].plans.begin(), parts_[i].plans.end());
  }
  place(0, 0, 1);
  EXPECT_EQ(error(write(0, "m-00001-of-00001.gguf")), "opened");
}

TEST_F(SplitGguf, NamesAPartThatIsMissing) {
  place_all();
  const std::string first = write_all();
  std::filesystem::remove(folder_.path("m-00003-of-00003.gguf"));
  EXPECT_THAT(error(first), HasSubstr("m-00003-of-00003.gguf: part of a split model is missing"));
}

TEST_F(SplitGguf, RefusesPartsUnderOtherNames) {
  place_all();
  write_all();
  EXPECT_THAT(error(write(0, "renamed.gguf")), HasSubstr("a name that ends in -00001-of-00003"));
  EXPECT_THAT(error(write(0, "m-00001-of-00002.gguf")), HasSubstr("-00001-of-00003"));
  // Two parts in each other's place.
  write(1, "m-00003-of-00003.gguf");
  write(2, "m-00002-of-00003.gguf");
  EXPECT_THAT(
      error(folder_.path("m-00001-of-00003.gguf")),
      HasSubstr("m-00002-of-00003.gguf: split.no: part of a split model is not the one that "
                "its name says (expected 1, found 2)"));
  EXPECT_THAT(error(folder_.path("m-00002-of-00003.gguf")), HasSubstr("under another name"));
}

TEST_F(SplitGguf, RefusesAPartOfAnotherSplit) {
  place(0, 0, 3);
  place(1, 1, 4);
  place(2, 2, 3);
  EXPECT_THAT(error(write_all()), HasSubstr("split.count"));
}

TEST_F(SplitGguf, RefusesAPartThatSaysNothingOfItsPlace) {
  place(0, 0, 3);
  place(1, 1, 3);
  EXPECT_THAT(error(write_all()), HasSubstr("m-00003-of-00003.gguf: split.no"));
}

TEST_F(SplitGguf, RefusesATensorThatTwoPartsHold) {
  parts_[2].plans = parts_[1].plans;
  place_all();
  EXPECT_THAT(error(write_all()), HasSubstr("two parts of a split model hold the tensor"));
}

TEST_F(SplitGguf, RefusesASumOfTensorsOtherThanPromised) {
  place(0, 0, 3, 4);
  place(1, 1, 3);
  place(2, 2, 3);
  EXPECT_THAT(error(write_all()), HasSubstr("split.tensors.count"));
}

TEST_F(SplitGguf, RefusesMorePartsThanFilesCanBeNumbered) {
  place(0, 0, 99999);
  EXPECT_THAT(error(write(0, "m-00001-of-99999.gguf")), HasSubstr("split.count"));
}

}  // namespace
}  // namespace autoglm
