// So much a minute: what may be taken at once is a minute's worth, and it comes back evenly. What
// is taken may be more than there was, when a request turned out longer than it was taken for; the
// next ones then wait longer. Arithmetic alone: times come from outside.
#pragma once

#include <algorithm>
#include <cstdint>

namespace autoglm::guard {

class TokenBucket {
 public:
  // Full.
  TokenBucket(int64_t per_minute, double now)
      : per_minute_(per_minute), level_(static_cast<double>(per_minute)), at_(now) {}

  int64_t per_minute() const { return per_minute_; }
  // A new limit: what has been taken stays taken.
  void set_per_minute(int64_t per_minute, double now) {
    level_ = level(now) + static_cast<double>(per_minute - per_minute_);
    at_ = now;
    per_minute_ = per_minute;
  }

  double level(double now) const {
    return std::min(static_cast<double>(per_minute_), level_ + (now - at_) * rate());
  }
  // `n` below 0 gives back.
  void take(double n, double now) {
    level_ = level(now) - n;
    at_ = now;
  }
  // Seconds until there are `n`; 0: there are. Never, if that is more than a minute's worth.
  double seconds_until(double n, double now) const {
    const double missing = n - level(now);
    if (missing <= 0) return 0;
    return rate() > 0 ? missing / rate() : kNever;
  }
  double seconds_until_full(double now) const {
    return seconds_until(static_cast<double>(per_minute_), now);
  }

  static constexpr double kNever = 1e9;

 private:
  double rate() const { return static_cast<double>(per_minute_) / 60.0; }

  int64_t per_minute_;
  double level_;
  double at_;
};

}  // namespace autoglm::guard
