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

// Raised when a layout of packed weights changes: bytes of another layout mean other numbers.
inline constexpr int64_t kWeightLayoutVersion = 3;
// Raised when the same checkpoint and options are rounded to other numbers than before: what an
// older program packed is then no longer what this one would.
inline constexpr int64_t kWeightRoundingVersion = 2;

// As HeldTensor, before there are bytes.
struct WeightDescription {
  std::string key;
  std::string form;
  std::string format;
  std::string order;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t bytes = 0;
  bool operator==(const WeightDescription&) const = default;
};
// Of the weights that the program of `graph` uses, in the graph's order.
Result<std::vector<WeightDescription>> describe_weights(const Graph& graph,
                                                        const WeightSource& source,
                                                        const CpuOptions& options);

// Calls take() once for each of describe_weights(), in that order, with bytes that are gone after
// it returns. The first error ends it.
Result<void> pack_weights(const Graph& graph, const WeightSource& source, const CpuOptions& options,
                          const std::function<Result<void>(std::span<const std::byte>)>& take);

}  // namespace autoglm
