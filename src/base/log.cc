#include "base/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>

namespace autoglm {

Result<void> configure_log(std::string_view level, std::string_view format) {
  const spdlog::level::level_enum parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off") {
    return Error{ErrorCode::kInvalidArgument, "unknown log level", "log_level",
                 "trace, debug, info, warn, error or off", std::string(level)};
  }
  if (format != "text" && format != "json") {
    return Error{ErrorCode::kInvalidArgument, "unknown log format", "log_format", "text or json",
                 std::string(format)};
  }
  auto logger = std::make_shared<spdlog::logger>(
      "autoglm", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(parsed);
  logger->flush_on(spdlog::level::info);
  // Messages are our own format strings with sizes and ids; untrusted text is escaped where it is
  // logged.
  logger->set_pattern(format == "json"
                          ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%v"})"
                          : "%H:%M:%S.%e %^%-5l%$ %v");
  spdlog::set_default_logger(std::move(logger));
  return {};
}

}  // namespace autoglm
