// The spill of a model: its file, and all that must be the same for the pages in it to be of use.
#pragma once

#include <memory>
#include <string>

#include "autoglm/model.h"
#include "engine/kv_spill.h"
#include "formats/checkpoint.h"
#include "formats/model_identity.h"
#include "runtime/load_executor.h"

namespace autoglm {

// Reads all weights, unless they were mapped from a pack, which says what it was made of.
Result<ModelIdentity> identify_model(const Checkpoint& checkpoint, const LoadedExecutor& loaded,
                                     const DigestOptions& options);

// Nothing when the options name no file.
Result<std::unique_ptr<KvSpill>> open_spill(const LoadOptions& options,
                                            const Checkpoint& checkpoint,
                                            const LoadedExecutor& loaded);

}  // namespace autoglm
