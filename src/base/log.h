// The project's own logger, on standard error, so that standard output stays for answers and a host
// program's logger stays its own. As a library it says warnings and errors until configure_log()
// is called. Never log a prompt, an answer or a key (promise 3): log sizes, ids and times.
//
// Any text may stand in a message: what would forge a line or move a cursor is escaped on the way
// out (base/visible_text.h), and with format json each line is one object, whatever it says.
#pragma once

#include <spdlog/spdlog.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

// From any thread.
std::shared_ptr<spdlog::logger> logger();

// level: trace, debug, info, warn, error, off. format: text or json (one object a line).
Result<void> configure_log(std::string_view level, std::string_view format);

// The same with another end, and what takes its place; both for tests and hosts of their own.
Result<std::shared_ptr<spdlog::logger>> make_logger(std::string_view level, std::string_view format,
                                                    spdlog::sink_ptr sink);
// Returns the one before.
std::shared_ptr<spdlog::logger> replace_logger(std::shared_ptr<spdlog::logger> logger);

// Every message of this process, of all loggers made here, goes through it before it is written.
// For as long as the process lives; the last one that was set counts. From any thread.
void set_log_filter(std::function<std::string(std::string_view)> filter);

// While a line is being drawn on the terminal, messages erase it first.
void set_line_is_drawn(bool drawn);

}  // namespace autoglm
