// Products of rows that are sorted by the matrix they meet, as the experts of a mixture need them:
// all of them are one list of parts, which threads take one after another. Each row of a result is
// what linear() makes of that row and its matrix alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/isa.h"
#include "kernels/linear/linear.h"
#include "kernels/linear/packed_weight.h"

namespace autoglm {

// Rows [first, first + n) of the result are products with member `member` of the weight.
struct RowGroup {
  int64_t member = 0;
  int64_t first = 0;
  int64_t n = 0;
};

struct GroupedRows {
  const PackedWeight* weight = nullptr;
  Epilogue epilogue = Epilogue::kNone;
  std::span<const RowGroup> groups;  // none empty; one after the other they are all rows
  const float* x = nullptr;          // [x_rows, k]
  int64_t x_stride = 0;
  int64_t x_rows = 0;
  const int32_t* x_row = nullptr;  // the row of x that each row meets; null: its own
  bool rounds_once = false;        // weight->members_share_columns(), which takes its time
  float* y = nullptr;              // [rows, weight.n_out()]
  int64_t y_stride = 0;

  int64_t rows() const { return groups.empty() ? 0 : groups.back().first + groups.back().n; }
};

// The most of a GroupedRows: rows, groups, rows of x, rows of one group.
struct GroupedLimits {
  const PackedWeight* weight = nullptr;
  int64_t rows = 0;
  int64_t groups = 0;
  int64_t x_rows = 0;
  int64_t group_rows = 0;
  bool picks_rows = false;  // x_row is given
};
int64_t grouped_scratch_bytes(const Context& context, std::span<const GroupedLimits> limits);

// `scratch`: at least grouped_scratch_bytes() for limits that `all` keeps, aligned to 64.
void grouped_linear(const Context& context, std::span<const GroupedRows> all,
                    std::span<std::byte> scratch);

}  // namespace autoglm
