// Hugging Face's own cache of downloads: <cache>/models--org--name/refs/main names a revision,
// <cache>/models--org--name/snapshots/<it> holds its files. Looks at the disk only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"

namespace autoglm {

// "org/name" or "name", of the characters that the hub allows.
bool is_hub_id(std::string_view text);

// The hub id whose snapshot `path` is, or lies in; nothing for other paths.
std::optional<std::string> hub_id_of(const std::string& path);

// The folder of `id` in the first cache that has it: of HF_HUB_CACHE, HF_HOME/hub and
// ~/.cache/huggingface/hub. Of `revision` (a branch, a tag, a commit or its beginning); empty: of
// main, and where no ref says which that is, the only snapshot there is. Nothing when no cache has
// the model: `searched` then has every place looked at.
Result<std::optional<std::string>> hub_snapshot(const std::string& id, const std::string& revision,
                                                std::vector<std::string>& searched);

// The same for a folder models--org--name itself.
Result<std::string> snapshot_in(const std::string& repository, const std::string& revision);

}  // namespace autoglm
