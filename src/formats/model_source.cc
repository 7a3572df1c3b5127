#include "formats/model_source.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "formats/gguf_split.h"
#include "formats/hub_cache.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOwnModel = "tiny-glm";
constexpr size_t kMaxNamed = 20;  // files in a message
constexpr size_t kMaxFiles = 10'000;

// Where the code of this function was loaded from: the program, or the shared library in it.
fs::path own_file() {
  Dl_info info{};
  static const char anchor = 0;
  std::error_code ignored;
  if (::dladdr(&anchor, &info) != 0 && info.dli_fname != nullptr) {
    const fs::path named(info.dli_fname);
    if (named.has_parent_path() && fs::exists(named, ignored)) return fs::absolute(named, ignored);
  }
  return fs::read_symlink("/proc/self/exe", ignored);
}

Result<ModelSource> own_model() {
  const fs::path folder = own_file().parent_path();
  std::vector<std::string> searched;
  // Installed (bin/ or lib/ARCH/ beside share/), then the build tree (build/PRESET/ in the
  // checkout).
  for (const char* place : {"../share/autoglm/models", "../../share/autoglm/models", "../../models",
                            "../../../models"}) {
    const fs::path candidate = folder / place / kOwnModel;
    std::error_code ignored;
    if (fs::exists(candidate / "config.json", ignored)) {
      return ModelSource{fs::canonical(candidate, ignored).string(), std::string(kOwnModel)};
    }
    searched.push_back(candidate.lexically_normal().string());
  }
  return Error{ErrorCode::kNotFound, "the model that comes with the program is missing",
               std::string(kOwnModel), fmt::format("one of {}", fmt::join(searched, ", ")), ""};
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return result;
}

// Weights that make the directory itself the model, whatever else it holds.
bool holds_weights(const fs::path& directory) {
  std::error_code ignored;
  for (const char* name : {"model.safetensors", "model.safetensors.index.json", "autoglm.pack"}) {
    // A link that hangs counts: what is missing is then told of the model that was meant.
    if (fs::symlink_status(directory / name, ignored).type() != fs::file_type::not_found) {
      return true;
    }
  }
  return false;
}

