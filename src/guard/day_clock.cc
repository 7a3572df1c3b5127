#include "guard/day_clock.h"

#include <date/tz.h>
#include <fmt/format.h>

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "base/visible_text.h"

namespace autoglm::guard {
namespace {

using std::chrono::seconds;

}  // namespace

struct DayClock::Zone {
  const date::time_zone* zone;

  // When the day begins. Where the clocks are put forward at midnight it begins late.
  int64_t begin(date::local_days day) const {
    return std::chrono::duration_cast<seconds>(
               zone->to_sys(day, date::choose::earliest).time_since_epoch())
        .count();
  }
};

Clocks Clocks::of_this_machine() {
  return {.system_seconds =
              [] {
                return std::chrono::duration_cast<seconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                    .count();
              },
          .steady_seconds =
              [] {
                return std::chrono::duration<double>(
                           std::chrono::steady_clock::now().time_since_epoch())
                    .count();
              }};
}

DayClock::DayClock(std::shared_ptr<const Zone> zone, Clocks clocks)
    : zone_(std::move(zone)),
      clocks_(std::move(clocks)),
      system_at_start_(clocks_.system_seconds()),
      steady_at_start_(clocks_.steady_seconds()) {}

Result<DayClock> DayClock::in(const std::string& zone, Clocks clocks) {
  try {
    return DayClock(std::make_shared<const Zone>(Zone{date::locate_zone(zone)}), std::move(clocks));
  } catch (const std::runtime_error&) {
    return Error{ErrorCode::kInvalidArgument, "not a time zone that this machine knows", "timezone",
                 "a name of the IANA's, such as UTC or Asia/Shanghai (Debian: package tzdata)",
                 visible(std::string_view(zone).substr(0, 100))};
  }
}

int64_t DayClock::now() const {
  return system_at_start_ + static_cast<int64_t>(clocks_.steady_seconds() - steady_at_start_);
}

DayClock::Day DayClock::day(int64_t moment) const {
  const auto local = zone_->zone->to_local(date::sys_seconds(seconds(moment)));
  const auto today = date::floor<date::days>(local);
  return {.date = date::format("%F", today),
          .begin = zone_->begin(today),
          .end = zone_->begin(today + date::days(1))};
}

Result<int64_t> DayClock::begin_of(const std::string& text) const {
  std::istringstream in(text);
  date::local_days day;
  in >> date::parse("%F", day);
  if (!in.fail() && in.peek() == std::istringstream::traits_type::eof()) return zone_->begin(day);
  return Error{ErrorCode::kInvalidArgument, "not a date", "", "2026-11-30",
               visible(std::string_view(text).substr(0, 100))};
}

}  // namespace autoglm::guard
