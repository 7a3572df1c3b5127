// Where a device gets a graph's weights from, by the names that the graph carries. Whoever joins a
// checkpoint, a model and a device implements it; devices know no file format.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "kernels/linear/progressive.h"
#include "tensor/code_row.h"
#include "tensor/dtype.h"

namespace autoglm {

struct SourceTensor {
  DType dtype = DType::kF32;  // as stored
  std::string where{};        // file and stored name, for errors
  // Row `row` in f32. May be called by several threads at once, for as long as the source lives.
  std::function<void(int64_t row, std::span<float> out)> decode_row;
  // Set when the tensor is stored as codes: their kind, and row `row` of them; nothing is rounded.
  CodeKind code_kind = CodeKind::kNone;
  std::function<void(int64_t row, CodeRow& out)> read_codes{};
  // Set when the tensor is stored as floats that lie on the grid of such codes; read_codes then
  // finds them.
  CodeKind grid = CodeKind::kNone;
  // The stored bytes of a row, for dtypes of one element a block; the span is row-sized.
  std::function<std::span<const std::byte>(int64_t row)> stored_row;
  // Of a matrix that is stored as codes, one of the two: the row's codes, its channel scale
  // returned. Codes are as stored, not checked.
  std::function<float(int64_t row, std::span<int8_t> codes)> int8_row{};
  std::function<float(int64_t row, std::span<ProgressiveGroup> groups)> progressive_row{};
  Progressive form{};  // of progressive_row
  // Tells the source that the tensor has been read.
  std::function<void()> release;
};

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
  virtual Result<SourceTensor> open(std::string_view tensor) const = 0;
  // The weight made of these parts (weight_key()), ready to use; nullopt: to be read by open().
  virtual std::optional<HeldTensor> held(std::string_view /*key*/) const { return std::nullopt; }
};

}  // namespace autoglm
