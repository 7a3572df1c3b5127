// Checks for our own faults. What they leave in doubt decides: where it is state that requests
// share, AGLM_CHECK prints the values and aborts; where it is one request's alone, internal_error()
// ends that request, and the others go on. The world's faults are Errors (autoglm/result.h).
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {
// Prints "file:line: condition: message" to stderr and aborts.
[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

// An error of kind kInternal. `message`: what is wrong, with its values. Whoever ends the request
// logs and counts it. The place is the caller's (std::source_location is missing from clang 14).
Error internal_error(std::string_view message, std::string_view file = __builtin_FILE(),
                     int line = __builtin_LINE());
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
