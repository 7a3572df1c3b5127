#include "kernels/linear/packed_weight.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/round_up.h"
#include "kernels/linear/code_panels.h"
#include "kernels/linear/layout.h"
#include "kernels/linear/progressive.h"
#include "kernels/linear/quantized_rows.h"
#include "kernels/rows/row_kernels.h"
#include "kernels/simd/half.h"
#include "tensor/rotation.h"

namespace autoglm {
namespace {

constexpr int64_t kRows = PackedWeight::kPanelRows;
layout::ProgressivePanel progressive_panel(WeightFormat format, int64_t k) {
  return {.form = progressive_form(format), .n_blocks = QuantizedRows::padded(k) / 64};
}

int64_t bytes_of_panel(WeightFormat format, int64_t k) {
  const int64_t padded = QuantizedRows::padded(k);
  if (progressive_form(format).exists()) return progressive_panel(format, k).bytes();
  switch (format) {
    case WeightFormat::kF32: return round_up(k * kRows * 4, 64);
    case WeightFormat::kF16: return round_up(k * kRows * 2, 64);
    case WeightFormat::kBF16: return round_up(k, 32) * kRows * 2;
    case WeightFormat::kInt8: return padded * kRows;
    default: return code_panel_bytes(code_form(format), padded);
  }
}

int64_t panels_of_member(const PackShape& shape) {
  const int64_t n = shape.member_rows();
  if (shape.order == PackOrder::kGateUp) return 2 * ((n / 2 + kRows - 1) / kRows);
  return (n + kRows - 1) / kRows;
}

// Where a row lies: its panel and its place in that.
struct PanelRow {
  int64_t panel = 0;
  int64_t lane = 0;
};

PanelRow place_of(const PackShape& shape, int64_t row) {
  const int64_t member = row / shape.member_rows();
  const int64_t first = member * panels_of_member(shape);
  row -= member * shape.member_rows();
  if (shape.order == PackOrder::kPlain) return {first + row / kRows, row % kRows};
  const int64_t half = shape.member_rows() / 2;
  const bool up = row >= half;
  const int64_t in_half = up ? row - half : row;
  return {first + in_half / kRows * 2 + (up ? 1 : 0), in_half % kRows};
}

bool all_finite(std::span<const float> row) {
  constexpr uint32_t kExponent = 0x7F800000U;  // all of it is set in NaN and infinity alone
  uint32_t broken = 0;
  for (const float w : row) {
    broken |= uint32_t{(std::bit_cast<uint32_t>(w) & kExponent) == kExponent};
  }
  return broken == 0;
}

void store_int8(std::span<const float> row, int64_t lane, std::byte* panel, float* channel_scale) {
  float largest = 0;
  for (const float w : row) largest = std::max(largest, std::abs(w));
  const float scale = largest / 127.0f;
  const bool usable = scale > 0 && std::isfinite(1.0f / scale);
  *channel_scale = usable ? scale : 0;
  if (!usable) return;  // the panel is zeroed
  // A stretch is rounded in a form that compilers vectorise, then scattered by fours: the columns
  // that lie side by side.
  constexpr size_t kStretch = 256;
  std::array<int8_t, kStretch> codes{};
  for (size_t begin = 0; begin < row.size(); begin += kStretch) {
    const size_t n = std::min(kStretch, row.size() - begin);
    for (size_t i = 0; i < n; ++i) {
      // Adding and taking away 1.5 * 2^23 rounds to nearest even.
      const float q = (row[begin + i] / scale + 12582912.0f) - 12582912.0f;
      codes[i] = static_cast<int8_t>(std::min(127.0f, std::max(-127.0f, q)));
    }
    for (size_t i = 0; i < n; i += 4) {
      std::memcpy(panel + layout::int8_at(static_cast<int64_t>(begin + i), lane), &codes[i],
                  std::min<size_t>(4, n - i));
    }
  }
}

void store_floats(WeightFormat format, std::span<const float> row, int64_t lane, std::byte* panel) {
  for (int64_t k = 0; k < std::ssize(row); ++k) {
    const int64_t at = k * kRows + lane;
    const float w = row[static_cast<size_t>(k)];
    if (format == WeightFormat::kF32) reinterpret_cast<float*>(panel)[at] = w;
    if (format == WeightFormat::kF16) reinterpret_cast<uint16_t*>(panel)[at] = f32_to_f16(w);
    if (format == WeightFormat::kBF16) {
      reinterpret_cast<uint16_t*>(panel)[layout::bf16_at(k, lane)] = f32_to_bf16(w);
    }
  }
}

void store_groups(const layout::ProgressivePanel& at, std::span<const ProgressiveGroup> groups,
                  int64_t lane, std::byte* panel) {
  auto* out = reinterpret_cast<uint8_t*>(panel);
  for (size_t g = 0; g < groups.size(); ++g) {
    at.store(out, static_cast<int64_t>(g) * ProgressiveGroup::kColumns, lane, groups[g]);
  }
}

// Row `i` of rows of equal length.
template <class T>
std::span<T> row_of(std::vector<T>& rows, int64_t i, int64_t length) {
  return std::span(rows).subspan(static_cast<size_t>(i * length), static_cast<size_t>(length));
}

}  // namespace

int64_t PackedWeight::bytes(WeightFormat format, const PackShape& shape) {
  const int64_t n_panels = shape.members * panels_of_member(shape);
  const int64_t scales =
      has_channel_scales(format) ? n_panels * kRows + shape.members * shape.k : 0;
  return n_panels * bytes_of_panel(format, shape.k) + scales * int64_t{sizeof(float)};
}

// Everything but the bytes.
Result<PackedWeight> PackedWeight::shaped(WeightFormat format, const PackShape& shape) {
  const int64_t n = shape.n;
  const int64_t k = shape.k;
  // 2^31 rows: far beyond any model, and far from overflowing the sizes computed here.
  constexpr int64_t kMaxRows = int64_t{1} << 31;
  if (n < 1 || n > kMaxRows || k < 1 || k > kMaxColumns) {
    return Error{ErrorCode::kUnsupported, "weight has a size that the kernels do not take",
                 "packed weight",
                 fmt::format("rows up to {}, columns up to {}", kMaxRows, kMaxColumns),
                 fmt::format("[{}, {}]", n, k)};
  }
  if (shape.members < 1 || n % shape.members != 0) {
    return Error{ErrorCode::kInvalidArgument, "matrices of one weight are not alike",
                 "packed weight", fmt::format("rows that {} share evenly", shape.members),
                 fmt::format("{}", n)};
  }
  if (shape.order == PackOrder::kGateUp && shape.member_rows() % 2 != 0) {
    return Error{ErrorCode::kInvalidArgument, "gate and up have different sizes", "packed weight",
                 "an even number of rows", fmt::format("{}", shape.member_rows())};
  }
  if (holds_codes(format) && k % code_form(format).columns() != 0) {
    return Error{ErrorCode::kUnsupported, "rows do not consist of whole groups", "packed weight",
                 fmt::format("a multiple of {} columns for {}", code_form(format).columns(),
                             weight_format_name(format)),
                 fmt::format("{}", k)};
  }
  PackedWeight weight;
  weight.format_ = format;
  weight.shape_ = shape;
  weight.n_panels_ = shape.members * panels_of_member(shape);
  weight.panel_bytes_ = bytes_of_panel(format, k);
  return weight;
}

Result<PackedWeight> PackedWeight::allocate(WeightFormat format, const PackShape& shape) {
  PackedWeight weight = AGLM_TRY(shaped(format, shape));
  weight.data_ = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(bytes(format, shape))));
  if (has_channel_scales(format)) {
    std::fill_n(weight.own_column_scales(0), shape.members * shape.k, 1.0f);
  }
  return weight;
}

