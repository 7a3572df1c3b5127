// The version of the library and the program; CMakeLists.txt states the same, and a test compares
// them.
#pragma once

namespace autoglm {
inline constexpr const char* kVersion = "0.1.0";
}  // namespace autoglm
