// A model's weights as the CPU would hold them, one after another, for whoever keeps them for the
// next start (WeightSource::held() then gives them back). One weight is in memory at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "devices/cpu/cpu_executor.h"

namespace autoglm {

// As Device::weight_layout_version() and weight_rounding_version().
inline constexpr int64_t kWeightLayoutVersion = 3;
inline constexpr int64_t kWeightRoundingVersion = 2;

// Of the weights that the program of `graph` uses, in the graph's order.
Result<std::vector<WeightDescription>> describe_weights(const Graph& graph,
                                                        const WeightSource& source,
                                                        const DeviceOptions& options);

// Calls take() once for each of describe_weights(), in that order, with bytes that are gone after
// it returns. The first error ends it.
Result<void> pack_weights(const Graph& graph, const WeightSource& source,
                          const DeviceOptions& options,
                          const std::function<Result<void>(std::span<const std::byte>)>& take);

}  // namespace autoglm