Result<PackedWeight> PackedWeight::view_of(WeightFormat format, const PackShape& shape,
                                           std::span<const std::byte> stored) {
  PackedWeight weight = AGLM_TRY(shaped(format, shape));
  const int64_t expected = bytes(format, shape);
  if (static_cast<int64_t>(stored.size()) != expected) {
    return Error{ErrorCode::kCorrupt, "packed weight has the wrong size", "packed weight",
                 fmt::format("{} bytes for {} [{}, {}]", expected, weight_format_name(format),
                             shape.n, shape.k),
                 fmt::format("{} bytes", stored.size())};
  }
  weight.data_ = AlignedBuffer::view_of(stored);
  return weight;
}

int64_t PackedWeight::row_at(int64_t panel, int64_t lane) const {
  const int64_t rows = shape_.member_rows();
  const int64_t first = panel / member_panels() * rows;
  panel %= member_panels();
  if (order() == PackOrder::kPlain) {
    const int64_t row = panel * kRows + lane;
    return row < rows ? first + row : -1;
  }
  const int64_t half = rows / 2;
  const int64_t row = panel / 2 * kRows + lane;
  if (row >= half) return -1;
  return first + (panel % 2 == 0 ? row : half + row);
}

const float* PackedWeight::channel_scales() const {
  AGLM_DCHECK(has_channel_scales(format_), "{} has no channel scales", weight_format_name(format_));
  return reinterpret_cast<const float*>(data_.data() + n_panels_ * panel_bytes_);
}

