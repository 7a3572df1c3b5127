#include "formats/model_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <span>

#include "base/digest.h"
#include "formats/gguf_companions.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSeparator = "; ";  // between the parts of an identity's text

// Indexes of the largest models and tokenizers of a quarter million tokens take tens of MB.
constexpr size_t kMaxSmallFileBytes = size_t{256} << 20;

constexpr std::array<std::string_view, 2> kConfiguration = {"config.json",
                                                            "model.safetensors.index.json"};
constexpr std::array<std::string_view, 2> kQuantization = {"quantize_config.json",
                                                           "quant_config.json"};
constexpr std::array<std::string_view, 9> kTokenizer = {"tokenizer.json",
                                                        "tokenizer.model",
                                                        "tokenizer_config.json",
                                                        "special_tokens_map.json",
                                                        "vocab.json",
                                                        "merges.txt",
                                                        "vocab.txt",
                                                        "added_tokens.json",
                                                        kVocabularyName};

Result<std::string> digest_group(const fs::path& directory,
                                 std::span<const std::string_view> names) {
  Sha256 sum;
  bool any = false;
  for (const std::string_view name : names) {
    const fs::path path = directory / name;
    std::error_code ignored;
    if (!fs::is_regular_file(path, ignored)) continue;
    const std::string text = AGLM_TRY(read_file(path.string(), kMaxSmallFileBytes));
    sum.add(fmt::format("{} {}\n", name, text.size()));
    sum.add(text);
    any = true;
  }
  return any ? sum.finish() : std::string();
}

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(kSeparator), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + kSeparator.size(), text.size()));
  }
  return parts;
}

// Of the parts of `text`, those that `other` lacks.
std::string lacking(std::string_view text, std::string_view other) {
  const std::vector<std::string_view> others = parts_of(other);
  std::string lacks;
  for (const std::string_view part : parts_of(text)) {
    if (std::find(others.begin(), others.end(), part) != others.end()) continue;
    lacks += fmt::format("{}{}", lacks.empty() ? "" : kSeparator, part);
  }
  return lacks;
}

}  // namespace

std::vector<WeightFile> stamp_weights(const Checkpoint& checkpoint) {
  std::vector<WeightFile> files;
  for (const MappedFile* file : checkpoint.weight_files()) {
    files.push_back(
        {.name = fs::path(file->path()).filename().string(), .digest = {}, .stamp = file->stamp()});
  }
  std::ranges::sort(files, {}, &WeightFile::name);
  return files;
}

std::vector<WeightFile> digest_weights(const Checkpoint& checkpoint, const DigestOptions& options) {
  size_t total = 0;
  std::map<std::string, const MappedFile*> by_name;
  for (const MappedFile* file : checkpoint.weight_files()) {
    total += file->bytes().size();
    by_name.emplace(fs::path(file->path()).filename().string(), file);
  }
  size_t done = 0;
  const auto advanced = [&](size_t bytes) {
    done += bytes;
    if (!options.progress) return;
    options.progress(static_cast<double>(done) / static_cast<double>(total), "checking weights");
  };
  std::vector<WeightFile> files = stamp_weights(checkpoint);
  for (WeightFile& file : files) {
    file.digest = digest_of(by_name.at(file.name)->bytes(), options.threads, advanced);
  }
  return files;
}

Result<SmallFiles> digest_small_files(const Checkpoint& checkpoint) {
  SmallFiles digests;
  std::error_code ignored;
  const fs::path directory(checkpoint.path());
  if (!fs::is_directory(directory, ignored)) return digests;
  digests.configuration = AGLM_TRY(digest_group(directory, kConfiguration));
  digests.quantization = AGLM_TRY(digest_group(directory, kQuantization));
  digests.tokenizer = AGLM_TRY(digest_group(directory, kTokenizer));
  return digests;
}

std::string digest_of_all(const std::vector<WeightFile>& files) {
  Sha256 sum;
  for (const WeightFile& file : files) {
    sum.add(fmt::format("{} {}\n", file.digest, file.stamp.size_bytes));
  }
  return sum.finish();
}

std::string ModelIdentity::text() const {
  std::string text = fmt::format("weights {}", weights);
  const auto add = [&](std::string_view name, const std::string& digest) {
    if (!digest.empty()) text += fmt::format("{}{} {}", kSeparator, name, digest);
  };
  add("configuration", files.configuration);
  add("quantization", files.quantization);
  add("tokenizer", files.tokenizer);
  return text + std::string(kSeparator) + numerics;
}

IdentityDifference identity_difference(std::string_view expected, std::string_view found) {
  return {.expected = lacking(expected, found), .found = lacking(found, expected)};
}

}  // namespace autoglm
