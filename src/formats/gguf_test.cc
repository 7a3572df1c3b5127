#include "formats/gguf.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/files.h"
#include "formats/gguf_translation.h"
#include "formats/gguf_vocabulary.h"
#include "formats/gguf_writer.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

template <class T>
std::string number(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string text(std::string_view value) {
  return number<uint64_t>(value.size()) + std::string(value);
}

std::string header(uint64_t tensors, uint64_t entries, uint32_t version = 3) {
  return "GGUF" + number(version) + number(tensors) + number(entries);
}

std::string error_of(const std::string& file) {
  const auto parsed = parse_gguf(std::as_bytes(std::span(file)), "a.gguf");
  return parsed ? "parsed" : parsed.error().message();
}

// One tensor "t" as described, with `data` after it.
std::string with_tensor(std::vector<uint64_t> sizes, uint32_t type, uint64_t offset, size_t data) {
  std::string file = header(1, 0) + text("t") + number(static_cast<uint32_t>(sizes.size()));
  for (const uint64_t size : sizes) file += number(size);
  file += number(type) + number(offset);
  file.resize((file.size() + 31) / 32 * 32 + data);
  return file;
}

TEST(Gguf, ReadsEveryKindOfMetadata) {
  std::string file = header(0, 13);
  file += text("u8") + number<uint32_t>(0) + number<uint8_t>(200);
  file += text("i8") + number<uint32_t>(1) + number<int8_t>(-3);
  file += text("u16") + number<uint32_t>(2) + number<uint16_t>(60000);
  file += text("i16") + number<uint32_t>(3) + number<int16_t>(-300);
  file += text("u32") + number<uint32_t>(4) + number<uint32_t>(4000000000);
  file += text("i32") + number<uint32_t>(5) + number<int32_t>(-70000);
  file += text("f32") + number<uint32_t>(6) + number<float>(0.5f);
  file += text("bool") + number<uint32_t>(7) + number<uint8_t>(1);
  file += text("string") + number<uint32_t>(8) + text("hello");
  file += text("strings") + number<uint32_t>(9) + number<uint32_t>(8) + number<uint64_t>(2) +
          text("a") + text("");
  file += text("u64") + number<uint32_t>(10) + number<uint64_t>(~0ull);
  file += text("i64") + number<uint32_t>(11) + number<int64_t>(-1);
  file += text("floats") + number<uint32_t>(9) + number<uint32_t>(12) + number<uint64_t>(2) +
          number(1.5) + number(-2.0);
  const auto parsed = parse_gguf(std::as_bytes(std::span(file)), "a.gguf");
  ASSERT_TRUE(parsed) << parsed.error().message();
  EXPECT_EQ(parsed->integer("u8").value(), 200);
  EXPECT_EQ(parsed->integer("i8").value(), -3);
  EXPECT_EQ(parsed->integer("u16").value(), 60000);
  EXPECT_EQ(parsed->integer("i16").value(), -300);
  EXPECT_EQ(parsed->integer("u32").value(), 4000000000);
  EXPECT_EQ(parsed->integer("i32").value(), -70000);
  EXPECT_EQ(parsed->number("f32").value(), 0.5);
  EXPECT_EQ(parsed->number("i8").value(), -3);
  EXPECT_EQ(parsed->boolean("bool").value(), true);
  EXPECT_EQ(parsed->string("string").value(), "hello");
  EXPECT_EQ(parsed->array("strings").value()->strings(), (std::vector<std::string_view>{"a", ""}));
  EXPECT_EQ(parsed->array("floats").value()->numbers(), (std::vector<double>{1.5, -2.0}));
  EXPECT_EQ(parsed->integer("i64").value(), -1);
  EXPECT_EQ(parsed->integer("missing").value(), std::nullopt);
  EXPECT_THAT(parsed->integer("u64").error().message(), HasSubstr("a.gguf: u64: metadata has"));
  EXPECT_THAT(parsed->integer("string").error().message(),
              HasSubstr("(expected an integer, found \"hello\")"));
  EXPECT_THAT(parsed->array("u8").error().message(), HasSubstr("expected an array, found 200"));
}

TEST(Gguf, RefusesOtherFilesAndVersions) {
  EXPECT_THAT(error_of(""), HasSubstr("file ends inside the header"));
  EXPECT_THAT(error_of("GGML1234"), HasSubstr("not a GGUF file (expected GGUF; a safetensors "
                                              "checkpoint is named by its directory, found GGML)"));
  EXPECT_THAT(error_of(std::string("\x7f\x45\x4c\x46", 4)), HasSubstr("found \\x7fELF"));
  EXPECT_THAT(error_of(header(0, 0, 1)), HasSubstr("not supported (expected 2 or 3, found 1)"));
  EXPECT_THAT(error_of(header(0, 0, 0x03000000)), HasSubstr("found a big endian file"));
  EXPECT_EQ(error_of(header(0, 0, 2)), "parsed");
}

TEST(Gguf, RefusesCountsAndLengthsThatTheFileCannotHold) {
  EXPECT_THAT(error_of(header(1, 0)), HasSubstr("more tensors than the file can hold (expected "
                                                "at most 0, found 1)"));
  EXPECT_THAT(error_of(header(0, ~0ull)), HasSubstr("more metadata entries than the file"));
  EXPECT_THAT(error_of(header(0, 1) + number<uint64_t>(1ull << 40) + std::string(100, 'k')),
              HasSubstr("length of a metadata key is out of range"));
  EXPECT_THAT(error_of(header(0, 1) + number<uint64_t>(200) + std::string(100, 'k')),
              HasSubstr("file ends inside a metadata key (expected 200 bytes, found 100 bytes)"));
  EXPECT_THAT(error_of(header(0, 1) + text("k") + number<uint32_t>(13) + number<uint64_t>(0)),
              HasSubstr("type of metadata k is unknown (expected 0 to 12, found 13)"));
  EXPECT_THAT(error_of(header(0, 1) + text("k") + number<uint32_t>(8) + number<uint64_t>(~0ull)),
              HasSubstr("length of metadata k is out of range"));
  EXPECT_THAT(error_of(header(0, 1) + text("k") + number<uint32_t>(9) + number<uint32_t>(4) +
                       number<uint64_t>(1ull << 62)),
              HasSubstr("metadata k has more elements than the file can hold (expected at most 0"));
  EXPECT_THAT(error_of(header(0, 1) + text("k") + number<uint32_t>(9) + number<uint32_t>(9) +
                       number<uint64_t>(1)),
              HasSubstr("array holds arrays"));
  EXPECT_THAT(error_of(header(0, 2) + text("k") + number<uint32_t>(0) + number<uint8_t>(1) +
                       text("k") + number<uint32_t>(0) + number<uint8_t>(1)),
              HasSubstr("metadata key appears twice"));
}

TEST(Gguf, RefusesATensorThatEndsAfterTheFile) {
  EXPECT_EQ(error_of(with_tensor({4, 2}, 0, 0, 32)), "parsed");
  EXPECT_THAT(error_of(with_tensor({4, 2}, 0, 0, 31)),
              HasSubstr("a.gguf: t: tensor ends after the file (expected 32 bytes from byte 0 of "
                        "the data, found 31 bytes of data)"));
  EXPECT_THAT(error_of(with_tensor({4, 2}, 0, ~31ull, 32)), HasSubstr("ends after the file"));
}

TEST(Gguf, RefusesTensorsThatLieAboutThemselves) {
  EXPECT_THAT(error_of(with_tensor({4, 2}, 0, 8, 64)),
              HasSubstr("offset is not aligned (expected a multiple of 32, found 8)"));
  EXPECT_THAT(error_of(with_tensor({}, 0, 0, 32)), HasSubstr("dimensions is out of range"));
  EXPECT_THAT(error_of(with_tensor({1, 1, 1, 1, 1}, 0, 0, 32)),
              HasSubstr("(expected 1 to 4, found 5)"));
  EXPECT_THAT(error_of(with_tensor({0}, 0, 0, 32)), HasSubstr("dimension is out of range"));
  EXPECT_THAT(error_of(with_tensor({~0ull}, 0, 0, 32)), HasSubstr("dimension is out of range"));
  EXPECT_THAT(error_of(with_tensor({1ull << 40, 1ull << 40}, 0, 0, 32)),
              HasSubstr("too large to exist"));
  EXPECT_THAT(error_of(with_tensor({32, 1}, 16, 0, 64)), HasSubstr("found ggml type 16"));
  EXPECT_THAT(error_of(with_tensor({48, 1}, 8, 0, 64)),
              HasSubstr("rows do not consist of whole blocks (expected two dimensions or more, "
                        "the last a multiple of 32 for Q8_0, found [1, 48])"));
  EXPECT_THAT(error_of(with_tensor({32}, 8, 0, 64)), HasSubstr("whole blocks"));
}

TEST(Gguf, RefusesOverlapsDuplicatesAndBadAlignment) {
  const std::string description =
      number<uint32_t>(1) + number<uint64_t>(8) + number<uint32_t>(0) + number<uint64_t>(0);
  std::string file = header(2, 0) + text("a") + description + text("b") + description;
  file.resize((file.size() + 31) / 32 * 32 + 64);
  EXPECT_THAT(error_of(file), HasSubstr("tensor overlaps another"));
  file = header(2, 0) + text("a") + description + text("a") + description;
  file.resize((file.size() + 31) / 32 * 32 + 64);
  EXPECT_THAT(error_of(file), HasSubstr("a.gguf: a: tensor appears twice"));
  for (const uint32_t alignment : {0u, 24u, 1u << 21}) {
    EXPECT_THAT(error_of(header(0, 1) + text("general.alignment") + number<uint32_t>(4) +
                         number(alignment)),
                HasSubstr("expected a power of two, at most 2^20"));
  }
}

// Every prefix of a good file is refused or read, never more than that; sanitizers watch.
TEST(Gguf, SurvivesEveryTruncation) {
  GgufMetadata metadata;
  metadata.add_string("general.architecture", "llama");
  metadata.add_strings("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  const std::vector<TensorPlan> plans{{"a", DType::kF32, {2, 4}}, {"b", DType::kQ8_0, {1, 32}}};
  std::string file = gguf_header(metadata, plans);
  file.resize(file.size() + 32 + 34);
  EXPECT_EQ(error_of(file), "parsed");
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_NE(error_of(file.substr(0, size)), "parsed") << size;
  }
}

TEST(Gguf, SurvivesACorpusOfBrokenFiles) {
  const auto folder = shared_data("malformed/gguf/corpus");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  int refused = 0;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    const std::string file = read_file(entry.path().string(), 1 << 20).value();
    ++files;
    const auto parsed = parse_gguf(std::as_bytes(std::span(file)), "broken.gguf");
    if (!parsed) {
      EXPECT_THAT(parsed.error().message(), ::testing::StartsWith("broken.gguf: "));
      ++refused;
    } else if (const auto translated = translate_gguf(*parsed); !translated) {
      EXPECT_THAT(translated.error().message(), ::testing::StartsWith("broken.gguf"));
    }
  }
  EXPECT_GT(files, 100);
  EXPECT_GT(refused, 50);
}

