#include "base/check.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/visible_text.h"

namespace autoglm {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "%s:%d: check failed: %s: %s\n", file, line, condition,
               visible(message).c_str());
  std::abort();
}

// The file's name alone: clients see it, and where the program was built is no affair of theirs.
Error internal_error(std::string_view message, std::string_view file, int line) {
  return {.code = ErrorCode::kInternal,
          .what = fmt::format("internal error: {}", message),
          .where = fmt::format("{}:{}", std::filesystem::path(file).filename().string(), line)};
}

}  // namespace autoglm
