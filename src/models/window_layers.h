// Which layers of a Qwen model see only a sliding window: `layer_types` of newer configurations, or
// all from `max_window_layers` on.
#pragma once

#include <cstdint>
#include <vector>

#include "autoglm/result.h"
#include "models/config_reader.h"

namespace autoglm {

// Where no layer_types say which.
enum class WindowRule : uint8_t {
  kFromFirst,    // all layers from max_window_layers on
  kEverySecond,  // every second layer from the first on, below max_window_layers
};

// For each layer its window, 0 for none.
Result<std::vector<int64_t>> read_windows(ConfigReader& config, int64_t n_layers,
                                          WindowRule rule = WindowRule::kFromFirst);

}  // namespace autoglm
