// GGUF models in several files, NAME-00001-of-00003.gguf and so on, as llama.cpp's gguf-split
// writes them: the first part has the metadata, each part tensors of its own.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/files.h"
#include "formats/gguf.h"

namespace autoglm {

struct SplitName {
  std::string stem;  // the path up to "-00001-of-00003.gguf"
  int part = 0;      // from 1
  int parts = 0;
};
std::optional<SplitName> parse_split_name(std::string_view path);
std::string split_path(const SplitName& split, int part);

// `path`, or the first part's where it is named as a later part.
std::string first_part_of(const std::string& path);

// Appends the tensors of all later parts to those of the first, `first`, which says how many there
// are; their files go to `files`. Refused: a first part under another name than a first part's,
// parts that are missing or belong to another split, tensors that two parts hold, a sum of tensors
// other than the first part promises.
Result<void> add_later_parts(Gguf& first, std::vector<MappedFile>& files);

}  // namespace autoglm
