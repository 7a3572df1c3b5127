// Matrices of small unsigned codes: weight = scale * (code - zero point), with a scale and a zero
// point for every group of columns of a row. GPTQ, AWQ and integer compressed-tensors are of this
// kind and differ in where they put the numbers.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "formats/checkpoint.h"

namespace autoglm {

class AffineMatrix : public QuantizedMatrix {
 public:
  // One row, decoded to its integers.
  struct Row {
    std::vector<uint8_t> codes;  // [columns]
    std::vector<float> scales;   // [groups]
    std::vector<int16_t> zeros;  // [groups]
  };

  // scale * (code - zero), the difference exact, the product rounded once, to `dtype`: as the
  // reference implementations compute it in the type of their scales.
  void decode_row(int64_t row, std::span<float> out) const final;
  virtual void read_row(int64_t row, Row& out) const = 0;

 protected:
  Row make_row() const;

  int64_t columns_ = 0;
  int64_t group_ = 0;              // columns in a group
  std::vector<int32_t> group_of_;  // the group of each column, when they do not follow one another
  DType dtype_ = DType::kF32;
};

}  // namespace autoglm
