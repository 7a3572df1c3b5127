// Finding a checkpoint by its hub id in the caches that Hugging Face's own tools fill:
// <cache>/models--org--name/refs/main names the revision, <cache>/models--org--name/snapshots/<it>
// holds the files. Looks at the disk only.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "formats/checkpoint.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The order of the package huggingface_hub; later ones are what earlier ones default to.
std::vector<std::string> cache_directories() {
  std::vector<std::string> directories;
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const auto cache = environment(name); !cache.empty()) directories.push_back(cache);
  }
  if (const auto home = environment("HF_HOME"); !home.empty()) directories.push_back(home + "/hub");
  if (const auto cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    directories.push_back(cache + "/huggingface/hub");
  }
  if (const auto home = environment("HOME"); !home.empty()) {
    directories.push_back(home + "/.cache/huggingface/hub");
  }
  return directories;
}

// "org/name" or "name", of the characters that the hub allows.
bool is_hub_id(std::string_view text) {
  const size_t slash = text.find('/');
  const auto is_part = [](std::string_view part) {
    return !part.empty() && !part.starts_with('.') && part.find("..") == std::string_view::npos &&
           std::all_of(part.begin(), part.end(), [](unsigned char c) {
             return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
           });
  };
  if (text.size() > 200) return false;
  if (slash == std::string_view::npos) return is_part(text);
  return is_part(text.substr(0, slash)) && is_part(text.substr(slash + 1));
}

// The snapshot that refs/main names; without it the only snapshot there is.
std::optional<std::string> snapshot_in(const std::string& model_directory) {
  std::error_code ignored;
  if (const auto revision = read_file(model_directory + "/refs/main", 256)) {
    std::string name = *revision;
    while (!name.empty() && std::isspace(static_cast<unsigned char>(name.back())) != 0) {
      name.pop_back();
    }
    const std::string path = fmt::format("{}/snapshots/{}", model_directory, name);
    if (!name.empty() && name.find('/') == std::string::npos && name.front() != '.' &&
        fs::is_directory(path, ignored)) {
      return path;
    }
  }
  std::vector<std::string> snapshots;
  for (const auto& entry : fs::directory_iterator(model_directory + "/snapshots", ignored)) {
    if (entry.is_directory(ignored)) snapshots.push_back(entry.path().string());
  }
  if (snapshots.size() == 1) return snapshots.front();
  return std::nullopt;
}

}  // namespace

Result<std::string> resolve_checkpoint(const std::string& name_or_path) {
  std::error_code ignored;
  if (fs::exists(name_or_path, ignored)) return name_or_path;
  std::vector<std::string> searched{name_or_path};
  if (is_hub_id(name_or_path)) {
    std::string folder = "models--" + name_or_path;
    if (const size_t slash = folder.find('/'); slash != std::string::npos) {
      folder.replace(slash, 1, "--");
    }
    for (const std::string& cache : cache_directories()) {
      const std::string model_directory = fmt::format("{}/{}", cache, folder);
      if (const auto snapshot = snapshot_in(model_directory)) return *snapshot;
      if (std::find(searched.begin(), searched.end(), model_directory) == searched.end()) {
        searched.push_back(model_directory);
      }
    }
  }
  return Error{
      ErrorCode::kNotFound, "no such checkpoint", name_or_path,
      "a directory, a .gguf file, or a hub id in a local cache; nothing is ever downloaded",
      fmt::format("nothing at {}", fmt::join(searched, ", "))};
}

}  // namespace autoglm