TEST(Gguf, OpensFilesThatHoldATokenizerOnly) {
  const auto folder = shared_data("tokenizers/ggml-vocab");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const std::map<std::string, std::pair<std::string, size_t>> expected{
      {"bert-bge", {"bert", 30522}},      {"deepseek-coder", {"gpt2", 32256}},
      {"deepseek-llm", {"gpt2", 102400}}, {"gpt-2", {"gpt2", 50257}},
      {"llama-spm", {"llama", 32000}},    {"phi-3", {"llama", 32064}},
      {"starcoder", {"gpt2", 49152}}};
  for (const auto& [name, content] : expected) {
    const std::string path = fmt::format("{}/ggml-vocab-{}.gguf", *folder, name);
    const auto vocabulary = read_gguf_vocabulary(path);
    ASSERT_TRUE(vocabulary) << vocabulary.error().message();
    EXPECT_EQ(vocabulary->model, content.first) << name;
    EXPECT_EQ(vocabulary->tokens.size(), content.second) << name;
    EXPECT_EQ(vocabulary->token_types.size(), content.second) << name;
    EXPECT_EQ(vocabulary->merges.empty(), content.first != "gpt2") << name;
    const auto checkpoint = Checkpoint::open(path);
    ASSERT_TRUE(checkpoint) << checkpoint.error().message();
    EXPECT_TRUE((*checkpoint)->tensors().empty());
    EXPECT_EQ((*checkpoint)->config().at("vocab_size").as_int64(), content.second);
  }
}

