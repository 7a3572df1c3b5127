#include "formats/not_a_checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxListed = 2000;  // entries of a directory that are looked at
constexpr size_t kMaxNamed = 5;      // of them in a message

struct Listing {
  std::vector<std::string> files;
  std::vector<std::string> folders;
  std::vector<std::string> hanging;  // links to nothing

  bool has(std::string_view name) const {
    return std::find(files.begin(), files.end(), name) != files.end();
  }
  std::vector<std::string> ending(std::string_view end) const {
    std::vector<std::string> found;
    for (const std::string& file : files) {
      if (file.ends_with(end)) found.push_back(file);
    }
    return found;
  }
};

Listing list(const fs::path& directory) {
  Listing listing;
  std::error_code ignored;
  size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (++seen > kMaxListed) break;
    std::string name = entry.path().filename().string();
    if (entry.is_regular_file(ignored)) {
      listing.files.push_back(std::move(name));
    } else if (entry.is_directory(ignored)) {
      listing.folders.push_back(std::move(name));
    } else if (entry.is_symlink(ignored)) {
      listing.hanging.push_back(std::move(name));
    }
  }
  for (auto* names : {&listing.files, &listing.folders, &listing.hanging}) {
    std::sort(names->begin(), names->end());
  }
  return listing;
}

std::string some_of(std::vector<std::string> names) {
  const size_t all = names.size();
  names.resize(std::min(all, kMaxNamed));
  for (std::string& name : names) name = printable(name);
  return fmt::format("{}{}", fmt::join(names, ", "), all > kMaxNamed ? ", ..." : "");
}

Error refuse(ErrorCode code, std::string what, const std::string& where, std::string expected,
             std::string found) {
  return Error{code, std::move(what), where, std::move(expected), std::move(found)};
}

// The model that a LoRA adapter changes, as its configuration names it.
std::string base_model(const std::string& adapter_config) {
  const auto document =
      json::parse_file(adapter_config, {.max_bytes = size_t{1} << 20, .max_depth = 16});
  if (!document || !document->is_object()) return "its base model";
  const json::value* name = document->get_object().if_contains("base_model_name_or_path");
  if (name == nullptr || !name->is_string()) return "its base model";
  return printable(std::string_view(name->get_string()));
}

constexpr std::string_view kWeights = "config.json with model.safetensors, or a .gguf file";

bool holds_tokenizer(const Listing& listing) {
  return std::any_of(listing.files.begin(), listing.files.end(), [](const std::string& file) {
    return file.starts_with("tokenizer") || file == "vocab.json" || file == "vocab.txt" ||
           file == "spiece.model" || file == "sentencepiece.bpe.model";
  });
}

bool is_model_folder(const fs::path& folder) {
  std::error_code ignored;
  return fs::is_regular_file(folder / "config.json", ignored);
}

// Weights in forms that we do not read. The order matters: many repositories hold several.
std::optional<Error> other_weights(const std::string& directory, const Listing& listing) {
  const auto unsupported = [&](std::string what, std::string expected, std::string found) {
    return refuse(ErrorCode::kUnsupported, std::move(what), directory, std::move(expected),
                  std::move(found));
  };
  if (const auto meta = listing.ending(".pth"); !meta.empty()) {
    return unsupported("directory holds PyTorch pickles as Meta publishes them",
                       "the same model's Hugging Face form, with config.json and safetensors",
                       some_of(meta));
  }
  std::vector<std::string> pickles = listing.ending(".bin");
  for (const char* end : {".pt", ".ckpt", ".bin.index.json"}) {
    for (std::string& file : listing.ending(end)) pickles.push_back(std::move(file));
  }
  if (!pickles.empty()) {
    return unsupported(
        "directory's weights are PyTorch pickles, which can run code when they are read",
        "model.safetensors (transformers' save_pretrained writes it, or the hub has it)",
        some_of(pickles));
  }
  std::vector<std::string> onnx = listing.ending(".onnx");
  if (onnx.empty() &&
      std::find(listing.folders.begin(), listing.folders.end(), "onnx") != listing.folders.end()) {
    onnx.push_back("onnx/");
  }
  if (!onnx.empty()) {
    return unsupported("directory holds an ONNX model", std::string(kWeights), some_of(onnx));
  }
  for (const auto& [end, framework] :
       {std::pair{".h5", "TensorFlow"}, std::pair{".msgpack", "Flax"}, std::pair{".ot", "Rust"},
        std::pair{".tflite", "TensorFlow Lite"}, std::pair{".engine", "TensorRT"},
        std::pair{".npz", "MLX"}}) {
    if (const auto found = listing.ending(end); !found.empty()) {
      return unsupported(fmt::format("directory's weights are {}'s", framework),
                         std::string(kWeights), some_of(found));
    }
  }
  return std::nullopt;
}