const float* PackedWeight::column_scales(int64_t member) const {
  return channel_scales() + n_panels_ * kRows + member * k();
}

bool PackedWeight::members_share_columns() const {
  if (!has_channel_scales(format_)) return true;
  const auto bytes = static_cast<size_t>(k()) * sizeof(float);
  for (int64_t i = 1; i < members(); ++i) {
    if (std::memcmp(column_scales(0), column_scales(i), bytes) != 0) return false;
  }
  return true;
}

float* PackedWeight::own_column_scales(int64_t member) {
  return reinterpret_cast<float*>(data_.data() + n_panels_ * panel_bytes_) + n_panels_ * kRows +
         member * k();
}

void PackedWeight::set_column_scales(std::span<const float> scales, int64_t member) {
  AGLM_CHECK(has_channel_scales(format_) && static_cast<int64_t>(scales.size()) == k() &&
                 member >= 0 && member < members(),
             "{} column scales for {} columns of {}, member {} of {}", scales.size(), k(),
             weight_format_name(format_), member, members());
  std::ranges::copy(scales, own_column_scales(member));
}

void PackedWeight::turn(std::span<float> row, int64_t member) const {
  const Rotation rotation = Rotation::of(k());
  // One over a power of two, here and in the scales: nothing is rounded.
  const float factor = 1.0f / static_cast<float>(rotation.block);
  const float* scales = column_scales(member);
  for (size_t i = 0; i < row.size(); ++i) row[i] *= factor / scales[i];
  row_kernels(best_isa()).rotate_input({.rotation = rotation, .x = row.data(), .y = row.data()});
}

void PackedWeight::turn_back(std::span<float> row, int64_t member) const {
  row_kernels(best_isa())
      .rotate_input_back({.rotation = Rotation::of(k()),
                          .x = row.data(),
                          .column_scales = column_scales(member),
                          .y = row.data()});
}

int64_t PackedWeight::rows_at_once(int64_t row_bytes) {
  constexpr int64_t kBytes = 64 << 10;  // beside the panel, in the second cache
  int64_t rows = kRows;
  while (rows > 1 && rows * row_bytes > kBytes) rows /= 2;
  return rows;
}

template <class Read, class Store>
void PackedWeight::for_rows(int64_t begin, int64_t end, int64_t at_once, const Read& read,
                            const Store& store) {
  AGLM_CHECK(0 <= begin && begin <= end && end <= n_panels_, "panels [{}, {}) of {}", begin, end,
             n_panels_);
  auto* scales = reinterpret_cast<float*>(data_.data() + n_panels_ * panel_bytes_);
  for (int64_t p = begin; p < end; ++p) {
    for (int64_t lane = 0; lane < kRows; lane += at_once) {
      RowRange rows{.begin = row_at(p, lane)};
      while (rows.n < at_once && row_at(p, lane + rows.n) >= 0) ++rows.n;
      if (rows.n == 0) continue;
      read(rows, p / member_panels());
      for (int64_t i = 0; i < rows.n; ++i) {
        store(i, lane + i, data_.data() + p * panel_bytes_,
              has_channel_scales(format_) ? scales + p * kRows + lane + i : nullptr);
      }
    }
  }
}

void PackedWeight::pack_panels(int64_t begin, int64_t end, const RowSource& source) {
  AGLM_CHECK(!holds_codes(format_), "{} is packed from codes", weight_format_name(format_));
  const int64_t columns = k();
  int64_t member = 0;
  const int64_t at_once = rows_at_once(columns * int64_t{sizeof(float)});
  std::vector<float> values(static_cast<size_t>(at_once * columns));
  std::vector<ProgressiveGroup> groups(static_cast<size_t>((columns + 31) / 32));
  const auto read = [&](RowRange rows, int64_t of_member) {
    member = of_member;
    source(rows, std::span(values).first(static_cast<size_t>(rows.n * columns)));
  };
  for_rows(begin, end, at_once, read,
           [&](int64_t i, int64_t lane, std::byte* panel, float* channel_scale) {
             const std::span<float> row = row_of(values, i, columns);
             if (is_integer(format_)) {
               if (!all_finite(row)) {
                 std::replace_if(
                     row.begin(), row.end(), [](float w) { return !std::isfinite(w); }, 0.0f);
               }
               turn(row, member);
               if (format_ == WeightFormat::kInt8) {
                 return store_int8(row, lane, panel, channel_scale);
               }
               *channel_scale = quantize_progressive_row(row, progressive_form(format_), groups);
               return store_groups(progressive_panel(format_, columns), groups, lane, panel);
             }
             store_floats(format_, row, lane, panel);
           });
}

