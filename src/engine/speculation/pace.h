// How far to draft: what a step costs by its rows, how often drafts are right, and from both the
// lengths that give the most tokens a second, which may be none (docs/decisions/0051). All of it
// only changes when tokens come, never which.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace autoglm {

// Measured seconds of a step by the number of its rows. Measurements grow old and are then made
// again, because contexts grow and machines get busy.
class StepCost {
 public:
  void add(int32_t rows, double seconds);
  bool known(int32_t rows) const;
  // The median of the last measurements. Between measured numbers of rows a straight line, above
  // the largest as much as it: what was never tried is thought well of, and so tried. 0: nothing
  // was measured.
  double seconds(int32_t rows) const;

 private:
  static constexpr int64_t kMemory = 256;  // steps
  struct Samples {
    std::array<double, 5> last{};  // a median of 5: two slow ones in a row do no harm
    int64_t n = 0;
    int64_t measured_at = 0;
  };
  std::vector<Samples> by_rows_;
  int64_t steps_ = 0;
};

// The share of drafted tokens that are right, given that those before them were, over the last 20
// or so.
class AcceptanceRate {
 public:
  void add(bool accepted);
  // One step without news: what was learnt weighs less.
  void forget();
  // `prior` counts as two trials.
  double rate(double prior) const { return (hits_ + 2 * prior) / (trials_ + 2); }

 private:
  double hits_ = 0;
  double trials_ = 0;
};

// A sequence that decodes.
struct DraftChance {
  double rate = 0;
  int32_t most = 0;         // drafted tokens
  bool from_model = false;  // each costs a row of the draft model
};

// Drafted tokens for each of `chances` that promise the most tokens a second; at most `rows` in
// all. Without knowledge of a plain step, none: that step then is the measurement.
std::vector<int32_t> choose_lengths(const StepCost& step, const StepCost& drafting,
                                    std::span<const DraftChance> chances, int32_t rows);

// The same without weighing: as many as there is room for, dealt out in turn.
std::vector<int32_t> longest_lengths(std::span<const DraftChance> chances, int32_t rows);

}  // namespace autoglm
