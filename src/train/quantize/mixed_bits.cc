#include "train/quantize/mixed_bits.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <numeric>

#include "train/quantize/row_codes.h"
#include "train/quantize/sampled_rows.h"

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

double squared_error(std::span<const float> row, const RowCodes& codes) {
  std::vector<float> decoded(row.size());
  codes.decode(decoded);
  double sum = 0;
  for (size_t i = 0; i < row.size(); ++i) sum += std::pow(double{row[i]} - decoded[i], 2);
  return sum;
}

}  // namespace

double layer_bits(const Targets& targets) { return layer_size(targets).bits(); }

Result<std::vector<double>> weight_sensitivity(const Targets& targets, const FoldedWeights& weights,
                                               ThreadPool& pool) {
  std::vector<double> sensitivity(targets.groups.size());
  for (size_t g = 0; g < targets.groups.size(); ++g) {
    for (const size_t i : targets.groups[g].targets) {
      const Target& target = targets.matrices[i];
      const SampledRows sample = AGLM_TRY(SampledRows::read(target, weights));
      std::vector<double> gain(sample.size());
      std::vector<double> energy(sample.size());
      pool.parallel_for(static_cast<int64_t>(sample.size()), 1, [&](int64_t begin, int64_t end) {
        for (auto r = static_cast<size_t>(begin); r < static_cast<size_t>(end); ++r) {
          const std::span<const float> row = sample.row(r);
          gain[r] =
              squared_error(row, choose_int4(row, {})) - squared_error(row, choose_int8(row, {}));
          energy[r] = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
        }
      });
      const double total = std::reduce(energy.begin(), energy.end());
      if (total > 0) sensitivity[g] += std::reduce(gain.begin(), gain.end()) / total;
    }
  }
  return sensitivity;
}

void raise_bits(Targets& targets, std::span<const double> sensitivity, double bits) {
  struct Choice {
    int group = 0;
    double ratio = 0;
  };
  std::vector<Choice> choices;
  const auto bytes_of = [&](const TargetGroup& group) {
    int64_t bytes = 0;
    for (const size_t i : group.targets) bytes += targets.matrices[i].stored_bytes();
    return bytes;
  };
  for (int g = 0; g < static_cast<int>(targets.groups.size()); ++g) {
    const TargetGroup& group = targets.groups[static_cast<size_t>(g)];
    const int64_t before = bytes_of(group);
    set_bits(targets, g, 8);
    const int64_t more = bytes_of(group) - before;
    set_bits(targets, g, 4);
    if (more <= 0) continue;
    choices.push_back({g, sensitivity[static_cast<size_t>(g)] / static_cast<double>(more)});
  }
  std::ranges::stable_sort(choices, std::ranges::greater{}, &Choice::ratio);
  for (const Choice& choice : choices) {
    set_bits(targets, choice.group, 8);
    if (layer_bits(targets) > bits) set_bits(targets, choice.group, 4);
  }
}

}  // namespace autoglm
