// Scales of a matrix in whatever grid they come: one for all, one a row, one a group of columns of
// a row, one a block of rows and columns. Which it is follows from the shape.
#pragma once

#include <cstdint>
#include <vector>

#include "autoglm/result.h"
#include "formats/quantized/module.h"

namespace autoglm {

// What a configuration allows besides one scale for all and one a row.
struct DeclaredGrids {
  struct Block {
    int64_t rows;
    int64_t columns;
  };
  std::vector<Block> blocks;
  std::vector<int64_t> groups;  // columns
};

struct ScaleGrid {
  StoredTensor scales;
  int64_t row_block = 1;     // rows that share a scale
  int64_t column_block = 1;  // columns that do; the last block of a row may be shorter
  int64_t blocks_in_row = 1;

  // Where the scale of a row's block lies in `scales`, and in zero points of the same shape.
  int64_t index(int64_t row, int64_t block) const {
    return row / row_block * blocks_in_row + block;
  }
  float at(int64_t row, int64_t block) const { return scale_at(scales, index(row, block)); }
};

// Errors name the shapes that would do. rows and columns are positive.
Result<ScaleGrid> scale_grid(const StoredTensor& scales, int64_t rows, int64_t columns,
                             const DeclaredGrids& declared);

}  // namespace autoglm
