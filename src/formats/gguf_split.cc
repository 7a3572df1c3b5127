#include "formats/gguf_split.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <set>
#include <utility>

namespace autoglm {
namespace {

constexpr size_t kDigits = 5;
constexpr int kMaxParts = 4096;

std::optional<int> digits(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

// The part's own account of where it stands; parts count from 0 there.
Result<void> check_place(const Gguf& part, int64_t number, int64_t parts) {
  for (const auto& [key, expected] :
       {std::pair{"split.no", number - 1}, std::pair{"split.count", parts}}) {
    const auto stated = AGLM_TRY(part.integer(key));
    if (stated && *stated == expected) continue;
    return Error{ErrorCode::kCorrupt, "part of a split model is not the one that its name says",
                 fmt::format("{}: {}", part.where, key), fmt::format("{}", expected),
                 stated ? fmt::format("{}", *stated) : "nothing"};
  }
  return {};
}

}  // namespace

std::optional<SplitName> parse_split_name(std::string_view path) {
  constexpr std::string_view kEnd = ".gguf";
  constexpr std::string_view kOf = "-of-";
  constexpr size_t kSuffix =
      1 + kDigits + kOf.size() + kDigits + kEnd.size();  // -00001-of-00003.gguf
  if (path.size() <= kSuffix || !path.ends_with(kEnd)) return std::nullopt;
  const std::string_view suffix = path.substr(path.size() - kSuffix);
  if (suffix.front() != '-' || suffix.substr(1 + kDigits, kOf.size()) != kOf) return std::nullopt;
  const auto part = digits(suffix.substr(1, kDigits));
  const auto parts = digits(suffix.substr(1 + kDigits + kOf.size(), kDigits));
  if (!part || !parts || *part > *parts) return std::nullopt;
  return SplitName{std::string(path.substr(0, path.size() - kSuffix)), *part, *parts};
}

std::string split_path(const SplitName& split, int part) {
  return fmt::format("{}-{:05}-of-{:05}.gguf", split.stem, part, split.parts);
}

std::string first_part_of(const std::string& path) {
  const auto split = parse_split_name(path);
  return split && split->part > 1 ? split_path(*split, 1) : path;
}

Result<void> add_later_parts(Gguf& first, std::vector<MappedFile>& files) {
  const auto stated = AGLM_TRY(first.integer("split.count"));
  if (!stated || *stated <= 1) return {};
  const auto name = parse_split_name(first.where);
  if (!name || name->parts != *stated || name->part != 1) {
    return Error{ErrorCode::kInvalidArgument,
                 "file is one part of a split model, under another name", first.where,
                 fmt::format("a name that ends in -00001-of-{:05}.gguf", *stated),
                 std::filesystem::path(first.where).filename().string()};
  }
  if (*stated > kMaxParts) return first.wrong("split.count", fmt::format("1 to {}", kMaxParts));
  const int parts = name->parts;
  AGLM_TRY(check_place(first, 1, parts));
  std::set<std::string> names;
  for (const StoredTensor& tensor : first.tensors) names.insert(tensor.name);
  for (int number = 2; number <= parts; ++number) {
    const std::string path = split_path(*name, number);
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
      return Error{ErrorCode::kNotFound, "part of a split model is missing", path,
                   fmt::format("{} parts beside each other", parts), "no such file"};
    }
    files.push_back(AGLM_TRY(MappedFile::open(path)));
    Gguf part = AGLM_TRY(parse_gguf(files.back().bytes(), path));
    AGLM_TRY(check_place(part, number, parts));
    for (StoredTensor& tensor : part.tensors) {
      if (!names.insert(tensor.name).second) {
        return Error{ErrorCode::kCorrupt, "two parts of a split model hold the tensor",
                     tensor.where, "each tensor once", printable(tensor.name)};
      }
      first.tensors.push_back(std::move(tensor));
    }
  }
  const auto promised = AGLM_TRY(first.integer("split.tensors.count"));
  if (promised && *promised != static_cast<int64_t>(first.tensors.size())) {
    return first.wrong("split.tensors.count",
                       fmt::format("{}, the tensors of all parts", first.tensors.size()));
  }
  return {};
}

}  // namespace autoglm
