// A weight's parts, which lie in tensors of their own, read as the rows of one matrix.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "devices/weight_source.h"
#include "graph/graph.h"
#include "tensor/weight_format.h"

namespace autoglm {

class WeightParts {
 public:
  static Result<WeightParts> open(const Weight& weight, const WeightSource& source);

  // As SourceTensor's, over all parts.
  void read_rows(RowRange rows, std::span<float> out) const;
  void read_codes(RowRange rows, std::span<CodeRow> out) const;
  void read_progressive(RowRange rows, ProgressiveRows out) const;
  // Progressive codes are expanded; what cannot be gives -128.
  void read_int8(RowRange rows, Int8Rows out) const;
  // The rows' bytes, when all of them are stored plainly in `dtype`; else false.
  bool read_stored(RowRange rows, DType dtype, std::span<std::byte> out) const;

  // Whether the codes in the file can be packed as they are.
  bool has_codes_for(WeightFormat format) const;

  Error not_finite(int64_t row) const;
  Error not_expandable(int64_t row) const;
  void release() const;

 private:
  struct Part {
    int64_t begin;  // rows of the weight before it
    int64_t first_row;
    std::unique_ptr<const SourceTensor> tensor;
  };
  explicit WeightParts(int64_t rows) : rows_(rows) {}
  // read(tensor, its rows, their place among `rows`) for each part that has some of them.
  template <class Read>
  void for_parts(RowRange rows, const Read& read) const;
  Error broken(int64_t row, std::string what, std::string expected, std::string found) const;

  int64_t rows_;
  std::vector<Part> parts_;
};

// The first row with a weight that is no number. Such a matrix makes every answer worthless, so it
// is refused while the file can still be named. Rows are looked at by several threads.
class FirstBrokenRow {
 public:
  void look(int64_t row, std::span<const float> weights);
  void look(RowRange rows, std::span<const float> weights);  // [rows.n, columns]
  void note(int64_t row);
  int64_t row() const { return row_.load(); }  // -1: none

 private:
  std::atomic<int64_t> row_ = -1;
};

}  // namespace autoglm