// Models in .gguf files: of a split one the first part alone, projectors left out.
std::vector<std::string> gguf_models(const fs::path& directory) {
  std::vector<std::string> files;
  std::error_code ignored;
  size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (++seen > kMaxFiles) break;
    const fs::path& path = entry.path();
    if (path.extension() != ".gguf" || !entry.is_regular_file(ignored)) continue;
    const std::string name = lower(path.filename().string());
    if (name.find("mmproj") != std::string::npos || name.starts_with("vocabulary.")) continue;
    const auto split = parse_split_name(path.string());
    if (split && split->part > 1) continue;
    files.push_back(path.string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// As llama.cpp's -hf takes it: ":Q4_K_M" is part of the file's name, in whatever case.
std::vector<std::string> with_tag(const std::vector<std::string>& files, const fs::path& directory,
                                  const std::string& tag) {
  std::vector<std::string> found;
  for (const std::string& file : files) {
    const std::string name = lower(fs::path(file).lexically_relative(directory).string());
    const std::string wanted = lower(tag);
    for (size_t at = name.find(wanted); at != std::string::npos; at = name.find(wanted, at + 1)) {
      // A word of the name: Q4_K is not Q4_K_M.
      const auto is_part = [&](size_t i) {
        return i < name.size() &&
               (std::isalnum(static_cast<unsigned char>(name[i])) != 0 || name[i] == '_');
      };
      if ((at > 0 && is_part(at - 1)) || is_part(at + wanted.size())) continue;
      found.push_back(file);
      break;
    }
  }
  return found;
}

// The directory itself, or the .gguf file in it that it stands for.
Result<std::string> model_in(const fs::path& directory, const std::string& tag) {
  if (tag.empty() && holds_weights(directory)) return directory.string();
  std::vector<std::string> files = gguf_models(directory);
  if (files.empty()) {
    // Repositories keep large models in folders, one a quantization.
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(directory, ignored)) {
      if (!entry.is_directory(ignored) || files.size() > kMaxFiles) continue;
      for (std::string& file : gguf_models(entry.path())) files.push_back(std::move(file));
    }
    std::sort(files.begin(), files.end());
  }
  if (files.empty() && tag.empty()) return directory.string();
  std::vector<std::string> found = tag.empty() ? files : with_tag(files, directory, tag);
  if (found.size() == 1) return found.front();
  const bool none = found.empty();
  std::vector<std::string>& shown = none ? files : found;
  const size_t all = shown.size();
  shown.resize(std::min(all, kMaxNamed));
  for (std::string& file : shown) {
    file = printable(fs::path(file).lexically_relative(directory).string());
  }
  return Error{ErrorCode::kNotFound,
               none ? "no .gguf file here has this in its name" : "directory holds several models",
               directory.string(),
               none ? tag : "the path of one of them, or :TAG behind the name, such as :Q4_K_M",
               shown.empty() ? "no .gguf file"
                             : fmt::format("{}{}", fmt::join(shown, ", "),
                                           all > shown.size() ? ", ..." : "")};
}

// What clients call a model that was named by its path.
std::string name_of(const std::string& path) {
  std::error_code ignored;
  fs::path whole = fs::absolute(path, ignored).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();
  if (fs::is_directory(whole, ignored)) {
    if (const auto id = hub_id_of(whole.string())) return *id;
    return whole.filename().empty() ? "model" : whole.filename().string();
  }
  if (const auto split = parse_split_name(whole.string())) {
    return fs::path(split->stem).filename().string();
  }
  return whole.extension() == ".gguf" ? whole.stem().string() : whole.filename().string();
}

// "a/b@c:d" taken apart; parts that are not there are empty.
struct Written {
  std::string base, revision, tag;
};
Written take_apart(const std::string& name) {
  Written written{.base = name};
  const auto cut = [&](char mark, std::string& into) {
    const size_t at = written.base.rfind(mark);
    if (at == std::string::npos || at == 0) return;
    // A tag has no slash; a revision, a branch's name, may.
    if (mark == ':' && written.base.find('/', at) != std::string::npos) return;
    into = written.base.substr(at + 1);
    if (into.empty()) return;
    written.base.resize(at);
  };
  cut(':', written.tag);
  cut('@', written.revision);
  return written;
}

Result<std::string> place_at(const fs::path& path, const std::string& tag) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return first_part_of(path.string());
  // A folder of the hub's cache itself, models--org--name.
  if (path.lexically_normal().string().find("models--") != std::string::npos &&
      fs::is_directory(path / "snapshots", ignored)) {
    return model_in(AGLM_TRY(snapshot_in(path.string(), "")), tag);
  }
  return model_in(path, tag);
}

}  // namespace

Result<ModelSource> find_model(const std::string& name_or_path) {
  if (name_or_path.empty() || name_or_path == kOwnModel) return own_model();
  std::error_code ignored;
  if (fs::exists(name_or_path, ignored)) {
    std::string path = AGLM_TRY(place_at(name_or_path, ""));
    return ModelSource{std::move(path), name_of(name_or_path)};
  }
  if (fs::is_symlink(name_or_path, ignored)) {
    return Error{ErrorCode::kNotFound, "link to nothing", name_or_path,
                 "a directory or a .gguf file", fs::read_symlink(name_or_path, ignored).string()};
  }
  const Written written = take_apart(name_or_path);
  if (!written.tag.empty() && written.revision.empty() && fs::is_directory(written.base, ignored)) {
    std::string path = AGLM_TRY(place_at(written.base, written.tag));
    return ModelSource{std::move(path), fmt::format("{}:{}", name_of(written.base), written.tag)};
  }
  std::vector<std::string> searched{name_or_path};
  if (is_hub_id(written.base)) {
    const auto snapshot = AGLM_TRY(hub_snapshot(written.base, written.revision, searched));
    if (snapshot) {
      return ModelSource{AGLM_TRY(model_in(*snapshot, written.tag)), name_or_path};
    }
  }
  return Error{
      ErrorCode::kNotFound, "no such checkpoint", name_or_path,
      "a directory, a .gguf file, or a hub id in a local cache; nothing is ever downloaded",
      fmt::format("nothing at {}", fmt::join(searched, ", "))};
}

}  // namespace autoglm
