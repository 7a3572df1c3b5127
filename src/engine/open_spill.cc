#include "engine/open_spill.h"

#include <fmt/format.h>

#include <filesystem>
#include <iterator>
#include <utility>
#include <vector>

#include "autoglm/version.h"
#include "formats/pack_file.h"

namespace autoglm {
namespace {

// What keys and values depend on, to the bit: the weights and how they are held, the program, and
// how pages are held. Not on the instruction set or the threads (docs/decisions/0001).
Result<std::string> identity(const LoadOptions& options, const std::string& checkpoint,
                             const ExecutorPlan& plan) {
  std::string text = fmt::format("autoglm {}, {}, weights {}, KV pages {} of {} bytes", kVersion,
                                 plan.architecture, plan.quantization,
                                 options.kv_cache_dtype == "q8_0" ? "int8" : options.kv_cache_dtype,
                                 plan.page_bytes);
  std::vector<SourceFile> files = AGLM_TRY(identify_source(checkpoint));
  const std::filesystem::path pack = std::filesystem::path(checkpoint) / kPackFileName;
  if (std::filesystem::exists(pack)) {
    const auto more = AGLM_TRY(identify_source(pack.string()));
    files.insert(files.end(), more.begin(), more.end());
  }
  for (const SourceFile& file : files) {
    text += fmt::format(", {} ({} bytes, {}, {:x})", file.name, file.size_bytes, file.modified_ns,
                        file.head_hash);
  }
  return text;
}

}  // namespace

Result<std::unique_ptr<KvSpill>> open_spill(const LoadOptions& options,
                                            const std::string& checkpoint, const ExecutorPlan& plan,
                                            const ExecutorLimits& limits) {
  if (options.kv_cache_spill_path.empty()) return std::unique_ptr<KvSpill>();
  if (!options.enable_prefix_caching) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "without the prefix cache nothing is spilled",
                 .where = "kv_cache_spill_path",
                 .expected = "enable_prefix_caching",
                 .found = "it is off"};
  }
  return KvSpill::open({.path = options.kv_cache_spill_path,
                        .size_bytes = options.kv_cache_spill_bytes,
                        .page_bytes = limits.page_bytes,
                        .page_tokens = limits.page_tokens,
                        .identity = AGLM_TRY(identity(options, checkpoint, plan))});
}

}  // namespace autoglm
