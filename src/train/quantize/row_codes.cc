#include "train/quantize/row_codes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr size_t kColumns = Int4Group::kColumns;
constexpr size_t kLargest = 128;  // columns of a group
constexpr size_t kLanes = 8;      // sums are kept apart, so that compilers may use vectors
constexpr float kMaxBracket = 127;

using Lanes = std::array<float, kLanes>;

float sum(const Lanes& lanes) {
  float total = 0;
  for (const float lane : lanes) total += lane;
  return total;
}

// To nearest even, for |x| below 2^22, in a form that compilers vectorise.
float rounded(float x) { return (x + 12582912.0f) - 12582912.0f; }

// Search for one group's scale and offset, weights and importance padded with zeros.
class GroupSearch {
 public:
  GroupSearch(std::span<const float> x, std::span<const float> importance)
      : size_((x.size() + kLanes - 1) / kLanes * kLanes) {
    float least = x[0];
    float greatest = x[0];
    for (size_t i = 0; i < x.size(); ++i) {
      x_[i] = x[i];
      importance_[i] = importance.empty() ? 1.0f : importance[i];
      least = std::min(least, x[i]);
      greatest = std::max(greatest, x[i]);
    }
    total_importance_ = 0;
    for (const float h : importance_) total_importance_ += h;
    if (!(total_importance_ > 0)) {  // nothing is known of them: alike
      for (size_t i = 0; i < x.size(); ++i) importance_[i] = 1;
      total_importance_ = static_cast<float>(x.size());
    }
    least = std::max(least, -2 * kMaxBracket);
    greatest = std::min(greatest, 2 * kMaxBracket);
    const float ideal = (greatest - least) / 15.0f;
    // A narrower scale clips the extremes and codes the rest finer.
    const int first = std::clamp(static_cast<int>(std::floor(ideal * 0.7f)), 1, 16);
    const int last = std::clamp(static_cast<int>(std::ceil(ideal)), 1, 16);
    for (int scale = first; scale <= last; ++scale) {
      const auto s = static_cast<float>(scale);
      // Offsets a quarter of a step apart: each leads to a local optimum of its own.
      for (int quarter = -4; quarter <= 4; ++quarter) {
        const float moved = static_cast<float>(quarter) * 0.25f * s;
        try_offset(s, 0.5f * (least + greatest) - 7.5f * s + moved);
      }
    }
  }

  float error() const { return error_; }
  float scale() const { return scale_; }
  float offset() const { return offset_; }

  void write(std::span<Int4Group> alike) const {
    for (size_t g = 0; g < alike.size(); ++g) {
      alike[g] = {.scale = static_cast<uint8_t>(scale_), .offset = static_cast<int8_t>(offset_)};
      for (size_t i = 0; i < kColumns; ++i) {
        const float x = x_[g * kColumns + i];
        alike[g].codes[i] = static_cast<uint8_t>(code(x, scale_, 1 / scale_, offset_));
      }
    }
  }

 private:
  static float code(float x, float, float inverse, float offset) {
    return std::min(15.0f, std::max(0.0f, rounded((x - offset) * inverse)));
  }

  // Offsets for which both ends of the bracket are int8.
  static float allowed(float offset, float scale) {
    return std::clamp(rounded(offset), -kMaxBracket, kMaxBracket - 15 * scale);
  }

  // From a first offset, moved to the weighted mean of what the codes leave until it stays.
  void try_offset(float scale, float wished) {
    const float inverse = 1 / scale;
    float offset = allowed(wished, scale);
    for (int round = 0; round < 2; ++round) {
      Lanes squares{};
      Lanes rests{};
      for (size_t i = 0; i < size_; i += kLanes) {
        for (size_t lane = 0; lane < kLanes; ++lane) {
          const float x = x_[i + lane];
          const float rest = x - scale * code(x, scale, inverse, offset);
          const float weighted = importance_[i + lane] * (rest - offset);
          squares[lane] += weighted * (rest - offset);
          rests[lane] += importance_[i + lane] * rest;
        }
      }
      const float error = sum(squares);
      if (error < error_) {
        error_ = error;
        scale_ = scale;
        offset_ = offset;
      }
      const float moved = allowed(sum(rests) / total_importance_, scale);
      if (moved == offset) break;
      offset = moved;
    }
  }

  size_t size_;
  std::array<float, kLargest> x_{};
  std::array<float, kLargest> importance_{};
  float total_importance_ = 0;
  float error_ = HUGE_VALF;
  float scale_ = 1;
  float offset_ = 0;
};

std::span<const float> part(std::span<const float> all, size_t begin, size_t n) {
  return all.empty() ? all : all.subspan(begin, n);
}

float largest_of(std::span<const float> row) {
  float largest = 0;
  for (const float w : row) {
    AGLM_DCHECK(std::isfinite(w), "weight {} to quantize", w);
    largest = std::max(largest, std::abs(w));
  }
  return largest;
}

bool usable(float scale) { return scale > 0 && std::isfinite(1 / scale); }

// What one group loses, weights over the channel scale.
float group_error(std::span<const float> x, std::span<const float> importance,
                  std::span<const Int4Group> alike) {
  float error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const Int4Group& group = alike[i / kColumns];
    const float rest =
        x[i] - static_cast<float>(group.scale * group.codes[i % kColumns] + group.offset);
    error += (importance.empty() ? 1.0f : importance[i]) * rest * rest;
  }
  return error;
}

enum class Effort : uint8_t { kQuick, kThorough };

