// Time as quotas and usage count it: seconds since the epoch that no step of the system's clock
// moves while the program runs, and the days of one time zone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "autoglm/result.h"

namespace autoglm::guard {

struct Clocks {
  std::function<int64_t()> system_seconds;  // since the epoch
  std::function<double()> steady_seconds;   // since some moment, never set
  static Clocks of_this_machine();
};

class DayClock {
 public:
  // `zone`: an IANA name, "UTC" or "Asia/Shanghai". The error says where the names are.
  static Result<DayClock> in(const std::string& zone, Clocks clocks = Clocks::of_this_machine());

  // The system's clock as it stood when this was made, and what has passed since.
  int64_t now() const;
  double steady() const { return clocks_.steady_seconds(); }

  // The day in the zone, "2026-11-30", that holds a moment, and when it begins and the next one.
  struct Day {
    std::string date;
    int64_t begin = 0;
    int64_t end = 0;
  };
  Day day(int64_t seconds) const;
  // When a day of that date begins. Errors: not a date.
  Result<int64_t> begin_of(const std::string& date) const;

 private:
  struct Zone;
  DayClock(std::shared_ptr<const Zone> zone, Clocks clocks);

  std::shared_ptr<const Zone> zone_;
  Clocks clocks_;
  int64_t system_at_start_;
  double steady_at_start_;
};

}  // namespace autoglm::guard
