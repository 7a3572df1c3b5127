#include "formats/quantized/scale_grid.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace autoglm {
namespace {

int64_t blocks(int64_t n, int64_t size) { return (n + size - 1) / size; }

}  // namespace

Result<ScaleGrid> scale_grid(const StoredTensor& scales, int64_t rows, int64_t columns,
                             const DeclaredGrids& declared) {
  const std::vector<int64_t>& shape = scales.shape;
  const auto is = [&](const std::vector<int64_t>& wanted) { return shape == wanted; };
  if (is({}) || is({1}) || is({1, 1})) {
    return ScaleGrid{.scales = scales, .row_block = rows, .column_block = columns};
  }
  if (is({rows}) || is({rows, 1})) return ScaleGrid{.scales = scales, .column_block = columns};
  std::vector<std::string> allowed{"[1]", fmt::format("[{}, 1]", rows)};
  for (const DeclaredGrids::Block& block : declared.blocks) {
    const std::vector<int64_t> wanted{blocks(rows, block.rows), blocks(columns, block.columns)};
    allowed.push_back(fmt::format("[{}]", fmt::join(wanted, ", ")));
    if (!is(wanted)) continue;
    return ScaleGrid{.scales = scales,
                     .row_block = block.rows,
                     .column_block = block.columns,
                     .blocks_in_row = wanted[1]};
  }
  for (const int64_t group : declared.groups) {
    if (columns % group != 0) {
      return Error{ErrorCode::kUnsupported, "groups do not divide the inputs of the matrix",
                   scales.where, fmt::format("a divisor of {}", columns),
                   fmt::format("group_size {}", group)};
    }
    allowed.push_back(fmt::format("[{}, {}]", rows, columns / group));
    if (!is({rows, columns / group})) continue;
    return ScaleGrid{.scales = scales, .column_block = group, .blocks_in_row = columns / group};
  }
  return shape_error(scales, fmt::format("{}", fmt::join(allowed, " or ")));
}

}  // namespace autoglm
