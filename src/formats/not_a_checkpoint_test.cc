// Everything that people hold for a model and is none: one row a kind, and a sentence of its own
// for each, which says what it is and what to do.
#include "formats/not_a_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "formats/checkpoint.h"
#include "formats/gguf_writer.h"
#include "support/scratch_folder.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

struct Row {
  const char* kind;
  std::vector<std::pair<const char*, const char*>> files;  // name -> content
  const char* says;
  const char* advises;
};

TEST(NotACheckpoint, EveryKindOfDirectoryHasASentenceOfItsOwn) {
  const Row rows[] = {
      {"empty", {}, "directory is empty", "a .gguf file"},
      {"LoRA",
       {{"adapter_config.json", R"({"base_model_name_or_path": "Qwen/Qwen2.5-7B"})"},
        {"adapter_model.safetensors", "x"}},
       "LoRA adapter",
       "merged into Qwen/Qwen2.5-7B"},
      {"broken LoRA", {{"adapter_config.json", "{"}}, "LoRA adapter", "its base model"},
      {"pickles",
       {{"config.json", "{}"}, {"pytorch_model.bin", "x"}, {"tokenizer.json", "{}"}},
       "PyTorch pickles",
       "safetensors"},
      {"sharded pickles",
       {{"config.json", "{}"},
        {"pytorch_model.bin.index.json", "{}"},
        {"pytorch_model-00001-of-00002.bin", "x"}},
       "PyTorch pickles",
       "safetensors"},
      {"Meta's form",
       {{"consolidated.00.pth", "x"}, {"params.json", "{}"}, {"tokenizer.model", "x"}},
       "as Meta publishes them",
       "Hugging Face form"},
      {"ONNX", {{"config.json", "{}"}, {"model.onnx", "x"}}, "ONNX model", "model.safetensors"},
      {"ONNX below", {{"config.json", "{}"}, {"onnx/model.onnx", "x"}}, "ONNX model", ".gguf"},
      {"TensorFlow", {{"config.json", "{}"}, {"tf_model.h5", "x"}}, "TensorFlow's", ".gguf"},
      {"Flax", {{"config.json", "{}"}, {"flax_model.msgpack", "x"}}, "Flax's", ".gguf"},
      {"diffusers", {{"model_index.json", "{}"}}, "diffusers", "a language model"},
      {"tokenizer",
       {{"tokenizer.json", "{}"}, {"tokenizer_config.json", "{}"}},
       "a tokenizer and no model",
       "config.json and model.safetensors"},
      {"no weights",
       {{"config.json", "{}"}, {"tokenizer.json", "{}"}},
       "holds no weights",
       "model.safetensors.index.json"},
      {"no configuration",
       {{"model.safetensors", "x"}},
       "no config.json",
       "from where the weights came"},
      {"no index",
       {{"config.json", "{}"}, {"model-00001-of-00002.safetensors", "x"}},
       "in parts and no index",
       "model.safetensors.index.json"},
      {"renamed weights",
       {{"config.json", "{}"}, {"weights.safetensors", "x"}},
       "another name",
       "model.safetensors"},
      {"a projector alone",
       {{"mmproj-f16.gguf", "GGUF"}},
       "go beside a model",
       "the language model's .gguf file"},
      {"cut off download",
       {{"config.json", "{}"}, {"model.safetensors.incomplete", "x"}},
       "download is not complete",
       "same download command"},
      {"several models",
       {{"a/config.json", "{}"}, {"b/config.json", "{}"}},
       "holds models and is none",
       "a, b"},
      {"something else", {{"notes.txt", "x"}}, "not a checkpoint", "notes.txt"},
  };
  for (const Row& row : rows) {
    const ScratchFolder folder;
    for (const auto& [name, content] : row.files) folder.write(name, content);
    const auto opened = Checkpoint::open(folder.path());
    ASSERT_FALSE(opened) << row.kind;
    const std::string message = opened.error().message();
    EXPECT_THAT(message, HasSubstr(row.says)) << row.kind;
    EXPECT_THAT(message, HasSubstr(row.advises)) << row.kind;
    EXPECT_THAT(message, HasSubstr(folder.path())) << row.kind;
  }
}

