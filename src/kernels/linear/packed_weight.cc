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

int64_t panels_of(int64_t n, PackOrder order) {
  if (order == PackOrder::kGateUp) return 2 * ((n / 2 + kRows - 1) / kRows);
  return (n + kRows - 1) / kRows;
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

int64_t PackedWeight::bytes(WeightFormat format, int64_t n, int64_t k, PackOrder order) {
  const int64_t n_panels = panels_of(n, order);
  const int64_t scales = has_channel_scales(format) ? n_panels * kRows + k : 0;
  return n_panels * bytes_of_panel(format, k) + scales * int64_t{sizeof(float)};
}

// Everything but the bytes.
Result<PackedWeight> PackedWeight::shaped(WeightFormat format, int64_t n, int64_t k,
                                          PackOrder order) {
  // 2^31 rows: far beyond any model, and far from overflowing the sizes computed here.
  constexpr int64_t kMaxRows = int64_t{1} << 31;
  if (n < 1 || n > kMaxRows || k < 1 || k > kMaxColumns) {
    return Error{ErrorCode::kUnsupported, "weight has a size that the kernels do not take",
                 "packed weight",
                 fmt::format("rows up to {}, columns up to {}", kMaxRows, kMaxColumns),
                 fmt::format("[{}, {}]", n, k)};
  }
  if (order == PackOrder::kGateUp && n % 2 != 0) {
    return Error{ErrorCode::kInvalidArgument, "gate and up have different sizes", "packed weight",
                 "an even number of rows", fmt::format("{}", n)};
  }
  if (holds_codes(format) && k % code_form(format).columns() != 0) {
    return Error{ErrorCode::kUnsupported, "rows do not consist of whole groups", "packed weight",
                 fmt::format("a multiple of {} columns for {}", code_form(format).columns(),
                             weight_format_name(format)),
                 fmt::format("{}", k)};
  }
  PackedWeight weight;
  weight.format_ = format;
  weight.order_ = order;
  weight.n_ = n;
  weight.k_ = k;
  weight.n_panels_ = panels_of(n, order);
  weight.panel_bytes_ = bytes_of_panel(format, k);
  return weight;
}

Result<PackedWeight> PackedWeight::allocate(WeightFormat format, int64_t n, int64_t k,
                                            PackOrder order) {
  PackedWeight weight = AGLM_TRY(shaped(format, n, k, order));
  weight.data_ = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(bytes(format, n, k, order))));
  if (has_channel_scales(format)) std::fill_n(weight.own_column_scales(), k, 1.0f);
  return weight;
}

Result<PackedWeight> PackedWeight::view_of(WeightFormat format, int64_t n, int64_t k,
                                           PackOrder order, std::span<const std::byte> stored) {
  PackedWeight weight = AGLM_TRY(shaped(format, n, k, order));
  const int64_t expected = bytes(format, n, k, order);
  if (static_cast<int64_t>(stored.size()) != expected) {
    return Error{
        ErrorCode::kCorrupt, "packed weight has the wrong size", "packed weight",
        fmt::format("{} bytes for {} [{}, {}]", expected, weight_format_name(format), n, k),
        fmt::format("{} bytes", stored.size())};
  }
  weight.data_ = AlignedBuffer::view_of(stored);
  return weight;
}

int64_t PackedWeight::row_at(int64_t panel, int64_t lane) const {
  if (order_ == PackOrder::kPlain) {
    const int64_t row = panel * kRows + lane;
    return row < n_ ? row : -1;
  }
  const int64_t half = n_ / 2;
  const int64_t row = panel / 2 * kRows + lane;
  if (row >= half) return -1;
  return panel % 2 == 0 ? row : half + row;
}

const float* PackedWeight::channel_scales() const {
  AGLM_DCHECK(has_channel_scales(format_), "{} has no channel scales", weight_format_name(format_));
  return reinterpret_cast<const float*>(data_.data() + n_panels_ * panel_bytes_);
}

const float* PackedWeight::column_scales() const { return channel_scales() + n_panels_ * kRows; }

float* PackedWeight::own_column_scales() {
  return reinterpret_cast<float*>(data_.data() + n_panels_ * panel_bytes_) + n_panels_ * kRows;
}

void PackedWeight::set_column_scales(std::span<const float> scales) {
  AGLM_CHECK(has_channel_scales(format_) && static_cast<int64_t>(scales.size()) == k_,
             "{} column scales for {} columns of {}", scales.size(), k_,
             weight_format_name(format_));
  std::ranges::copy(scales, own_column_scales());
}

void PackedWeight::turn(std::span<float> row) const {
  const Rotation rotation = Rotation::of(k_);
  // One over a power of two, here and in the scales: nothing is rounded.
  const float factor = 1.0f / static_cast<float>(rotation.block);
  const float* scales = column_scales();
  for (size_t i = 0; i < row.size(); ++i) row[i] *= factor / scales[i];
  row_kernels(best_isa()).rotate_input({.rotation = rotation, .x = row.data(), .y = row.data()});
}

void PackedWeight::turn_back(std::span<float> row) const {
  row_kernels(best_isa())
      .rotate_input_back({.rotation = Rotation::of(k_),
                          .x = row.data(),
                          .column_scales = column_scales(),
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
      read(rows);
      for (int64_t i = 0; i < rows.n; ++i) {
        store(i, lane + i, data_.data() + p * panel_bytes_,
              has_channel_scales(format_) ? scales + p * kRows + lane + i : nullptr);
      }
    }
  }
}

