// One drafted row more at a time, to the sequence where it is most likely to be right.
#include "engine/speculation/pace.h"

#include <algorithm>

#include "base/check.h"

namespace autoglm {
namespace {

// A gain below this is less than the noise of what it is computed from.
constexpr double kLeastGain = 1.03;

}  // namespace

void StepCost::add(int32_t rows, double seconds) {
  AGLM_CHECK(rows > 0, "a step of {} rows", rows);
  if (by_rows_.size() <= static_cast<size_t>(rows)) by_rows_.resize(static_cast<size_t>(rows) + 1);
  ++steps_;
  Samples& samples = by_rows_[static_cast<size_t>(rows)];
  if (steps_ - samples.measured_at > kMemory) samples.n = 0;
  samples.last[static_cast<size_t>(samples.n++) % samples.last.size()] = seconds;
  samples.measured_at = steps_;
}

bool StepCost::known(int32_t rows) const {
  if (rows < 0 || static_cast<size_t>(rows) >= by_rows_.size()) return false;
  const Samples& samples = by_rows_[static_cast<size_t>(rows)];
  return samples.n > 0 && steps_ - samples.measured_at <= kMemory;
}

double StepCost::seconds(int32_t rows) const {
  const auto median = [&](int32_t of) {
    const Samples& samples = by_rows_[static_cast<size_t>(of)];
    std::array<double, 5> sorted = samples.last;
    const auto n = static_cast<size_t>(std::min<int64_t>(samples.n, std::ssize(sorted)));
    std::sort(sorted.begin(), sorted.begin() + n);
    return sorted[n / 2];
  };
  const auto end = static_cast<int32_t>(by_rows_.size());
  int32_t below = std::min(rows, end - 1);
  while (below > 0 && !known(below)) --below;
  if (below == rows && below > 0) return median(rows);
  int32_t above = rows + 1;
  while (above < end && !known(above)) ++above;
  if (above >= end) return below > 0 ? median(below) : 0.0;
  if (below <= 0) return median(above);
  const double share = static_cast<double>(rows - below) / (above - below);
  return median(below) + share * (median(above) - median(below));
}

void AcceptanceRate::add(bool accepted) {
  constexpr double kKept = 0.95;
  hits_ = kKept * hits_ + (accepted ? 1 : 0);
  trials_ = kKept * trials_ + 1;
}

void AcceptanceRate::forget() {
  // Half of it is gone after 140 steps.
  constexpr double kKept = 0.995;
  hits_ *= kKept;
  trials_ *= kKept;
}

std::vector<int32_t> choose_lengths(const StepCost& step, const StepCost& drafting,
                                    std::span<const DraftChance> chances, int32_t rows) {
  std::vector<int32_t> lengths(chances.size(), 0);
  const auto plain = static_cast<int32_t>(chances.size());
  if (plain == 0 || !step.known(plain)) return lengths;

  std::vector<int32_t> best = lengths;
  double best_speed = kLeastGain * plain / step.seconds(plain);
  double tokens = plain;
  double drafting_seconds = 0;
  std::vector<double> right;  // the chance that a sequence's next drafted token is right
  for (const DraftChance& chance : chances) right.push_back(chance.rate);
  std::vector<int32_t> in_round;  // rows of the draft model, round by round
  for (int32_t drafted = 1; drafted <= rows; ++drafted) {
    size_t next = chances.size();
    for (size_t i = 0; i < chances.size(); ++i) {
      if (lengths[i] >= chances[i].most) continue;
      if (next == chances.size() || right[i] > right[next]) next = i;
    }
    if (next == chances.size()) break;
    const auto round = static_cast<size_t>(lengths[next]++);
    tokens += right[next];
    right[next] *= chances[next].rate;
    if (chances[next].from_model) {
      if (in_round.size() <= round) in_round.resize(round + 1);
      if (in_round[round] > 0) drafting_seconds -= drafting.seconds(in_round[round]);
      drafting_seconds += drafting.seconds(++in_round[round]);
    }
    const double speed = tokens / (step.seconds(plain + drafted) + drafting_seconds);
    if (speed > best_speed) {
      best_speed = speed;
      best = lengths;
    }
  }
  return best;
}

std::vector<int32_t> longest_lengths(std::span<const DraftChance> chances, int32_t rows) {
  std::vector<int32_t> lengths(chances.size(), 0);
  for (bool dealt = true; dealt && rows > 0;) {
    dealt = false;
    for (size_t i = 0; i < chances.size() && rows > 0; ++i) {
      if (lengths[i] >= chances[i].most) continue;
      ++lengths[i];
      --rows;
      dealt = true;
    }
  }
  return lengths;
}

}  // namespace autoglm
