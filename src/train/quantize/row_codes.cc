#include "train/quantize/row_codes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "kernels/rows/row_kernels.h"

namespace autoglm {
namespace {

constexpr size_t kColumns = ProgressiveGroup::kColumns;
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
  GroupSearch(std::span<const float> x, std::span<const float> importance, int bits)
      : size_((x.size() + kLanes - 1) / kLanes * kLanes),
        top_(static_cast<float>(Progressive{.bits = bits}.largest_code())),
        most_(static_cast<float>(Progressive{.bits = bits}.largest_scale())) {
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
    const float middle = 0.5f * (least + greatest);
    const float ideal = (greatest - least) / top_;
    bits >= 4 ? search_all(ideal, middle) : search_from_some(ideal, middle);
  }

  float error() const { return error_; }
  float scale() const { return scale_; }
  float offset() const { return offset_; }

  void write(std::span<ProgressiveGroup> alike) const {
    for (size_t g = 0; g < alike.size(); ++g) {
      alike[g] = {.scale = static_cast<uint8_t>(scale_), .offset = static_cast<int8_t>(offset_)};
      for (size_t i = 0; i < kColumns; ++i) {
        const float x = x_[g * kColumns + i];
        alike[g].codes[i] = static_cast<uint8_t>(code(x, 1 / scale_, offset_));
      }
    }
  }

 private:
  // Of 4 and 5 bits there are few scales. One below the ideal clips the extremes and codes the rest
  // finer.
  void search_all(float ideal, float middle) {
    const float last = std::clamp(std::ceil(ideal), 1.0f, most_);
    for (float s = std::clamp(std::floor(ideal * 0.7f), 1.0f, most_); s <= last; ++s) {
      // Offsets a quarter of a step apart: each leads to a local optimum of its own.
      for (int quarter = -4; quarter <= 4; ++quarter) {
        const float moved = static_cast<float>(quarter) * 0.25f * s;
        try_offset(s, middle - 0.5f * top_ * s + moved);
      }
    }
  }

  // Of fewer bits there are up to 84, and the fewer codes, the more clipping is worth: a search
  // from some scales and offsets.
  void search_from_some(float ideal, float middle) {
    for (const float share : {0.45f, 0.55f, 0.65f, 0.75f, 0.9f}) {
      const float s = std::clamp(rounded(ideal * share), 1.0f, most_);
      for (const float quarter : {-2.0f, 0.0f, 2.0f}) {
        try_fit(s, middle - 0.5f * top_ * s + quarter * 0.25f * s);
      }
    }
  }

  float code(float x, float inverse, float offset) const {
    return std::min(top_, std::max(0.0f, rounded((x - offset) * inverse)));
  }

  // Offsets for which both ends of the bracket are int8.
  float allowed(float offset, float scale) const {
    return std::clamp(rounded(offset), -kMaxBracket, kMaxBracket - top_ * scale);
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
          const float rest = x - scale * code(x, inverse, offset);
          const float weighted = importance_[i + lane] * (rest - offset);
          squares[lane] += weighted * (rest - offset);
          rests[lane] += importance_[i + lane] * rest;
        }
      }
      keep(sum(squares), scale, offset);
      const float moved = allowed(sum(rests) / total_importance_, scale);
      if (moved == offset) break;
      offset = moved;
    }
  }

  // From a first scale and offset, moved to those that fit the codes best until they stay.
  void try_fit(float scale, float wished) {
    float offset = allowed(wished, scale);
    for (int round = 0; round < 4; ++round) {
      const float inverse = 1 / scale;
      Lanes squares{}, xs{}, codes{}, code_squares{}, products{};
      for (size_t i = 0; i < size_; i += kLanes) {
        for (size_t lane = 0; lane < kLanes; ++lane) {
          const float x = x_[i + lane];
          const float h = importance_[i + lane];
          const float c = code(x, inverse, offset);
          const float rest = x - scale * c - offset;
          squares[lane] += h * rest * rest;
          xs[lane] += h * x;
          codes[lane] += h * c;
          code_squares[lane] += h * c * c;
          products[lane] += h * c * x;
        }
      }
      keep(sum(squares), scale, offset);
      const float total = total_importance_;
      const float spread = total * sum(code_squares) - sum(codes) * sum(codes);
      if (!(spread > 0)) return;
      const float fit = (total * sum(products) - sum(codes) * sum(xs)) / spread;
      const float next = std::clamp(rounded(std::min(fit, most_)), 1.0f, most_);
      const float moved = allowed((sum(xs) - next * sum(codes)) / total, next);
      if (next == scale && moved == offset) return;
      scale = next;
      offset = moved;
    }
  }

  void keep(float error, float scale, float offset) {
    if (!(error < error_)) return;
    error_ = error;
    scale_ = scale;
    offset_ = offset;
  }

  size_t size_;
  float top_;   // the largest code
  float most_;  // the largest scale
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
                  std::span<const ProgressiveGroup> alike) {
  float error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const ProgressiveGroup& group = alike[i / kColumns];
    const float rest =
        x[i] - static_cast<float>(group.scale * group.codes[i % kColumns] + group.offset);
    error += (importance.empty() ? 1.0f : importance[i]) * rest * rest;
  }
  return error;
}

