// Where a device gets a graph's weights from, by the names that the graph carries. Whoever joins a
// checkpoint, a model and a device implements it; devices know no file format.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "tensor/dtype.h"

namespace autoglm {

struct SourceTensor {
  DType dtype = DType::kF32;  // as stored
  std::string where{};        // file and stored name, for errors
  // Row `row` in f32. May be called by several threads at once, for as long as the source lives.
  std::function<void(int64_t row, std::span<float> out)> decode_row;
  // The stored bytes of a row, for dtypes of one element a block; the span is row-sized.
  std::function<std::span<const std::byte>(int64_t row)> stored_row;
  // Tells the source that the tensor has been read.
  std::function<void()> release;
};

class WeightSource {
 public:
  virtual ~WeightSource() = default;
  virtual Result<SourceTensor> open(std::string_view tensor) const = 0;
};

}  // namespace autoglm
