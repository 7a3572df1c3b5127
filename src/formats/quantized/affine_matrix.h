// Matrices of small unsigned codes: weight = scale * (code - zero point), with a scale and a zero
// point for every group of columns of a row. GPTQ, AWQ and integer compressed-tensors are of this
// kind and differ in where they put the numbers.
#pragma once

#include <cstdint>
#include <mutex>
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

  // Scales that f16 holds, groups of whole 32s in order, codes that less their zero point fit a
  // byte. The product of scale and code is then not rounded, as decode_row() rounds it. The first
  // call reads all scales and zero points.
  CodeKind code_kind() const final;
  void read_codes(int64_t row, CodeRow& out) const final;

 protected:
  Row make_row() const;

  virtual const StoredTensor& scale_tensor() const = 0;
  virtual bool symmetric() const = 0;  // whether all zero points are 2^(bits - 1)

  int bits_ = 8;  // of a code
  int64_t columns_ = 0;
  int64_t group_ = 0;              // columns in a group
  std::vector<int32_t> group_of_;  // the group of each column, when they do not follow one another
  DType dtype_ = DType::kF32;

 private:
  CodeKind find_kind() const;
  mutable std::once_flag once_;
  mutable CodeKind kind_ = CodeKind::kNone;
};

}  // namespace autoglm
