#include "formats/hub_cache.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>

#include "base/files.h"
#include "base/utf8.h"

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

constexpr std::string_view kPrefix = "models--";

// What a ref holds: a commit, for which there should be a snapshot.
std::optional<std::string> ref_target(const std::string& file) {
  auto revision = read_file(file, 256);
  if (!revision) return std::nullopt;
  while (!revision->empty() && std::isspace(static_cast<unsigned char>(revision->back())) != 0) {
    revision->pop_back();
  }
  return std::move(*revision);
}

// Of one part: no "..", no "/", nothing hidden.
bool is_plain(std::string_view name) {
  return !name.empty() && name.front() != '.' && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

// Of refs/NAME; branches may have slashes in them.
bool is_ref(std::string_view name) {
  return !name.empty() && name.size() <= 200 && name.front() != '/' && name.front() != '.' &&
         name.find("..") == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

std::vector<std::string> snapshots_of(const std::string& repository) {
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(repository + "/snapshots", ignored)) {
    if (entry.is_directory(ignored)) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Error no_snapshot(const std::string& repository, std::string what, std::string expected,
                  const std::vector<std::string>& there) {
  return Error{ErrorCode::kNotFound, std::move(what), repository, std::move(expected),
               there.empty() ? "no snapshot" : fmt::format("{}", fmt::join(there, ", "))};
}

}  // namespace

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

std::optional<std::string> hub_id_of(const std::string& path) {
  // .../models--org--name/snapshots/REVISION, or a file in it.
  std::vector<std::string> parts;
  for (const fs::path& part : fs::path(path).lexically_normal()) parts.push_back(part.string());
  for (size_t i = 0; i + 2 < parts.size(); ++i) {
    if (!parts[i].starts_with(kPrefix) || parts[i + 1] != "snapshots") continue;
    std::string id = parts[i].substr(kPrefix.size());
    if (const size_t between = id.find("--"); between != std::string::npos) {
      id.replace(between, 2, "/");
    }
    if (is_hub_id(id)) return id;
  }
  return std::nullopt;
}

Result<std::string> snapshot_in(const std::string& repository, const std::string& revision) {
  const std::vector<std::string> there = snapshots_of(repository);
  const auto path_of = [&](const std::string& name) {
    return fmt::format("{}/snapshots/{}", repository, name);
  };
  const auto has = [&](const std::string& name) {
    return is_plain(name) && std::find(there.begin(), there.end(), name) != there.end();
  };
  const std::string ref = revision.empty() ? "main" : revision;
  if (is_ref(ref)) {
    if (const auto target = ref_target(fmt::format("{}/refs/{}", repository, ref))) {
      if (has(*target)) return path_of(*target);
      if (is_plain(*target)) {
        return no_snapshot(
            repository, fmt::format("{}'s snapshot is not in the cache", ref),
            fmt::format("{} (the same download again completes it), or NAME@REVISION",
                        std::string(utf8_prefix(*target, 64))),
            there);
      }
    }
  }
  if (revision.empty()) {
    if (there.size() == 1) return path_of(there.front());
    return no_snapshot(repository, "no ref says which snapshot is meant",
                       there.empty() ? "a whole download" : "NAME@REVISION of one of these", there);
  }
  std::vector<std::string> found;
  for (const std::string& name : there) {
    if (name.starts_with(revision)) found.push_back(name);
  }
  if (found.size() == 1) return path_of(found.front());
  return no_snapshot(repository, "the cache does not have this revision",
                     std::string(utf8_prefix(revision, 64)), there);
}

Result<std::optional<std::string>> hub_snapshot(const std::string& id, const std::string& revision,
                                                std::vector<std::string>& searched) {
  std::string folder = std::string(kPrefix) + id;
  if (const size_t slash = folder.find('/'); slash != std::string::npos) {
    folder.replace(slash, 1, "--");
  }
  std::optional<Error> first;
  for (const std::string& cache : cache_directories()) {
    const std::string repository = fmt::format("{}/{}", cache, folder);
    if (std::find(searched.begin(), searched.end(), repository) != searched.end()) continue;
    searched.push_back(repository);
    std::error_code ignored;
    if (!fs::is_directory(repository, ignored)) continue;
    auto snapshot = snapshot_in(repository, revision);
    if (snapshot) return std::optional(*std::move(snapshot));
    if (!first) first = std::move(snapshot).error();
  }
  if (first) return *std::move(first);
  return std::optional<std::string>();
}

}  // namespace autoglm
