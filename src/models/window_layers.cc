#include "models/window_layers.h"

#include <fmt/format.h>

#include "models/blocks.h"

namespace autoglm {
namespace {

// Of transformers' configuration classes for Qwen2 and Qwen3.
constexpr int64_t kDefaultWindow = 4096;
constexpr int64_t kDefaultFirst = 28;

}  // namespace

Result<std::vector<int64_t>> read_windows(ConfigReader& config, int64_t n_layers, WindowRule rule) {
  const bool enabled = AGLM_TRY(config.boolean_or("use_sliding_window", false));
  // Left in place by files that don't enable it. null says "no window".
  const int64_t otherwise = config.present("sliding_window") ? 0 : kDefaultWindow;
  const int64_t stated = AGLM_TRY(config.integer_or("sliding_window", otherwise, 0, kMostContext));
  const int64_t window = enabled ? stated : 0;
  const int64_t first =
      AGLM_TRY(config.integer_or("max_window_layers", kDefaultFirst, 0, kMostContext));
  std::vector<int64_t> windows(static_cast<size_t>(n_layers));
  if (!config.has("layer_types")) {
    for (int64_t i = 0; i < n_layers; ++i) {
      const bool slides = rule == WindowRule::kFromFirst ? i >= first : i < first && i % 2 == 0;
      if (slides) windows[static_cast<size_t>(i)] = window;
    }
    return windows;
  }
  const std::vector<std::string> types =
      AGLM_TRY(config.strings("layer_types", static_cast<size_t>(kMostLayers)));
  if (types.size() != windows.size()) {
    return config.wrong("layer_types", "list has the wrong length",
                        fmt::format("{} layers", n_layers));
  }
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i] == "full_attention") continue;
    if (types[i] != "sliding_attention" || window == 0) {
      return config.wrong("layer_types", fmt::format("layer {} is {}", i, types[i]),
                          "full_attention, or sliding_attention with a sliding_window in use");
    }
    windows[i] = window;
  }
  return windows;
}

}  // namespace autoglm
