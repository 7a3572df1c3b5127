// The CPU's executor: fuses and compiles a graph, packs its weights for the kernels, and runs
// steps.
#pragma once

#include <memory>

#include "autoglm/result.h"
#include "devices/device.h"

namespace autoglm {

// As Device's plan(), program() and load().
Result<DevicePlan> cpu_plan(const Graph& graph, const WeightSource& source,
                            const DeviceOptions& options);
Result<Program> cpu_program(const Graph& graph, const WeightSource& source,
                            const DeviceOptions& options);
Result<std::unique_ptr<DeviceExecutor>> make_cpu_executor(const Graph& graph,
                                                          const WeightSource& source,
                                                          const DeviceOptions& options);

}  // namespace autoglm
