#include "formats/hugging_face.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "formats/safetensors.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// A directory that goes away with the test.
class HuggingFace : public ::testing::Test {
 protected:
  HuggingFace() {
    folder_ = fs::temp_directory_path() /
              fmt::format("autoglm-hf-{}-{}", ::getpid(),
                          ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    write("config.json", R"({"architectures": ["LlamaForCausalLM"]})");
  }
  ~HuggingFace() override { fs::remove_all(folder_); }

  void write(std::string_view name, std::string_view text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::string error() const {
    const auto opened = Checkpoint::open(folder_.string());
    return opened ? "opened" : opened.error().message();
  }
  std::string path() const { return folder_.string(); }

  fs::path folder_;
};

std::string container(std::string_view header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string file(reinterpret_cast<const char*>(&length), sizeof length);
  return file.append(header).append(data_bytes, '\1');
}

std::string one_tensor(std::string_view name) {
  return container(
      fmt::format(R"({{"{}": {{"dtype": "U8", "shape": [2, 2], "data_offsets": [0, 4]}}}})", name),
      4);
}

std::string parse_error(const std::string& file) {
  const auto parsed = parse_safetensors(std::as_bytes(std::span(file)), "a.safetensors");
  return parsed ? "parsed" : parsed.error().message();
}

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirBytes) {
  const std::string file =
      container(R"({"__metadata__": {"format": "pt"},)"
                R"("b": {"dtype": "I16", "shape": [2], "data_offsets": [4, 8]},)"
                R"("none": {"dtype": "F32", "shape": [0, 7], "data_offsets": [4, 4]},)"
                R"("a": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}}   )",
                8);
  const auto parsed = parse_safetensors(std::as_bytes(std::span(file)), "a.safetensors");
  ASSERT_TRUE(parsed) << parsed.error().message();
  ASSERT_EQ(parsed->size(), 3u);
  EXPECT_EQ((*parsed)[0].name, "a");
  EXPECT_EQ((*parsed)[0].rows(), 1);
  EXPECT_EQ((*parsed)[1].name, "none");
  EXPECT_EQ((*parsed)[1].columns(), 7);
  EXPECT_EQ((*parsed)[2].name, "b");
  EXPECT_EQ((*parsed)[2].where, "a.safetensors: b");
  std::vector<float> value(1);
  decode_row((*parsed)[2], 1, value);
  EXPECT_EQ(value[0], 257);
}

TEST(Safetensors, RefusesWhatContradictsItselfAndSaysWhatItFound) {
  EXPECT_THAT(parse_error("1234"),
              HasSubstr("too short for a safetensors header (expected at least 8 bytes, found 4"));
  EXPECT_THAT(parse_error(container("{}", 0).substr(0, 9)),
              HasSubstr("header is too long (expected at most 1 bytes, found 2 bytes)"));
  EXPECT_THAT(parse_error(std::string(8, '\xff')), HasSubstr("header is too long"));
  EXPECT_THAT(parse_error(container("[]", 0)), HasSubstr("header is not an object"));
  EXPECT_THAT(parse_error(container("{\"a\": ", 0)), HasSubstr("JSON is malformed"));
  EXPECT_THAT(parse_error(container(std::string(R"({"a":)") + std::string(9000, '['), 0)),
              HasSubstr("a.safetensors: header: JSON is malformed"));
  EXPECT_THAT(parse_error(container(R"({"__metadata__": {"k": 1}})", 0)),
              HasSubstr("__metadata__: k: field has the wrong value (expected a string"));
  EXPECT_THAT(parse_error(container(R"({"t": 1})", 0)), HasSubstr("expected an object"));
  EXPECT_THAT(parse_error(container("{}", 3)), HasSubstr("bytes after the last tensor"));
}

TEST(Safetensors, RefusesTensorsThatLieAboutThemselves) {
  const auto with = [](std::string_view fields) {
    return parse_error(container(fmt::format(R"({{"t": {{{}}}}})", fields), 8));
  };
  EXPECT_THAT(with(R"("shape": [2], "data_offsets": [0, 8])"),
              HasSubstr("t: dtype: field is missing"));
  EXPECT_THAT(with(R"("dtype": "F4", "shape": [8], "data_offsets": [0, 8])"),
              HasSubstr("unsupported dtype (expected F32, F16, BF16"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [-2], "data_offsets": [0, 8])"),
              HasSubstr("integers that are not negative"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [1,1,1,1,1,1,1,1,2], "data_offsets": [0, 8])"),
              HasSubstr("too many dimensions (expected at most 8, found 9)"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [3], "data_offsets": [0, 8])"),
              HasSubstr("contradicts its shape (expected 12 bytes for F32 [3], found 8 bytes)"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 8])"),
              HasSubstr("too large to exist"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 9])"),
              HasSubstr("outside of the file (expected 0 <= begin <= end <= 8, found [0, 9])"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [2], "data_offsets": [8, 0])"),
              HasSubstr("outside of the file"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 8.5])"),
              HasSubstr("an array of two integers"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [1], "data_offsets": [0, 4])"),
              HasSubstr("bytes after the last tensor belong to none"));
  EXPECT_THAT(with(R"("dtype": "F32", "shape": [1], "data_offsets": [4, 8])"),
              HasSubstr("bytes before the tensor belong to none"));
}

