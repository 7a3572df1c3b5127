#include "runtime/open_spill.h"

#include <utility>

#include "formats/pack_file.h"

namespace autoglm {

Result<ModelIdentity> identify_model(const Checkpoint& checkpoint, const LoadedExecutor& loaded,
                                     const DigestOptions& options) {
  SmallFiles files = AGLM_TRY(digest_small_files(checkpoint));
  return ModelIdentity{.weights = digest_of_all(loaded.pack ? loaded.pack->header().source
                                                            : digest_weights(checkpoint, options)),
                       .files = std::move(files),
                       .numerics = loaded.numerics};
}

Result<std::unique_ptr<KvSpill>> open_spill(const LoadOptions& options,
                                            const Checkpoint& checkpoint,
                                            const LoadedExecutor& loaded) {
  if (options.kv_cache_spill_path.empty()) return std::unique_ptr<KvSpill>();
  if (!options.enable_prefix_caching) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "without the prefix cache nothing is spilled",
                 .where = "kv_cache_spill_path",
                 .expected = "enable_prefix_caching",
                 .found = "it is off"};
  }
  const ModelIdentity identity = AGLM_TRY(identify_model(
      checkpoint, loaded, {.threads = options.threads, .progress = options.progress}));
  const ExecutorLimits limits = loaded.executor->limits();
  return KvSpill::open({.path = options.kv_cache_spill_path,
                        .size_bytes = options.kv_cache_spill_bytes,
                        .page_bytes = limits.page_bytes,
                        .page_tokens = limits.page_tokens,
                        .identity = identity.text()});
}

}  // namespace autoglm
