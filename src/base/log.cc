#include "base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "base/json_escape.h"
#include "base/visible_text.h"

namespace autoglm {
namespace {

std::atomic<bool> g_line_is_drawn = false;

using LogFilter = std::function<std::string(std::string_view)>;
// What was set before stays: another thread may be in it.
std::atomic<const LogFilter*> g_filter = nullptr;

std::string payload_of(const spdlog::details::log_msg& message) {
  const std::string_view text(message.payload.data(), message.payload.size());
  const LogFilter* filter = g_filter;
  return filter != nullptr ? (*filter)(text) : std::string(text);
}

void append(spdlog::memory_buf_t& out, std::string_view text) {
  out.append(text.data(), text.data() + text.size());
}

// The message, for people.
class PlainMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    append(out, visible(payload_of(message)));
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PlainMessage>();
  }
};

// The same as the inside of a JSON string. What visible() leaves is UTF-8 without control
// characters.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    std::string escaped;
    json::append_escaped(escaped, visible(payload_of(message)));
    append(out, escaped);
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonMessage>();
  }
};

class LineEraser final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& /*message*/, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    if (g_line_is_drawn) append(out, "\r\033[K");
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LineEraser>();
  }
};

std::unique_ptr<spdlog::formatter> formatter(bool as_json) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  if (as_json) {
    formatter->add_flag<JsonMessage>('*').set_pattern(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","message":"%*"})");
  } else {
    formatter->add_flag<PlainMessage>('*').add_flag<LineEraser>('&').set_pattern(
        "%&%H:%M:%S.%e %^%-5l%$ %*");
  }
  return formatter;
}

struct Current {
  std::mutex mutex;
  std::shared_ptr<spdlog::logger> logger =
      *make_logger("warn", "text", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
};

// Never destroyed: threads may log until the process has ended.
Current& current() {
  static auto* const current = new Current();
  return *current;
}

}  // namespace

Result<std::shared_ptr<spdlog::logger>> make_logger(std::string_view level, std::string_view format,
                                                    spdlog::sink_ptr sink) {
  const spdlog::level::level_enum parsed = spdlog::level::from_str(std::string(level));
  if (parsed == spdlog::level::off && level != "off") {
    return Error{ErrorCode::kInvalidArgument, "unknown log level", "log_level",
                 "trace, debug, info, warn, error or off", std::string(level)};
  }
  if (format != "text" && format != "json") {
    return Error{ErrorCode::kInvalidArgument, "unknown log format", "log_format", "text or json",
                 std::string(format)};
  }
  auto made = std::make_shared<spdlog::logger>("autoglm", std::move(sink));
  made->set_level(parsed);
  made->flush_on(spdlog::level::info);
  made->set_formatter(formatter(format == "json"));
  return made;
}

std::shared_ptr<spdlog::logger> logger() {
  Current& now = current();
  const std::lock_guard lock(now.mutex);
  return now.logger;
}

std::shared_ptr<spdlog::logger> replace_logger(std::shared_ptr<spdlog::logger> logger) {
  Current& now = current();
  const std::lock_guard lock(now.mutex);
  return std::exchange(now.logger, std::move(logger));
}

Result<void> configure_log(std::string_view level, std::string_view format) {
  auto made =
      AGLM_TRY(make_logger(level, format, std::make_shared<spdlog::sinks::stderr_color_sink_mt>()));
  replace_logger(std::move(made));
  return {};
}

void set_log_filter(std::function<std::string(std::string_view)> filter) {
  static std::mutex mutex;
  static auto* const filters = new std::vector<std::unique_ptr<const LogFilter>>();
  const std::lock_guard lock(mutex);
  filters->push_back(filter ? std::make_unique<const LogFilter>(std::move(filter)) : nullptr);
  g_filter = filters->back().get();
}

void set_line_is_drawn(bool drawn) { g_line_is_drawn = drawn; }

}  // namespace autoglm