TEST(NotACheckpoint, LinksToNothingAreNamed) {
  const ScratchFolder folder;
  folder.write("config.json", "{}");
  std::filesystem::create_symlink("../../blobs/none", folder.path("model.safetensors"));
  const auto opened = Checkpoint::open(folder.path());
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message(), HasSubstr("links to nothing"));
  EXPECT_THAT(opened.error().message(), HasSubstr("model.safetensors"));
}

TEST(NotACheckpoint, EveryKindOfFileHasASentenceOfItsOwn) {
  struct File {
    const char* name;
    std::string content;
    const char* says;
  };
  const std::string tar = std::string(257, '\0') + "ustar" + std::string(250, '\0');
  const File files[] = {
      {"m.safetensors", "x", "a safetensors file is not a model by itself"},
      {"config.json", "{}", "the directory that holds it"},
      {"pytorch_model.bin", "PK\x03\x04", "PyTorch pickle"},
      {"model.onnx", "x", "ONNX model"},
      {"m.zip", "PK\x03\x04zip", "file is an archive"},
      {"m.tar.gz", "\x1F\x8B\x08", "file is an archive"},
      {"m.tar", tar, "file is an archive"},
      {"m.7z", "7z\xBC\xAF\x27\x1C", "file is an archive"},
      {"m.tar.xz",
       "\xFD"
       "7zXZ",
       "file is an archive"},
      {"m.tar.zst", "\x28\xB5\x2F\xFD", "file is an archive"},
      {"ggml-model-q4_0.bin.gguf", "tjgg", "a format before GGUF"},
      {"notes.txt", "hello", "not a GGUF file"},
      {"m.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
       "git-lfs pointer"},
      {"empty.gguf", "", "file is empty"},
  };
  const ScratchFolder folder;
  for (const File& file : files) {
    const auto opened = Checkpoint::open(folder.write(file.name, file.content));
    ASSERT_FALSE(opened) << file.name;
    EXPECT_THAT(opened.error().message(), HasSubstr(file.says)) << file.name;
  }
}

// A clone without git-lfs has pointers in the place of every large file, not of weights alone.
TEST(NotACheckpoint, PointersOfGitLfsAreKnownInEveryFile) {
  const char* pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 4995584424\n";
  for (const char* name : {"config.json", "generation_config.json", "chat_template.jinja",
                           "tokenizer_config.json", "model.safetensors"}) {
    const ScratchFolder folder;
    folder.write("config.json", "{}");
    folder.write("model.safetensors", std::string("\2\0\0\0\0\0\0\0{}", 10));
    folder.write(name, pointer);
    const auto opened = Checkpoint::open(folder.path());
    ASSERT_FALSE(opened) << name;
    EXPECT_THAT(opened.error().message(),
                HasSubstr(std::string(name) + ": file is a git-lfs pointer"));
    EXPECT_THAT(opened.error().message(), HasSubstr("git lfs pull"));
  }
}

TEST(NotACheckpoint, GgufFilesThatGoBesideAModelAreKnown) {
  const std::tuple<const char*, const char*, const char*> files[] = {
      {"clip", "model", "projector for images"},
      {"clip", "mmproj", "projector for images"},
      {"llama", "adapter", "LoRA adapter"},
      {"", "imatrix", "importance matrix"},
      {"controlvector", "model", "control vector"}};
  const ScratchFolder folder;
  for (const auto& [architecture, type, says] : files) {
    GgufMetadata metadata;
    if (*architecture != 0) metadata.add_string("general.architecture", architecture);
    metadata.add_string("general.type", type);
    const auto opened = Checkpoint::open(folder.write("f.gguf", gguf_header(metadata, {})));
    ASSERT_FALSE(opened) << says;
    EXPECT_THAT(opened.error().message(), HasSubstr(says));
  }
}

}  // namespace
}  // namespace autoglm
