// A whole matrix as codes, in the bytes that its checkpoint will hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "base/thread_pool.h"
#include "formats/coded_matrix.h"
#include "formats/tensor_file.h"
#include "kernels/linear/packed_weight.h"
#include "train/quantize/row_codes.h"

namespace autoglm {

class MatrixCodes {
 public:
  // CodedMatrix::fits() so many columns in so many bits.
  MatrixCodes(Precision precision, int64_t rows, int64_t columns);

  Precision precision() const { return precision_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  // Rows may be stored by several threads at once.
  void store(int64_t row, const RowCodes& codes);
  RowCodes row(int64_t row) const;
  void decode_row(int64_t row, std::span<float> out) const { view().decode_row(row, out); }

  // As a checkpoint that was read would show it.
  CodedMatrix view() const;
  // Rows [begin, end) as the kernels hold them.
  Result<PackedWeight> pack(int64_t begin, int64_t end, ThreadPool& pool) const;

  // The tensors of a matrix called `name`, and their bytes in that order.
  static std::vector<TensorPlan> plans(const std::string& name, Precision precision, int64_t rows,
                                       int64_t columns);
  Result<void> append_to(TensorFile& file) const;
  static int64_t stored_bytes(Precision precision, int64_t rows, int64_t columns);

 private:
  Precision precision_;
  int64_t rows_;
  int64_t columns_;
  std::vector<std::byte> codes_;
  std::vector<std::byte> group_scales_;
  std::vector<std::byte> group_offsets_;
  std::vector<float> channel_scales_;
};

}  // namespace autoglm
