// Packing a checkpoint for the next start: `autoglm pack`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

struct PackOptions {
  std::string quantize = "none";  // as parse_quantize() takes it
  int threads = 0;                // 0: one for each processor
  std::function<void(double fraction, std::string_view stage)> progress;
};

struct PackedModel {
  std::string path;  // the file or directory written
  int64_t weight_bytes = 0;
};

// Without `out`, writes a file beside the checkpoint, which a start with the same `quantize` finds
// by itself. With it, makes that directory, which holds all that a start needs. Errors: a
// checkpoint that is packed already, a directory that is not empty, and all that loading may say.
Result<PackedModel> pack_model(const std::string& in, const std::string& out,
                               const PackOptions& options);

}  // namespace autoglm
