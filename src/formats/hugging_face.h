// A Hugging Face directory as a Checkpoint: config.json, generation_config.json, the chat template,
// and safetensors in one file or in shards named by an index.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

Result<std::shared_ptr<const Checkpoint>> open_hugging_face(const std::string& directory);

// The shards of a model.safetensors.index.json, each tensor's name with its file's. Refused: file
// names that are not plain names ending in .safetensors (an index must not reach outside of its
// directory), more than 10,000 files.
Result<std::map<std::string, std::string>> parse_shard_index(const json::value& index,
                                                             std::string_view where);

}  // namespace autoglm