// The groups for one channel scale. Gives up, with an error above `most`, as soon as it is above.
double search_groups(std::span<const float> row, std::span<const float> importance, float scale,
                     size_t group_size, double most, Effort effort, std::span<Int4Group> groups) {
  double error = 0;
  std::array<float, kLargest> x{};
  const float inverse = 1 / scale;
  const auto quick = row_kernels(best_isa()).choose_int4;
  for (size_t begin = 0; begin < row.size(); begin += group_size) {
    const size_t n = std::min(group_size, row.size() - begin);
    const std::span<Int4Group> alike =
        groups.subspan(begin / kColumns, (n + kColumns - 1) / kColumns);
    for (size_t i = 0; i < n; ++i) {
      x[i] = std::clamp(row[begin + i] * inverse, -2 * kMaxBracket, 2 * kMaxBracket);
    }
    const std::span<const float> known = std::span<const float>(x).first(n);
    const std::span<const float> weights = part(importance, begin, n);
    if (effort == Effort::kThorough) {
      const GroupSearch search(known, weights);
      search.write(alike);
      error += double{search.error()} * scale * scale;
    } else {
      for (size_t i = n; i < alike.size() * kColumns; ++i) x[i] = x[n - 1];
      quick(x.data(), alike);
      error += double{group_error(known, weights, alike)} * scale * scale;
    }
    if (error >= most) return error;
  }
  return error;
}

// The least squares channel scale for brackets that are fixed.
float refitted(std::span<const float> row, std::span<const float> importance,
               const RowCodes& codes) {
  RowCodes unit = codes;
  unit.channel_scale = 1;
  std::vector<float> bracket(row.size());
  unit.decode(bracket);
  double products = 0;
  double squares = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const double h = importance.empty() ? 1.0 : importance[i];
    products += h * row[i] * bracket[i];
    squares += h * bracket[i] * bracket[i];
  }
  const auto scale = static_cast<float>(products / squares);
  return usable(scale) ? scale : codes.channel_scale;
}

double int8_error(std::span<const float> row, std::span<const float> importance, float scale) {
  const float inverse = 1 / scale;
  double error = 0;
  for (size_t i = 0; i < row.size(); ++i) {
    const float code = std::clamp(rounded(row[i] * inverse), -kMaxBracket, kMaxBracket);
    const double rest = row[i] - code * scale;
    error += (importance.empty() ? 1.0 : double{importance[i]}) * rest * rest;
  }
  return error;
}

}  // namespace

void RowCodes::decode(std::span<float> out) const {
  for (size_t i = 0; i < out.size(); ++i) {
    int bracket = 0;
    if (groups.empty()) {
      bracket = values[i];
    } else {
      const Int4Group& group = groups[i / kColumns];
      bracket = group.scale * group.codes[i % kColumns] + group.offset;
    }
    out[i] = static_cast<float>(bracket) * channel_scale;
  }
}

int int4_code(const Int4Group& group, float x) {
  const float code =
      rounded((x - static_cast<float>(group.offset)) / static_cast<float>(group.scale));
  return static_cast<int>(std::clamp(code, 0.0f, 15.0f));
}

void choose_int4_group(std::span<const float> x, std::span<const float> importance,
                       std::span<Int4Group> alike) {
  GroupSearch(x, importance).write(alike);
}

RowCodes choose_codes(std::span<const float> row, std::span<const float> importance,
                      Precision precision) {
  return precision.bits == 8 ? choose_int8(row, importance)
                             : choose_int4(row, importance, precision.group_size);
}

RowCodes choose_int4(std::span<const float> row, std::span<const float> importance,
                     int64_t group_size) {
  RowCodes best;
  best.groups.resize((row.size() + kColumns - 1) / kColumns);
  const float full = largest_of(row) / kMaxBracket;
  if (!usable(full) || !usable(full * 0.4f)) return best;
  // A smaller channel scale gives groups finer scales of their own, until the largest weights are
  // cut off. Which is best shows with the kernels' quick choice already.
  double error = HUGE_VAL;
  std::vector<Int4Group> groups(best.groups.size());
  const auto attempt = [&](float scale, Effort effort) {
    const double found = search_groups(row, importance, scale, static_cast<size_t>(group_size),
                                       error, effort, groups);
    if (found >= error) return false;
    error = found;
    best.channel_scale = scale;
    best.groups.swap(groups);
    return true;
  };
  for (int step = 0; step < 14; ++step) {
    attempt(full * (1.1f - 0.05f * static_cast<float>(step)), Effort::kQuick);
  }
  attempt(best.channel_scale, Effort::kThorough);
  for (int round = 0; round < 2; ++round) {
    if (!attempt(refitted(row, importance, best), Effort::kThorough)) break;
  }
  return best;
}

RowCodes choose_int8(std::span<const float> row, std::span<const float> importance) {
  RowCodes best;
  best.values.resize(row.size());
  const float full = largest_of(row) / kMaxBracket;
  if (!usable(full) || !usable(full * 0.5f)) return best;
  double error = HUGE_VAL;
  for (int step = 0; step < 20; ++step) {
    const float scale = full * (1.0f - 0.02f * static_cast<float>(step));
    const double found = int8_error(row, importance, scale);
    if (found >= error) continue;
    error = found;
    best.channel_scale = scale;
  }
  const float inverse = 1 / best.channel_scale;
  for (size_t i = 0; i < row.size(); ++i) {
    best.values[i] =
        static_cast<int8_t>(std::clamp(rounded(row[i] * inverse), -kMaxBracket, kMaxBracket));
  }
  return best;
}

}  // namespace autoglm
