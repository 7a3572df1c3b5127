// Error-compensated rounding (GPTQ, arXiv 2210.17323): columns are rounded one after the other, and
// what each loses is made up for in the columns that are still free, as the inputs' second moments
// H = X^T X say. Works on rows of W alone; knows no files and no models.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "autoglm/result.h"
#include "devices/cpu/graph_run.h"
#include "kernels/isa.h"
#include "train/quantize/row_codes.h"

namespace autoglm {

// X^T X / rows, [columns, columns].
Result<std::vector<float>> second_moments(const Context& context, const RowsView& x);

// What rounding needs of H.
struct GptqFactor {
  int64_t columns = 0;
  std::vector<float> upper;  // U, row-major: U^T U is the inverse of H with damping
  double damping = 0;        // what was added to H's diagonal, as a share of its mean
};

// Columns that no input ever meets count as meeting some. Errors: H stays singular with a tenth of
// its mean added (its numbers are not finite).
Result<GptqFactor> factorize(std::vector<float> second_moments, int64_t columns);

struct GptqRow {
  std::span<const float> weights;
  RowCodes* codes = nullptr;  // in: the channel scale, and room; out: the codes
};

// Rounds some rows together. `importance` weighs the errors inside of a group of codes.
void round_rows(const GptqFactor& factor, Precision precision, std::span<const GptqRow> rows);

}  // namespace autoglm
