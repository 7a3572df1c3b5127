// What is written is read back in place; whatever a header claims beyond the file is refused.
#include "formats/pack_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/json.h"

namespace autoglm {
namespace {

using testing::HasSubstr;

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(testing::TempDir() + "autoglm-pack-" + std::to_string(::getpid())) {
    std::filesystem::create_directories(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

PackHeader small_header() {
  PackHeader header{.layout_version = 3,
                    .rounding_version = 4,
                    .architecture = "LlamaForCausalLM",
                    .quantize = "int4",
                    .source = {{.name = "model.safetensors",
                                .digest = "f123",
                                .stamp = {.size_bytes = 17,
                                          .inode = -2,
                                          .modified_ns = 1700000000000000001,
                                          .changed_ns = 1700000000000000002,
                                          .reliable = true}}},
                    .configuration = "c0ff",
                    .quantization = "9a"};
  StoredTensor tensor;
  tensor.name = "a.weight";
  tensor.dtype = DType::kQ4_K;
  tensor.shape = {2, 256};
  header.tensors.push_back(tensor);
  header.weights.push_back({.key = "a.weight[0+2]",
                            .form = "packed",
                            .format = "int4",
                            .order = "plain",
                            .rows = 2,
                            .columns = 256,
                            .size_bytes = 5000});
  header.weights.push_back({.key = "norm[0+2]",
                            .form = "vector",
                            .format = "f32",
                            .order = "plain",
                            .rows = 2,
                            .columns = 1,
                            .size_bytes = 8});
  return header;
}

// A file with this JSON as its header, and pages of zeros behind it.
std::string file_of(const json::object& header, size_t pages) {
  const std::string text = boost::json::serialize(header);
  std::string file("AGLMPACK");
  file += std::string("\2\0\0\0\0\0\0\0", 8);
  const uint64_t length = text.size();
  file.append(reinterpret_cast<const char*>(&length), sizeof length);
  file += text;
  file.resize((file.size() + 4095) / 4096 * 4096 + pages * 4096);
  return file;
}

json::object good_json() {
  return {{"layout", 1},
          {"rounding", 1},
          {"architecture", "A"},
          {"quantize", "none"},
          {"source", json::array()},
          {"configuration", ""},
          {"quantization", ""},
          {"tensors", json::array{json::object{
                          {"name", "r"}, {"dtype", "F32"}, {"shape", {4}}, {"offset", 4096}}}},
          {"weights", json::array{json::object{{"rows_of", "w"},
                                               {"form", "packed"},
                                               {"format", "bf16"},
                                               {"order", "plain"},
                                               {"rows", 3},
                                               {"columns", 7},
                                               {"offset", 8192},
                                               {"bytes", 4096}}}}};
}

std::string verdict(const std::string& file) {
  const auto header = parse_pack(std::as_bytes(std::span(file)), "x.pack");
  return header ? "accepted" : header.error().message();
}

TEST(PackFile, ReadsBackWhatWasWrittenAtPageEdges) {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/x.pack";
  const float kept[3] = {1, 2, 3};
  PackHeader header = small_header();
  StoredTensor small;
  small.name = "rope_freqs.weight";
  small.shape = {3};
  small.bytes = std::as_bytes(std::span(kept));
  header.tensors.push_back(small);
  {
    auto file = create_pack(path, header);
    ASSERT_TRUE(file) << file.error().message();
    ASSERT_TRUE(file->append(std::vector<std::byte>(5000, std::byte{7})));
    ASSERT_TRUE(file->append(std::vector<std::byte>(8, std::byte{9})));
    ASSERT_TRUE(file->finish());
  }
  const auto pack = PackFile::open(path);
  ASSERT_TRUE(pack) << pack.error().message();
  const PackHeader& read = (*pack)->header();
  EXPECT_EQ(read.layout_version, 3);
  EXPECT_EQ(read.rounding_version, 4);
  EXPECT_EQ(read.architecture, "LlamaForCausalLM");
  EXPECT_EQ(read.quantize, "int4");
  EXPECT_EQ(read.configuration, "c0ff");
  EXPECT_EQ(read.quantization, "9a");
  ASSERT_EQ(read.source.size(), 1U);
  EXPECT_EQ(read.source[0].name, "model.safetensors");
  EXPECT_EQ(read.source[0].digest, "f123");
  EXPECT_EQ(read.source[0].stamp, header.source[0].stamp);
  ASSERT_EQ(read.tensors.size(), 2U);
  EXPECT_EQ(read.tensors[0].dtype, DType::kQ4_K);
  EXPECT_TRUE(read.tensors[0].bytes.empty());
  ASSERT_EQ(read.tensors[1].bytes.size(), sizeof kept);
  EXPECT_EQ(std::memcmp(read.tensors[1].bytes.data(), kept, sizeof kept), 0);
  const PackedWeightEntry* weight = (*pack)->find("a.weight[0+2]");
  ASSERT_NE(weight, nullptr);
  EXPECT_EQ(weight->bytes.size(), 5000U);
  EXPECT_EQ(weight->bytes.back(), std::byte{7});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(weight->bytes.data()) % 4096, 0U);
  const PackedWeightEntry* norm = (*pack)->find("norm[0+2]");
  ASSERT_NE(norm, nullptr);
  EXPECT_EQ(norm->form, "vector");
  EXPECT_EQ(norm->bytes.front(), std::byte{9});
  EXPECT_EQ((*pack)->find("nothing"), nullptr);
}

TEST(PackFile, RefusesOtherFilesAndOtherVersions) {
  EXPECT_THAT(verdict(""), HasSubstr("not a pack file"));
  EXPECT_THAT(verdict("GGUF and twenty more bytes"), HasSubstr("not a pack file"));
  std::string file = file_of(good_json(), 2);
  ASSERT_EQ(verdict(file), "accepted");
  file[8] = 1;
  EXPECT_THAT(verdict(file), HasSubstr("another version"));
}

TEST(PackFile, RefusesAHeaderThatEndsAfterTheFile) {
  std::string file = file_of(good_json(), 2);
  const uint64_t length = ~uint64_t{0};
  std::memcpy(file.data() + 16, &length, sizeof length);
  EXPECT_THAT(verdict(file), HasSubstr("too long"));
}

TEST(PackFile, RefusesWeightsThatLeaveTheFileOverlapOrAreMisaligned) {
  const auto with = [](const char* list, const char* field, int64_t value) {
    json::object header = good_json();
    header[list].as_array()[0].as_object()[field] = value;
    return verdict(file_of(header, 2));
  };
  EXPECT_THAT(with("weights", "offset", 12288), HasSubstr("outside of the file"));
  EXPECT_THAT(with("weights", "offset", 8193), HasSubstr("outside of the file"));
  EXPECT_THAT(with("weights", "offset", 4096), HasSubstr("outside of the file"));
  EXPECT_THAT(with("weights", "offset", -4096), HasSubstr("outside of the file"));
  EXPECT_THAT(with("weights", "offset", 0), HasSubstr("outside of the file"));
  EXPECT_THAT(with("weights", "bytes", 4097), HasSubstr("outside of the file"));
  EXPECT_THAT(with("weights", "bytes", INT64_MAX), HasSubstr("outside of the file"));
  EXPECT_THAT(with("weights", "bytes", 0), HasSubstr("bytes"));
  EXPECT_THAT(with("weights", "rows", 0), HasSubstr("rows"));
  EXPECT_THAT(with("weights", "columns", INT64_MAX), HasSubstr("columns"));
  EXPECT_THAT(with("tensors", "offset", 0), HasSubstr("outside of the file"));
}

TEST(PackFile, RefusesTensorsThatCannotBe) {
  const auto with = [](const char* field, json::value value) {
    json::object header = good_json();
    header["tensors"].as_array()[0].as_object()[field] = std::move(value);
    return verdict(file_of(header, 2));
  };
  EXPECT_THAT(with("dtype", "?"), HasSubstr("dtype"));
  EXPECT_THAT(with("dtype", "Q4_K"), HasSubstr("whole blocks"));
  EXPECT_THAT(with("shape", json::array{-1}), HasSubstr("shape"));
  EXPECT_THAT(with("shape", json::array{int64_t{1} << 40, int64_t{1} << 40}), HasSubstr("large"));
  EXPECT_THAT(with("shape", json::array{1, 1, 1, 1, 1, 1, 1, 1, 1}), HasSubstr("shape"));
  json::object scalar = good_json();
  scalar["tensors"].as_array()[0].as_object()["shape"] = json::array();
  scalar["tensors"].as_array()[0].as_object()["dtype"] = "Q8_0";
  EXPECT_THAT(verdict(file_of(scalar, 2)), HasSubstr("whole blocks"));
}

TEST(PackFile, RefusesANameThatAppearsTwice) {
  for (const char* list : {"tensors", "weights"}) {
    json::object header = good_json();
    json::object again = header[list].as_array()[0].as_object();
    again["offset"] = 12288;
    header[list].as_array().push_back(again);
    if (std::string(list) == "tensors") header["weights"].as_array().clear();
    EXPECT_THAT(verdict(file_of(header, 4)), HasSubstr("twice")) << list;
  }
}

TEST(PackFile, LiesInsideADirectoryAndBesideAFile) {
  const TemporaryFolder folder;
  EXPECT_EQ(pack_path_beside(folder.path(), "int4"), folder.path() + "/autoglm-int4.pack");
  EXPECT_EQ(pack_path_beside("/models/x.gguf", "none"), "/models/x.gguf.autoglm-none.pack");
}

}  // namespace
}  // namespace autoglm
