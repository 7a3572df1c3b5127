// A weight matrix [n, k], or several of equal shape (a mixture's experts), in the layout that the
// linear kernels stream: panels of 16 output rows, inside a panel k ascending, so that vector lanes
// are output channels and a sum over k is never split (promise 1). The same bytes serve every
// instruction set. Layouts are in linear/layout.h.
//
// int8 and the progressive formats hold turned columns (tensor/rotation.h): row = transpose(T) *
// stored row * column scales, where activations are multiplied by the same column scales and turned
// likewise.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>

#include "autoglm/result.h"
#include "base/aligned_buffer.h"
#include "kernels/linear/progressive.h"
#include "tensor/code_row.h"
#include "tensor/row_range.h"
#include "tensor/weight_format.h"

namespace autoglm {

// kGateUp: rows [0, n/2) are a gate, rows [n/2, n) are its up projection. Their panels alternate,
// so that linear() can finish silu(gate) * up while both are in registers (Epilogue::kSwiglu).
enum class PackOrder : uint8_t { kPlain, kGateUp };

// A matrix, or `members` of n / members rows each, one below the other: every member begins with a
// panel of its own, and is packed as it would be alone.
struct PackShape {
  int64_t n = 0;
  int64_t k = 0;
  PackOrder order = PackOrder::kPlain;
  int64_t members = 1;
  int64_t member_rows() const { return n / members; }
};

class PackedWeight {
 public:
  static constexpr int64_t kPanelRows = 16;
  // |sum| <= k * 127 * 127 must stay below 2^31.
  static constexpr int64_t kMaxColumns = 131072;

  // Where packing gets rows from: as many at a time as lie side by side in a panel and fit a cache.
  // Those that make one row at a time are wrapped in row_by_row().
  using RowSource = std::function<void(RowRange rows, std::span<float> out)>;  // [rows.n, k], f32
  // Codes that were chosen before.
  using Int8Source = std::function<void(RowRange rows, Int8Rows out)>;
  using ProgressiveSource = std::function<void(RowRange rows, ProgressiveRows out)>;
  // Codes of a kind that the format holds.
  using CodeSource = std::function<void(RowRange rows, std::span<CodeRow> out)>;

  PackedWeight() = default;
  // Reserves zeroed memory. Errors: sizes below 1, k over kMaxColumns, members that are not alike,
  // an odd number of rows with kGateUp, no memory.
  static Result<PackedWeight> allocate(WeightFormat format, const PackShape& shape);
  static Result<PackedWeight> allocate(WeightFormat format, int64_t n, int64_t k,
                                       PackOrder order = PackOrder::kPlain) {
    return allocate(format, {n, k, order});
  }
  // What an allocate() with the same arguments and pack_panels() wrote before, where it lies: a
  // mapped file, say, which must outlive the weight. Nothing may be packed into it. Errors: as
  // allocate(), and another number of bytes than bytes().
  static Result<PackedWeight> view_of(WeightFormat format, const PackShape& shape,
                                      std::span<const std::byte> bytes);
  // The memory that allocate() would reserve.
  static int64_t bytes(WeightFormat format, const PackShape& shape);
  static int64_t bytes(WeightFormat format, int64_t n, int64_t k,
                       PackOrder order = PackOrder::kPlain) {
    return bytes(format, {n, k, order});
  }

  // Rounds or quantizes the rows of panels [begin, end), and stores them. Calls with disjoint
  // ranges may run at the same time (with a source that may). Not-a-number becomes 0 in integer
  // formats.
  void pack_panels(int64_t begin, int64_t end, const RowSource& source);

  // int8 and progressive: what activations are multiplied by, and weights divided by, before both
  // are turned; [k] powers of two (linear/column_scales.h). To be set before anything is packed;
  // else they are ones.
  void set_column_scales(std::span<const float> scales, int64_t member = 0);

  // The same from codes of turned rows: nothing is chosen again, so the kernels use exactly these
  // weights. Precondition: format() is the source's; codes in [-127, 127], groups that are
  // expandable, and alike over the columns of a group.
  void pack_codes(int64_t begin, int64_t end, const Int8Source& source);
  void pack_codes(int64_t begin, int64_t end, const ProgressiveSource& source);
  // The same for formats that hold codes.
  void pack_codes(int64_t begin, int64_t end, const CodeSource& source);

