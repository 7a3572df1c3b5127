#include "quant/grid.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "quant/half.h"

namespace autoglm {
namespace {

constexpr size_t kGroup = CodeRow::kGroup;

float as_half(float x) { return f16_to_f32(f32_to_f16(x)); }

// weight = scale * code - minimum for whole codes from `lowest` to `highest`.
struct Grid {
  float scale = 0;
  float minimum = 0;
  int lowest = 0;
  int highest = 0;

  int8_t code(float x) const {
    if (!(scale > 0) && !(scale < 0)) return 0;
    const float code = std::nearbyint((x + minimum) / scale);
    return static_cast<int8_t>(
        std::clamp(code, static_cast<float>(lowest), static_cast<float>(highest)));
  }
  // Largest distance of the group from it.
  float distance(std::span<const float> group) const {
    float most = 0;
    for (const float x : group) {
      most = std::max(most, std::abs(x - (scale * static_cast<float>(code(x)) - minimum)));
    }
    return most;
  }
};

float extreme(std::span<const float> group) {
  return *std::ranges::max_element(group, {}, [](float x) { return std::abs(x); });
}

// Of Q4_0 and Q5_0: the value farthest from zero has the lowest code.
Grid from_extreme(std::span<const float> group, int lowest) {
  return {.scale = as_half(extreme(group) / static_cast<float>(lowest)),
          .lowest = lowest,
          .highest = -lowest - 1};
}

// Of Q8_0.
Grid symmetric(std::span<const float> group) {
  return {.scale = as_half(std::abs(extreme(group)) / 127), .lowest = -127, .highest = 127};
}

// Of Q4_1 and Q5_1.
Grid from_ends(std::span<const float> group, int highest) {
  const auto [least, most] = std::ranges::minmax(group);
  return {.scale = as_half((most - least) / static_cast<float>(highest)),
          .minimum = -as_half(least),
          .highest = highest};
}

std::array<Grid, 2> grids(CodeKind kind, std::span<const float> group) {
  switch (kind) {
    case CodeKind::kSimple4: return {from_extreme(group, -8), from_extreme(group, -8)};
    case CodeKind::kSimple4Minimum: return {from_ends(group, 15), from_ends(group, 15)};
    case CodeKind::kSimple8: return {symmetric(group), from_extreme(group, -16)};
    default: return {from_ends(group, 31), from_ends(group, 31)};
  }
}

Grid nearest_grid(CodeKind kind, std::span<const float> group) {
  const auto [first, second] = grids(kind, group);
  return second.distance(group) < first.distance(group) ? second : first;
}

bool lies_on_grids(CodeKind kind, std::span<const float> row) {
  // Formats with a minimum are decoded with one rounding to f32.
  constexpr float kRounding = 0x1p-22f;
  for (size_t i = 0; i < row.size(); i += kGroup) {
    const std::span<const float> group = row.subspan(i, kGroup);
    if (!(nearest_grid(kind, group).distance(group) <= kRounding * std::abs(extreme(group)))) {
      return false;
    }
  }
  return true;
}

}  // namespace

CodeKind grid_kind(std::span<const float> row) {
  if (row.empty() || row.size() % kGroup != 0 ||
      !std::ranges::all_of(row, [](float x) { return std::isfinite(x); })) {
    return CodeKind::kNone;
  }
  for (const CodeKind kind : {CodeKind::kSimple4, CodeKind::kSimple4Minimum, CodeKind::kSimple8,
                              CodeKind::kSimple8Minimum}) {
    if (lies_on_grids(kind, row)) return kind;
  }
  return CodeKind::kNone;
}

void codes_on_grid(CodeKind kind, std::span<const float> row, CodeRow& out) {
  out.resize(kind, static_cast<int64_t>(row.size()));
  for (size_t i = 0; i < row.size(); i += kGroup) {
    const std::span<const float> group = row.subspan(i, kGroup);
    const Grid grid = nearest_grid(kind, group);
    out.scales[i / kGroup] = grid.scale;
    out.minima[i / kGroup] = grid.minimum;
    for (size_t j = 0; j < kGroup; ++j) out.codes[i + j] = grid.code(group[j]);
  }
}

}  // namespace autoglm
