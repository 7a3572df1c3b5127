// The version of the library and the program. CMakeLists.txt states the same; tools/tidy.py
// compares them.
#pragma once

#pragma GCC visibility push(default)
namespace autoglm {

inline constexpr const char* kVersion = "0.1.0";

// Of the library that runs; kVersion is that of the headers.
const char* version();

}  // namespace autoglm
#pragma GCC visibility pop