  // Row `row` as the kernels use it: what the source gave, after rounding or quantization.
  void decode_row(int64_t row, std::span<float> out) const;

  WeightFormat format() const { return format_; }
  PackOrder order() const { return shape_.order; }
  int64_t n() const { return shape_.n; }
  int64_t k() const { return shape_.k; }
  int64_t members() const { return shape_.members; }
  int64_t n_panels() const { return n_panels_; }
  int64_t member_panels() const { return n_panels_ / shape_.members; }
  // Columns of a product's result, of one member: its rows, or half of them under kGateUp.
  int64_t n_out() const {
    return order() == PackOrder::kGateUp ? shape_.member_rows() / 2 : shape_.member_rows();
  }
  int64_t size_bytes() const { return static_cast<int64_t>(data_.size()); }
  std::span<const std::byte> stored() const { return {data_.data(), data_.size()}; }
  bool empty() const { return shape_.n == 0; }

  const std::byte* panel(int64_t i) const { return data_.data() + i * panel_bytes_; }
  int64_t panel_bytes() const { return panel_bytes_; }
  // int8 and progressive: one float scale a row, in panel order, [n_panels * 16]; rows of padding
  // have 0.
  const float* channel_scales() const;
  const float* column_scales(int64_t member = 0) const;  // int8 and progressive: [k]
  // Whether rows of activations that were rounded for one member serve all.
  bool members_share_columns() const;
  // The matrix row stored in row `lane` of panel `panel`, or -1 for padding.
  int64_t row_at(int64_t panel, int64_t lane) const;

 private:
  static Result<PackedWeight> shaped(WeightFormat format, const PackShape& shape);
  // How many rows of so many bytes packing asks for at once.
  static int64_t rows_at_once(int64_t row_bytes);
  // For all rows of the panels, `at_once` or fewer of one panel at a time: read(rows, member), then
  // store(i, lane, panel, channel_scale) for each of them, the i-th that was read.
  template <class Read, class Store>
  void for_rows(int64_t begin, int64_t end, int64_t at_once, const Read& read, const Store& store);
  float* own_column_scales(int64_t member);
  void turn(std::span<float> row, int64_t member) const;
  void turn_back(std::span<float> row, int64_t member) const;

  WeightFormat format_ = WeightFormat::kF32;
  PackShape shape_;
  int64_t n_panels_ = 0;
  int64_t panel_bytes_ = 0;
  AlignedBuffer data_;
};

// A source for PackedWeight out of `row`, which makes one: void(int64_t, std::span<float>),
// void(int64_t, CodeRow&), or, returning the row's scale, float(int64_t, std::span<int8_t>) and
// float(int64_t, std::span<ProgressiveGroup>).
template <class Row>
auto row_by_row(Row row) {
  const auto part = [](auto all, RowRange rows, int64_t i) {
    const size_t n = all.size() / static_cast<size_t>(rows.n);
    return all.subspan(static_cast<size_t>(i) * n, n);
  };
  if constexpr (std::is_invocable_v<Row, int64_t, std::span<float>>) {
    return PackedWeight::RowSource([row, part](RowRange rows, std::span<float> out) {
      for (int64_t i = 0; i < rows.n; ++i) row(rows.begin + i, part(out, rows, i));
    });
  } else if constexpr (std::is_invocable_v<Row, int64_t, CodeRow&>) {
    return PackedWeight::CodeSource([row](RowRange rows, std::span<CodeRow> out) {
      for (int64_t i = 0; i < rows.n; ++i) row(rows.begin + i, out[static_cast<size_t>(i)]);
    });
  } else if constexpr (std::is_invocable_v<Row, int64_t, std::span<int8_t>>) {
    return PackedWeight::Int8Source([row, part](RowRange rows, Int8Rows out) {
      for (int64_t i = 0; i < rows.n; ++i) {
        out.scales[static_cast<size_t>(i)] = row(rows.begin + i, part(out.codes, rows, i));
      }
    });
  } else {
    return PackedWeight::ProgressiveSource([row, part](RowRange rows, ProgressiveRows out) {
      for (int64_t i = 0; i < rows.n; ++i) {
        out.scales[static_cast<size_t>(i)] = row(rows.begin + i, part(out.groups, rows, i));
      }
    });
  }
}

}  // namespace autoglm
