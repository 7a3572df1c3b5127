// One logger for the program: spdlog to stderr, so that standard output stays for answers.
// Never log a prompt, an answer or a key (promise 3): log sizes, ids and times.
#pragma once

#include <spdlog/spdlog.h>

#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

// level: trace, debug, info, warn, error, off. format: text or json (one object a line).
Result<void> configure_log(std::string_view level, std::string_view format);

}  // namespace autoglm
