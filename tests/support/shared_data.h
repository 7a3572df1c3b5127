// Where tests find the third-party conformance data, which is not part of a user's checkout:
// $AUTOGLM_TEST_DATA, else ../shared/data beside the checkout. Tests skip, and say so, without it:
//   const auto path = shared_data("tokenizers/glm4"); if (!path) GTEST_SKIP() << kNoSharedData;
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "support/source_folder.h"

namespace autoglm {

inline constexpr std::string_view kNoSharedData =
    "conformance data not found: set AUTOGLM_TEST_DATA to its folder";

inline std::optional<std::string> shared_data(std::string_view relative) {
  const char* folder = std::getenv("AUTOGLM_TEST_DATA");
  const std::filesystem::path root =
      folder != nullptr ? folder : source_folder() + "/../shared/data";
  const std::filesystem::path path = root / relative;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return path.string();
}

// A file or folder that is part of the checkout.
inline std::string source_path(std::string_view relative) {
  return source_folder() + "/" + std::string(relative);
}

}  // namespace autoglm