// safetensors that cannot be taken for a model as they lie there.
Error stray_safetensors(const std::string& directory, const Listing& listing,
                        const std::vector<std::string>& weights) {
  if (!listing.has("config.json")) {
    return refuse(ErrorCode::kNotFound, "directory has weights and no config.json", directory,
                  "config.json and the tokenizer's files, from where the weights came",
                  some_of(weights));
  }
  if (weights.front().find("-of-") != std::string::npos) {
    return refuse(ErrorCode::kNotFound, "directory has weights in parts and no index", directory,
                  "model.safetensors.index.json, from where the weights came", some_of(weights));
  }
  return refuse(ErrorCode::kNotFound, "directory's weights have another name", directory,
                "model.safetensors, or model.safetensors.index.json with the files it names",
                some_of(weights));
}

}  // namespace

Error explain_directory(const std::string& directory) {
  const Listing listing = list(directory);
  const auto refused = [&](ErrorCode code, std::string what, std::string expected,
                           std::string found) {
    return refuse(code, std::move(what), directory, std::move(expected), std::move(found));
  };
  if (listing.files.empty() && listing.folders.empty() && listing.hanging.empty()) {
    return refused(ErrorCode::kNotFound, "directory is empty", std::string(kWeights), "nothing");
  }
  if (!listing.hanging.empty()) {
    return refused(ErrorCode::kNotFound, "directory's files are links to nothing",
                   "a whole download (the same download command again completes it)",
                   some_of(listing.hanging));
  }
  for (const char* end : {".incomplete", ".part", ".aria2", ".crdownload", ".download"}) {
    if (const auto found = listing.ending(end); !found.empty()) {
      return refused(ErrorCode::kNotFound, "directory's download is not complete",
                     "the same download command again, which completes it", some_of(found));
    }
  }
  if (listing.has("adapter_config.json")) {
    return refused(ErrorCode::kUnsupported,
                   "directory holds a LoRA adapter, which is no model alone",
                   fmt::format("the adapter merged into {} (peft's merge_and_unload, then "
                               "save_pretrained)",
                               base_model(directory + "/adapter_config.json")),
                   "adapter_config.json");
  }
  if (listing.has("model_index.json")) {
    return refused(ErrorCode::kUnsupported,
                   "directory holds a pipeline of diffusers, which makes images",
                   "a language model", "model_index.json");
  }
  if (const auto weights = listing.ending(".safetensors"); !weights.empty()) {
    return stray_safetensors(directory, listing, weights);
  }
  if (auto other = other_weights(directory, listing)) return *std::move(other);
  if (listing.has("config.json")) {
    return refused(
        ErrorCode::kNotFound, "directory holds no weights",
        "model.safetensors, or model.safetensors.index.json with the files it names",
        holds_tokenizer(listing) ? "a configuration and a tokenizer" : "a configuration");
  }
  if (holds_tokenizer(listing)) {
    return refused(ErrorCode::kNotFound, "directory holds a tokenizer and no model",
                   "config.json and model.safetensors beside it", some_of(listing.files));
  }
  if (const auto found = listing.ending(".gguf"); !found.empty()) {
    return refused(ErrorCode::kNotFound, "directory's .gguf files go beside a model and are none",
                   "the language model's .gguf file", some_of(found));
  }
  std::vector<std::string> models;
  for (const std::string& folder : listing.folders) {
    if (is_model_folder(fs::path(directory) / folder)) models.push_back(folder);
  }
  if (!models.empty()) {
    return refused(ErrorCode::kNotFound, "directory holds models and is none", "one of them",
                   some_of(models));
  }
  std::vector<std::string> found = listing.files;
  for (const std::string& folder : listing.folders) found.push_back(folder + "/");
  return refused(ErrorCode::kNotFound, "directory is not a checkpoint", std::string(kWeights),
                 some_of(found));
}

