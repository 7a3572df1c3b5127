// Where a device gets a graph's weights from, by the names that the graph carries. Whoever joins a
// checkpoint, a model and a device implements it; devices know no file format.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "autoglm/result.h"
#include "kernels/linear/progressive.h"
#include "tensor/code_row.h"
#include "tensor/dtype.h"
#include "tensor/row_range.h"

namespace autoglm {

// How a tensor is stored, and so what it can be read as.
struct StoredForm {
  DType dtype = DType::kF32;
  // Its bytes are elements of `dtype`, one a block, row after row: read_stored().
  bool plain = false;
  // It is stored as codes of this kind, and nothing is rounded: read_codes().
  CodeKind code_kind = CodeKind::kNone;
  // It is stored as floats that lie on the grid of such codes; read_codes() then finds them.
  CodeKind grid = CodeKind::kNone;
  // Of a matrix whose codes a quantizer chose, one of the two: read_int8(), read_progressive().
  bool int8 = false;
  Progressive progressive{};
};

// A tensor that is read by ranges of rows, each of its columns. All reading may be done by several
// threads at once, for as long as the source lives.
class SourceTensor {
 public:
  SourceTensor(StoredForm form, std::string where) : form_(form), where_(std::move(where)) {}
  virtual ~SourceTensor() = default;
  SourceTensor(const SourceTensor&) = delete;
  SourceTensor& operator=(const SourceTensor&) = delete;

  const StoredForm& form() const { return form_; }
  const std::string& where() const { return where_; }  // file and stored name, for errors

  // Decoded, to out [rows.n, columns]. Every tensor can be read so.
  virtual void read_rows(RowRange rows, std::span<float> out) const = 0;
  // What only tensors of such a form have; asking another is our own fault. Codes are as stored,
  // not checked.
  virtual void read_stored(RowRange rows, std::span<std::byte> out) const;  // the rows' bytes
  virtual void read_codes(RowRange rows, std::span<CodeRow> out) const;     // out [rows.n]
  virtual void read_int8(RowRange rows, Int8Rows out) const;
  virtual void read_progressive(RowRange rows, ProgressiveRows out) const;

  // Nobody will read the tensor soon.
  virtual void release() const {}

 private:
  StoredForm form_;
  std::string where_;
};

using OpenTensor = std::unique_ptr<const SourceTensor>;

// A weight as the device held it in an earlier run (`autoglm pack`): how, and the bytes themselves.
struct HeldTensor {
  std::string form;    // held_weights.h: "packed", "rows" or "vector"
  std::string format;  // weight_format_name()
  std::string order;   // pack_order_name()
  int64_t rows = 0;
  int64_t columns = 0;
  std::span<const std::byte> bytes;    // aligned to 64, never written
  std::shared_ptr<const void> memory;  // keeps `bytes` where they are
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual Result<OpenTensor> open(std::string_view tensor) const = 0;
  // The weight made of these parts (weight_key()), ready to use; nullopt: to be read by open().
  virtual std::optional<HeldTensor> held(std::string_view /*key*/) const { return std::nullopt; }
};

}  // namespace autoglm
