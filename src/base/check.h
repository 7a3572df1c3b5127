// Checks for our own faults: print the values and abort. The world's faults are Errors
// (autoglm/result.h).
#pragma once

#include <fmt/format.h>

#include <string>

namespace autoglm {
// Prints "file:line: condition: message" to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);
}  // namespace autoglm

// AGLM_CHECK(rows <= capacity, "{} rows, room for {}", rows, capacity);
#define AGLM_CHECK(condition, ...)                                                       \
  do {                                                                                   \
    if (!(condition)) [[unlikely]]                                                       \
      ::autoglm::check_failed(__FILE__, __LINE__, #condition, fmt::format(__VA_ARGS__)); \
  } while (false)

#ifdef NDEBUG
#define AGLM_DCHECK(condition, ...) \
  do {                              \
  } while (false)
#else
#define AGLM_DCHECK(condition, ...) AGLM_CHECK(condition, __VA_ARGS__)
#endif
