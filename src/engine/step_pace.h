// How long a step takes by its rows, learnt from the steps themselves, and how many rows a step may
// have to stay within a time. A straight line: reading the weights costs the same whatever the
// rows, and each row costs its products. What contexts and other programs change, it follows,
// because old steps count less and less.
#pragma once

#include <cstdint>

namespace autoglm {

class StepPace {
 public:
  void add(int64_t rows, double seconds);
  bool known() const { return weight_ > 0; }
  // 0 while nothing is known.
  double seconds(double rows) const { return base_ + per_row_ * rows; }
  // The most rows that stay within `seconds`, at least 1; INT32_MAX while nothing is known.
  int32_t rows_within(double seconds) const;

 private:
  // Sums over steps, each later one weighing more.
  double weight_ = 0, rows_ = 0, seconds_ = 0, rows_squared_ = 0, rows_seconds_ = 0;
  double base_ = 0, per_row_ = 0;
};

}  // namespace autoglm