Error explain_file(const std::string& path) {
  const fs::path name(path);
  const std::string extension = name.extension().string();
  const auto unsupported = [&](std::string what, std::string expected, std::string found) {
    return refuse(ErrorCode::kUnsupported, std::move(what), path, std::move(expected),
                  std::move(found));
  };
  // Enough for the mark of a tar archive, which lies at byte 257.
  std::string head(512, '\0');
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             &std::fclose);
  head.resize(file == nullptr ? 0 : std::fread(head.data(), 1, head.size(), file.get()));
  const std::string beginning = head.empty() ? "0 bytes" : printable(head.substr(0, 16));
  if (extension == ".safetensors") {
    return unsupported("a safetensors file is not a model by itself",
                       "its directory, with config.json and the tokenizer", extension);
  }
  if (extension == ".json" || name.filename() == "autoglm.pack") {
    return unsupported("file is one of a model's", "the directory that holds it",
                       name.filename().string());
  }
  if (extension == ".bin" || extension == ".pt" || extension == ".pth" || extension == ".ckpt") {
    return unsupported("file is a PyTorch pickle, which can run code when it is read",
                       "a directory with config.json and model.safetensors, or a .gguf file",
                       extension);
  }
  if (extension == ".onnx") {
    return unsupported("file is an ONNX model", std::string(kWeights), extension);
  }
  struct Mark {
    size_t at;
    std::string_view bytes;
    std::string_view what;
  };
  constexpr Mark kArchives[] = {{0, "PK\x03\x04", "zip"},
                                {0, "\x1F\x8B", "gzip"},
                                {0, "7z\xBC\xAF", "7z"},
                                {0,
                                 "\xFD"
                                 "7zXZ",
                                 "xz"},
                                {0, "\x28\xB5\x2F\xFD", "zstd"},
                                {0, "Rar!", "rar"},
                                {0, "BZh", "bzip2"},
                                {257, "ustar", "tar"}};
  for (const Mark& mark : kArchives) {
    if (std::string_view(head).substr(std::min(mark.at, head.size())).starts_with(mark.bytes)) {
      return unsupported("file is an archive", "the model in it, unpacked",
                         fmt::format("{}", mark.what));
    }
  }
  // Little endian numbers: "ggml", "ggmf" and "ggjt" read backwards.
  for (const std::string_view old : {"lmgg", "fmgg", "tjgg", "algg"}) {
    if (head.starts_with(old)) {
      return unsupported("file is of a format before GGUF, which llama.cpp left in 2023",
                         "the same model as GGUF", beginning);
    }
  }
  return refuse(ErrorCode::kCorrupt, "not a GGUF file", path,
                "GGUF; a safetensors checkpoint is named by its directory", beginning);
}

Result<void> refuse_companion(const Gguf& gguf) {
  const auto architecture = AGLM_TRY(gguf.string("general.architecture")).value_or("");
  const auto type = AGLM_TRY(gguf.string("general.type")).value_or("model");
  const auto unsupported = [&](std::string what, std::string expected, std::string_view found) {
    return refuse(ErrorCode::kUnsupported, std::move(what), gguf.where, std::move(expected),
                  printable(found));
  };
  if (architecture == "clip" || type == "mmproj") {
    return unsupported("file is a projector for images (mmproj), which is no model alone",
                       "the language model's .gguf file beside it; images are not supported",
                       architecture);
  }
  if (type == "adapter") {
    return unsupported("file is a LoRA adapter, which is no model alone",
                       "the adapter merged into its base model (llama-export-lora does it)", type);
  }
  if (type == "imatrix" || architecture == "imatrix") {
    return unsupported("file is an importance matrix for quantizing, not a model",
                       "a model's .gguf", type);
  }
  if (architecture == "controlvector") {
    return unsupported("file is a control vector, which is no model alone", "a model's .gguf",
                       architecture);
  }
  return {};
}

}  // namespace autoglm
