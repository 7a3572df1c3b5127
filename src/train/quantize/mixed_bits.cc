#include "train/quantize/mixed_bits.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <numeric>

#include "train/quantize/row_codes.h"
#include "train/quantize/sampled_rows.h"
#include "train/quantize/turned.h"

namespace autoglm {
namespace {

struct Size {
  int64_t bytes = 0;
  int64_t elements = 0;
  double bits() const {
    return 8.0 * static_cast<double>(bytes) / static_cast<double>(std::max<int64_t>(1, elements));
  }
};

Size layer_size(const Targets& targets) {
  Size size;
  for (const Target& target : targets.matrices) {
    if (target.group < 0) continue;
    size.bytes += target.stored_bytes();
    size.elements += target.elements();
  }
  return size;
}

// What all layers would cost in one precision.
double layer_bits_in(Targets targets, Precision precision) {
  for (size_t g = 0; g < targets.groups.size(); ++g) set_precision(targets, g, precision);
  return layer_bits(targets);
}

bool is_plain(double bits) {
  return bits == 8 || (bits >= 2 && bits <= 5 && bits == std::floor(bits));
}

Result<void> check_group_size(double bits, int64_t group_size) {
  const auto refused = [&](std::string what, std::string expected) {
    return Error{ErrorCode::kInvalidArgument, std::move(what), "--group-size", std::move(expected),
                 fmt::format("{}", group_size)};
  };
  if (group_size == 0) return {};
  if (std::ranges::count(kProgressives, group_size, &Progressive::group_size) == 0) {
    return refused("groups have an unknown size", "32, 64 or 128");
  }
  if (bits == 8) return refused("8 bits have no groups", "none with --bits 8");
  const Progressive wanted{.bits = static_cast<int>(bits), .group_size = group_size};
  if (is_plain(bits) && std::ranges::count(kProgressives, wanted) == 0) {
    std::vector<int64_t> sizes;
    for (const Progressive& form : kProgressives) {
      if (form.bits == wanted.bits) sizes.push_back(form.group_size);
    }
    return refused("so few bits have no groups of this size",
                   fmt::format("{} with --bits {}", fmt::join(sizes, " or "), bits));
  }
  return {};
}

double squared_error(std::span<const float> row, const RowCodes& codes) {
  std::vector<float> decoded(row.size());
  codes.decode(decoded);
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += std::pow(double{row[i]} - decoded[i], 2);
  return sum;
}

}  // namespace

double layer_bits(const Targets& targets) { return layer_size(targets).bits(); }

Result<Ladder> ladder_for(const Targets& targets, double bits, int64_t group_size) {
  AGLM_TRY(check_group_size(bits, group_size));
  if (bits == 8) return Ladder{{}};
  if (is_plain(bits)) return Ladder{{static_cast<int>(bits), group_size == 0 ? 32 : group_size}};
  Ladder all;
  for (const Progressive& form : kProgressives) {
    if (group_size == 0 || form.group_size == group_size)
      all.push_back({form.bits, form.group_size});
  }
  std::ranges::sort(all, {}, &Precision::cost);
  all.emplace_back();
  std::vector<double> costs;
  for (const Precision& rung : all) costs.push_back(layer_bits_in(targets, rung));
  if (!(bits >= costs.front() && bits <= std::max(8.0, costs.back()))) {
    return Error{
        ErrorCode::kInvalidArgument, "bits are out of reach", "--bits",
        fmt::format("2, 3, 4, 5 or 8, or an average from {:.3f} to {:.3f} over these layers",
                    std::ceil(costs.front() * 1000) / 1000, std::max(8.0, costs.back())),
        fmt::format("{}", bits)};
  }
  // The most bits a code whose cheapest form is within the average; where groups of 32 are too, no
  // larger ones of so many bits.
  size_t first = 0;
  for (size_t i = 0; i < all.size() && costs[i] <= bits; ++i) {
    if (all[i].bits > all[first].bits || all[i].group_size == 32) first = i;
  }
  return Ladder(all.begin() + static_cast<int64_t>(first), all.end());
}

Result<std::vector<RungErrors>> weight_errors(const Targets& targets, const FoldedWeights& weights,
                                              const Ladder& ladder, ThreadPool& pool) {
  std::vector<RungErrors> errors(targets.groups.size(), RungErrors(ladder.size()));
  for (size_t g = 0; g < targets.groups.size(); ++g) {
    for (const size_t i : targets.groups[g].targets) {
      const Target& target = targets.matrices[i];
      const SampledRows sample = AGLM_TRY(SampledRows::read(target, weights));
      std::vector<double> lost(sample.size() * ladder.size());
      std::vector<double> energy(sample.size());
      pool.parallel_for(static_cast<int64_t>(sample.size()), 1, [&](int64_t begin, int64_t end) {
        for (auto r = static_cast<size_t>(begin); r < static_cast<size_t>(end); ++r) {
          std::vector<float> row(sample.row(r).begin(), sample.row(r).end());
          turn_weights(row);
          for (size_t rung = 0; rung < ladder.size(); ++rung) {
            lost[rung * sample.size() + r] =
                squared_error(row, choose_codes(row, {}, ladder[rung]));
          }
          energy[r] = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
        }
      });
      const double total = std::reduce(energy.begin(), energy.end());
      if (!(total > 0)) continue;
      for (size_t rung = 0; rung < ladder.size(); ++rung) {
        const auto first = lost.begin() + static_cast<int64_t>(rung * sample.size());
        errors[g][rung] += std::reduce(first, first + static_cast<int64_t>(sample.size())) / total;
      }
    }
  }
  return errors;
}

void raise_bits(Targets& targets, const Ladder& ladder, std::span<const RungErrors> errors,
                double bits) {
  // A step of one group to a higher rung, and what it costs.
  struct Step {
    size_t group = 0;
    size_t rung = 0;
    double ratio = 0;
  };
  std::vector<size_t> rungs(targets.groups.size());
  for (size_t g = 0; g < rungs.size(); ++g) set_precision(targets, g, ladder[0]);
  const auto bytes_at = [&](size_t g, size_t rung) {
    set_precision(targets, g, ladder[rung]);
    int64_t bytes = 0;
    for (const size_t i : targets.groups[g].targets) bytes += targets.matrices[i].stored_bytes();
    set_precision(targets, g, ladder[rungs[g]]);
    return bytes;
  };
  const auto better_steps = [&](size_t g, std::vector<Step>& steps) {
    const int64_t before = bytes_at(g, rungs[g]);
    for (size_t rung = rungs[g] + 1; rung < ladder.size(); ++rung) {
      const int64_t more = bytes_at(g, rung) - before;
      const double gain = errors[g][rungs[g]] - errors[g][rung];
      if (more > 0 && gain > 0) steps.push_back({g, rung, gain / static_cast<double>(more)});
    }
  };
  // The best step is taken when it fits, and forgotten when it does not; a step taken opens others.
  std::vector<Step> steps;
  for (size_t g = 0; g < rungs.size(); ++g) better_steps(g, steps);
  while (!steps.empty()) {
    const auto best = std::ranges::max_element(steps, {}, &Step::ratio);
    const Step step = *best;
    steps.erase(best);
    set_precision(targets, step.group, ladder[step.rung]);
    if (layer_bits(targets) > bits) {
      set_precision(targets, step.group, ladder[rungs[step.group]]);
      continue;
    }
    rungs[step.group] = step.rung;
    std::erase_if(steps, [&](const Step& other) { return other.group == step.group; });
    better_steps(step.group, steps);
  }
}

}  // namespace autoglm
