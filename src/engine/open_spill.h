// The spill of a model: its file, and all that must be the same for the pages in it to be of use.
#pragma once

#include <memory>
#include <string>

#include "autoglm/model.h"
#include "devices/executor.h"
#include "engine/kv_spill.h"
#include "engine/load_executor.h"

namespace autoglm {

// `checkpoint`: the path that was loaded. Nothing when the options name no file.
Result<std::unique_ptr<KvSpill>> open_spill(const LoadOptions& options,
                                            const std::string& checkpoint, const ExecutorPlan& plan,
                                            const ExecutorLimits& limits);

}  // namespace autoglm