enum class Effort : uint8_t { kQuick, kThorough };

// The groups for one channel scale. Gives up, with an error above `most`, as soon as it is above.
double search_groups(std::span<const float> row, std::span<const float> importance, float scale,
                     Progressive form, double most, Effort effort,
                     std::span<ProgressiveGroup> groups) {
  double error = 0;
  std::array<float, kLargest> x{};
  const float inverse = 1 / scale;
  const auto quick = row_kernels(best_isa()).choose_group;
  const auto group_size = static_cast<size_t>(form.group_size);
  for (size_t begin = 0; begin < row.size(); begin += group_size) {
    const size_t n = std::min(group_size, row.size() - begin);
    const std::span<ProgressiveGroup> alike =
        groups.subspan(begin / kColumns, (n + kColumns - 1) / kColumns);
    for (size_t i = 0; i < n; ++i) {
      x[i] = std::clamp(row[begin + i] * inverse, -4 * kMaxBracket, 4 * kMaxBracket);
    }
    const std::span<const float> known = std::span<const float>(x).first(n);
    const std::span<const float> weights = part(importance, begin, n);
    if (effort == Effort::kThorough) {
      const GroupSearch search(known, weights, form.bits);
      search.write(alike);
      error += double{search.error()} * scale * scale;
    } else {
      for (size_t i = n; i < alike.size() * kColumns; ++i) x[i] = x[n - 1];
      quick(x.data(), form.bits, alike);
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
      const ProgressiveGroup& group = groups[i / kColumns];
      bracket = group.scale * group.codes[i % kColumns] + group.offset;
    }
    out[i] = static_cast<float>(bracket) * channel_scale;
  }
}

int group_code(const ProgressiveGroup& group, int bits, float x) {
  const float code =
      rounded((x - static_cast<float>(group.offset)) / static_cast<float>(group.scale));
  return static_cast<int>(std::clamp(code, 0.0f, static_cast<float>((1 << bits) - 1)));
}

void choose_group(std::span<const float> x, std::span<const float> importance, int bits,
                  std::span<ProgressiveGroup> alike) {
  GroupSearch(x, importance, bits).write(alike);
}

RowCodes choose_codes(std::span<const float> row, std::span<const float> importance,
                      Precision precision) {
  return precision.bits == 8 ? choose_int8(row, importance)
                             : choose_progressive(row, importance, precision.form());
}

RowCodes choose_progressive(std::span<const float> row, std::span<const float> importance,
                            Progressive form) {
  RowCodes best;
  best.groups.resize((row.size() + kColumns - 1) / kColumns);
  const float full = largest_of(row) / kMaxBracket;
  if (!usable(full) || !usable(full * 0.4f)) return best;
  // A smaller channel scale gives groups finer scales of their own, until the largest weights are
  // cut off. Which is best shows with the kernels' quick choice already.
  double error = HUGE_VAL;
  std::vector<ProgressiveGroup> groups(best.groups.size());
  const auto attempt = [&](float scale, Effort effort) {
    const double found = search_groups(row, importance, scale, form, error, effort, groups);
    if (found >= error) return false;
    error = found;
    best.channel_scale = scale;
    best.groups.swap(groups);
    return true;
  };
  // Fewer bits have finer scales of groups, and hardly notice this one.
  const int step = form.bits >= 4 ? 1 : 2;
  for (int i = 0; i < 14; i += step) {
    attempt(full * (1.1f - 0.05f * static_cast<float>(i)), Effort::kQuick);
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