TEST(TinyContainers, GgufFilesOpenOrSayWhatIsWrong) {
  for (const char* name : {"empty.gguf", "tiny.gguf"}) {
    const auto path = shared_data(fmt::format("weights/tiny-containers/{}", name));
    if (!path) GTEST_SKIP() << kNoSharedData;
    const auto checkpoint = Checkpoint::open(*path);
    if (!checkpoint) {
      EXPECT_THAT(checkpoint.error().message(), HasSubstr(name));
      EXPECT_FALSE(checkpoint.error().expected.empty());
    }
  }
}

TEST(GgufVocabulary, RefusesListsAndIdsThatDoNotFit) {
  const auto error = [](const auto& fill) {
    GgufMetadata metadata;
    fill(metadata);
    const std::string file = gguf_header(metadata, {});
    const auto gguf = parse_gguf(std::as_bytes(std::span(file)), "v.gguf");
    const auto vocabulary = gguf_vocabulary(gguf.value());
    return vocabulary ? "read" : vocabulary.error().message();
  };
  const std::vector<std::string> tokens{"a", "b"};
  const auto base = [&](GgufMetadata& m) {
    m.add_string("tokenizer.ggml.model", "gpt2");
    m.add_strings("tokenizer.ggml.tokens", tokens);
  };
  EXPECT_EQ(error(base), "read");
  EXPECT_THAT(error([](GgufMetadata&) {}),
              HasSubstr("v.gguf: tokenizer.ggml.model: metadata is missing"));
  EXPECT_THAT(error([](GgufMetadata& m) { m.add_string("tokenizer.ggml.model", "gpt2"); }),
              HasSubstr("tokenizer.ggml.tokens: metadata is missing (expected at least one token"));
  EXPECT_THAT(error([&](GgufMetadata& m) {
                base(m);
                m.add_floats("tokenizer.ggml.scores", std::vector<float>{1});
              }),
              HasSubstr("(expected an array of 2 numbers, found an array of 1)"));
  EXPECT_THAT(error([&](GgufMetadata& m) {
                base(m);
                m.add_integers("tokenizer.ggml.token_type", std::vector<int32_t>{1, 7});
              }),
              HasSubstr("types from 0 to 6"));
  EXPECT_THAT(error([&](GgufMetadata& m) {
                base(m);
                m.add_uint32("tokenizer.ggml.eos_token_id", 2);  // left out, with a warning
              }),
              HasSubstr("read"));
  EXPECT_THAT(error([&](GgufMetadata& m) {
                m.add_string("tokenizer.ggml.model", "gpt2");
                m.add_floats("tokenizer.ggml.tokens", std::vector<float>{1});
              }),
              HasSubstr("expected an array of strings"));
}

}  // namespace
}  // namespace autoglm