void PackedWeight::pack_codes(int64_t begin, int64_t end, const Int8Source& source) {
  AGLM_CHECK(format_ == WeightFormat::kInt8, "int8 codes for {}", weight_format_name(format_));
  const int64_t columns = k();
  const int64_t at_once = rows_at_once(columns);
  std::vector<int8_t> codes(static_cast<size_t>(at_once * columns));
  std::vector<float> scales(static_cast<size_t>(at_once));
  const auto read = [&](RowRange rows, int64_t) {
    source(rows, {std::span(codes).first(static_cast<size_t>(rows.n * columns)),
                  std::span(scales).first(static_cast<size_t>(rows.n))});
  };
  for_rows(begin, end, at_once, read,
           [&](int64_t i, int64_t lane, std::byte* panel, float* channel_scale) {
             *channel_scale = scales[static_cast<size_t>(i)];
             const std::span<const int8_t> row = row_of(codes, i, columns);
             auto* out = reinterpret_cast<int8_t*>(panel);
             for (int64_t k = 0; k < columns; ++k) {
               out[layout::int8_at(k, lane)] = row[static_cast<size_t>(k)];
             }
           });
}

void PackedWeight::pack_codes(int64_t begin, int64_t end, const ProgressiveSource& source) {
  AGLM_CHECK(progressive_form(format_).exists(), "progressive codes for {}",
             weight_format_name(format_));
  const int64_t n_groups = (k() + 31) / 32;
  const int64_t at_once = rows_at_once(n_groups * int64_t{sizeof(ProgressiveGroup)});
  std::vector<ProgressiveGroup> groups(static_cast<size_t>(at_once * n_groups));
  std::vector<float> scales(static_cast<size_t>(at_once));
  const auto read = [&](RowRange rows, int64_t) {
    source(rows, {std::span(groups).first(static_cast<size_t>(rows.n * n_groups)),
                  std::span(scales).first(static_cast<size_t>(rows.n))});
  };
  for_rows(begin, end, at_once, read,
           [&](int64_t i, int64_t lane, std::byte* panel, float* channel_scale) {
             *channel_scale = scales[static_cast<size_t>(i)];
             store_groups(progressive_panel(format_, k()), row_of(groups, i, n_groups), lane,
                          panel);
           });
}

void PackedWeight::pack_codes(int64_t begin, int64_t end, const CodeSource& source) {
  AGLM_CHECK(holds_codes(format_), "{} is packed from floats", weight_format_name(format_));
  const int64_t at_once = rows_at_once(2 * k());
  std::vector<CodeRow> codes(static_cast<size_t>(at_once));
  const auto read = [&](RowRange rows, int64_t) {
    source(rows, std::span(codes).first(static_cast<size_t>(rows.n)));
  };
  for_rows(begin, end, at_once, read, [&](int64_t i, int64_t lane, std::byte* panel, float*) {
    store_codes(code_form(format_), codes[static_cast<size_t>(i)], lane, panel);
  });
}

void PackedWeight::decode_row(int64_t row, std::span<float> out) const {
  const int64_t columns = k();
  AGLM_CHECK(row >= 0 && row < n() && static_cast<int64_t>(out.size()) >= columns,
             "row {} of {}, room {}", row, n(), out.size());
  const auto [p, lane] = place_of(shape_, row);
  const std::byte* data = panel(p);
  if (holds_codes(format_))
    return decode_codes(code_form(format_), data, lane, out.first(static_cast<size_t>(columns)));
  const layout::ProgressivePanel progressive = progressive_panel(format_, columns);
  const float scale = has_channel_scales(format_) ? channel_scales()[p * kRows + lane] : 1.0f;
  for (int64_t k = 0; k < columns; ++k) {
    const int64_t at = k * kRows + lane;
    float& w = out[static_cast<size_t>(k)];
    switch (format_) {
      case WeightFormat::kF32: w = reinterpret_cast<const float*>(data)[at]; break;
      case WeightFormat::kF16: w = f16_to_f32(reinterpret_cast<const uint16_t*>(data)[at]); break;
      case WeightFormat::kBF16:
        w = bf16_to_f32(reinterpret_cast<const uint16_t*>(data)[layout::bf16_at(k, lane)]);
        break;
      case WeightFormat::kInt8: {
        const int8_t q = reinterpret_cast<const int8_t*>(data)[layout::int8_at(k, lane)];
        w = static_cast<float>(q) * scale;
        break;
      }
      default:  // progressive; codes: above
        w = static_cast<float>(
                progressive.bracket(reinterpret_cast<const uint8_t*>(data), k, lane)) *
            scale;
        break;
    }
  }
  if (has_channel_scales(format_)) {
    turn_back(out.first(static_cast<size_t>(columns)), row / shape_.member_rows());
  }
}

}  // namespace autoglm
