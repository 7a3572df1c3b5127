// config.yaml from arbitrary bytes: settings or an error.
#include "cli/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  autoglm::Settings settings;
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  if (!autoglm::apply_yaml(settings, yaml, "fuzz.yaml")) return 0;
  // What was accepted can be written and accepted again.
  autoglm::Settings again;
  if (!autoglm::apply_yaml(again, autoglm::to_yaml(settings), "again.yaml")) __builtin_trap();
  return 0;
}