TEST(Safetensors, RefusesOverlapsAndDuplicates) {
  EXPECT_THAT(
      parse_error(container(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},)"
                            R"("b": {"dtype": "U8", "shape": [4], "data_offsets": [2, 6]}})",
                            6)),
      HasSubstr("b: tensor overlaps the one before it (expected data from byte 4, found "
                "data from byte 2)"));
  EXPECT_THAT(
      parse_error(container(R"({"a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]},)"
                            R"("a": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}})",
                            4)),
      HasSubstr("name appears twice (expected each name once, found a)"));
  EXPECT_THAT(
      parse_error(container(
          R"({"a": {"dtype": "U8", "shape": [4], "shape": [4], "data_offsets": [0, 4]}})", 4)),
      HasSubstr("found shape"));
}

TEST_F(HuggingFace, OpensAShardedCheckpointByItsIndex) {
  write("model-1.safetensors", one_tensor("a"));
  write("model-2.safetensors", one_tensor("b"));
  write("model.safetensors.index.json",
        R"({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})");
  const auto checkpoint = Checkpoint::open(path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  EXPECT_EQ((*checkpoint)->tensors().size(), 2u);
  EXPECT_EQ((*checkpoint)->kind(), Checkpoint::Kind::kHuggingFace);
  ASSERT_NE((*checkpoint)->find("b"), nullptr);
  EXPECT_EQ((*checkpoint)->find("b")->where, path() + "/model-2.safetensors: b");
  EXPECT_EQ((*checkpoint)->find("c"), nullptr);
  EXPECT_TRUE((*checkpoint)->chat_templates().empty());
}

TEST_F(HuggingFace, TakesATensorThatTwoShardsHoldFromTheOneThatTheIndexNames) {
  write("model-1.safetensors", one_tensor("a"));
  write("model-2.safetensors", one_tensor("a"));
  write("model.safetensors.index.json", R"({"weight_map": {"a": "model-2.safetensors"}})");
  const auto checkpoint = Checkpoint::open(path());
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  EXPECT_EQ((*checkpoint)->find("a")->where, path() + "/model-2.safetensors: a");
}

TEST_F(HuggingFace, RefusesAnIndexThatNamesWhatIsNotThere) {
  write("model.safetensors.index.json", R"({"weight_map": {"a": "model-1.safetensors"}})");
  EXPECT_THAT(error(), HasSubstr("index names a file that does not exist"));
  EXPECT_THAT(error(), HasSubstr(path() + "/model-1.safetensors"));
  // A file's own lack is no reason: whether the tensor is needed, the model's graph says.
  write("model-1.safetensors", one_tensor("b"));
  EXPECT_EQ(error(), "opened");
  write("model.safetensors.index.json", R"({"weight_map": {}})");
  EXPECT_THAT(error(), HasSubstr("expected at least one tensor"));
  write("model.safetensors.index.json", R"({"metadata": {}})");
  EXPECT_THAT(error(), HasSubstr("weight_map: field is missing"));
}

TEST_F(HuggingFace, RefusesAnIndexThatReachesOutOfItsDirectory) {
  for (const char* file :
       {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "..", ".x.safetensors",
        "x.bin", "a\\\\b.safetensors", "a\\u0000.safetensors"}) {
    write("model.safetensors.index.json", fmt::format(R"({{"weight_map": {{"t": "{}"}}}})", file));
    EXPECT_THAT(error(), HasSubstr("weight_map: t: field has the wrong value (expected the name of "
                                   "a .safetensors file beside the index"))
        << file;
  }
  write("model.safetensors.index.json", R"({"weight_map": {"t": 3}})");
  EXPECT_THAT(error(), HasSubstr("found integer 3"));
}

TEST_F(HuggingFace, RefusesAPathThatIsNotThereAndAConfigurationThatIsNone) {
  write("model.safetensors", one_tensor("a"));
  write("config.json", "[]");
  EXPECT_THAT(error(), HasSubstr("config.json: document has the wrong kind"));
  EXPECT_THAT(Checkpoint::open(path() + "/none").error().message(),
              HasSubstr("none: checkpoint does not exist"));
}

TEST(Stories260K, OpensWithItsConfigurationAndTensors) {
  const auto path = shared_data("weights/stories260K/hf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const auto opened = Checkpoint::open(*path);
  ASSERT_TRUE(opened) << opened.error().message();
  const Checkpoint& checkpoint = **opened;
  EXPECT_EQ(checkpoint.config().at("hidden_size").as_int64(), 64);
  EXPECT_EQ(checkpoint.generation_config().size(), 2u);
  EXPECT_EQ(checkpoint.tensors().size(), 2u + 5u * 9u);
  const StoredTensor* embedding = checkpoint.find("model.embed_tokens.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->shape, (std::vector<int64_t>{512, 64}));
  EXPECT_EQ(embedding->dtype, DType::kF32);
  std::vector<float> row(64);
  decode_row(*embedding, 511, row);
  EXPECT_EQ(std::memcmp(row.data(), embedding->row(511).data(), 256), 0);
}

// The reference implementation refuses this file too: its metadata does not cover its bytes.
TEST(TinyContainers, SafetensorsWithFiveStrayBytesIsRefused) {
  const auto path = shared_data("weights/tiny-containers/tiny.safetensors");
  if (!path) GTEST_SKIP() << kNoSharedData;
  std::ifstream stream(*path, std::ios::binary);
  std::string file{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_THAT(parse_error(file), HasSubstr("(expected 32768 bytes of data, found 32773 bytes)"));
  file.resize(file.size() - 5);
  EXPECT_EQ(parse_error(file), "parsed");
}

}  // namespace
}  // namespace autoglm