void PackedWeight::pack_panels(int64_t begin, int64_t end, const RowSource& source) {
  AGLM_CHECK(!holds_codes(format_), "{} is packed from codes", weight_format_name(format_));
  const int64_t at_once = rows_at_once(k_ * int64_t{sizeof(float)});
  std::vector<float> values(static_cast<size_t>(at_once * k_));
  std::vector<ProgressiveGroup> groups(static_cast<size_t>((k_ + 31) / 32));
  const auto read = [&](RowRange rows) {
    source(rows, std::span(values).first(static_cast<size_t>(rows.n * k_)));
  };
  for_rows(begin, end, at_once, read,
           [&](int64_t i, int64_t lane, std::byte* panel, float* channel_scale) {
             const std::span<float> row = row_of(values, i, k_);
             if (is_integer(format_)) {
               if (!all_finite(row)) {
                 std::replace_if(
                     row.begin(), row.end(), [](float w) { return !std::isfinite(w); }, 0.0f);
               }
               turn(row);
               if (format_ == WeightFormat::kInt8) {
                 return store_int8(row, lane, panel, channel_scale);
               }
               *channel_scale = quantize_progressive_row(row, progressive_form(format_), groups);
               return store_groups(progressive_panel(format_, k_), groups, lane, panel);
             }
             store_floats(format_, row, lane, panel);
           });
}

void PackedWeight::pack_codes(int64_t begin, int64_t end, const Int8Source& source) {
  AGLM_CHECK(format_ == WeightFormat::kInt8, "int8 codes for {}", weight_format_name(format_));
  const int64_t at_once = rows_at_once(k_);
  std::vector<int8_t> codes(static_cast<size_t>(at_once * k_));
  std::vector<float> scales(static_cast<size_t>(at_once));
  const auto read = [&](RowRange rows) {
    source(rows, {std::span(codes).first(static_cast<size_t>(rows.n * k_)),
                  std::span(scales).first(static_cast<size_t>(rows.n))});
  };
  for_rows(begin, end, at_once, read,
           [&](int64_t i, int64_t lane, std::byte* panel, float* channel_scale) {
             *channel_scale = scales[static_cast<size_t>(i)];
             const std::span<const int8_t> row = row_of(codes, i, k_);
             auto* out = reinterpret_cast<int8_t*>(panel);
             for (int64_t k = 0; k < k_; ++k) {
               out[layout::int8_at(k, lane)] = row[static_cast<size_t>(k)];
             }
           });
}

void PackedWeight::pack_codes(int64_t begin, int64_t end, const ProgressiveSource& source) {
  AGLM_CHECK(progressive_form(format_).exists(), "progressive codes for {}",
             weight_format_name(format_));
  const int64_t n_groups = (k_ + 31) / 32;
  const int64_t at_once = rows_at_once(n_groups * int64_t{sizeof(ProgressiveGroup)});
  std::vector<ProgressiveGroup> groups(static_cast<size_t>(at_once * n_groups));
  std::vector<float> scales(static_cast<size_t>(at_once));
  const auto read = [&](RowRange rows) {
    source(rows, {std::span(groups).first(static_cast<size_t>(rows.n * n_groups)),
                  std::span(scales).first(static_cast<size_t>(rows.n))});
  };
  for_rows(begin, end, at_once, read,
           [&](int64_t i, int64_t lane, std::byte* panel, float* channel_scale) {
             *channel_scale = scales[static_cast<size_t>(i)];
             store_groups(progressive_panel(format_, k_), row_of(groups, i, n_groups), lane, panel);
           });
}

void PackedWeight::pack_codes(int64_t begin, int64_t end, const CodeSource& source) {
  AGLM_CHECK(holds_codes(format_), "{} is packed from floats", weight_format_name(format_));
  const int64_t at_once = rows_at_once(2 * k_);
  std::vector<CodeRow> codes(static_cast<size_t>(at_once));
  const auto read = [&](RowRange rows) {
    source(rows, std::span(codes).first(static_cast<size_t>(rows.n)));
  };
  for_rows(begin, end, at_once, read, [&](int64_t i, int64_t lane, std::byte* panel, float*) {
    store_codes(code_form(format_), codes[static_cast<size_t>(i)], lane, panel);
  });
}

void PackedWeight::decode_row(int64_t row, std::span<float> out) const {
  AGLM_CHECK(row >= 0 && row < n_ && static_cast<int64_t>(out.size()) >= k_,
             "row {} of {}, room {}", row, n_, out.size());
  const int64_t half = n_ / 2;
  const bool gate_up = order_ == PackOrder::kGateUp;
  const int64_t in_half = gate_up && row >= half ? row - half : row;
  const int64_t p = gate_up ? in_half / kRows * 2 + (row >= half ? 1 : 0) : row / kRows;
  const int64_t lane = in_half % kRows;
  const std::byte* data = panel(p);
  if (holds_codes(format_))
    return decode_codes(code_form(format_), data, lane, out.first(static_cast<size_t>(k_)));
  const layout::ProgressivePanel progressive = progressive_panel(format_, k_);
  const float scale = has_channel_scales(format_) ? channel_scales()[p * kRows + lane] : 1.0f;
  for (int64_t k = 0; k < k_; ++k) {
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
  if (has_channel_scales(format_)) turn_back(out.first(static_cast<size_t>(k_)));
}

}  // namespace autoglm
