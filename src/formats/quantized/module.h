// The tensors of one quantized matrix, found by the matrix's name and checked as they are asked
// for: what the readers of the methods share. Errors name the file and the tensor.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

using TensorIndex = std::map<std::string, const StoredTensor*, std::less<>>;

// What a method makes of a module.
struct QuantizedModule {
  std::shared_ptr<QuantizedMatrix> matrix;
  int64_t rows = 0;
  int64_t columns = 0;
  DType dtype = DType::kF32;
};

// The tensors whose names begin with `prefix`; asking for one takes it out of the checkpoint's
// list.
class ModuleTensors {
 public:
  ModuleTensors(std::string prefix, const TensorIndex& index)
      : prefix_(std::move(prefix)), index_(&index) {}

  // Of one of `dtypes`. nullptr from find(): there is none.
  Result<const StoredTensor*> need(std::string_view suffix, std::initializer_list<DType> dtypes);
  Result<const StoredTensor*> find(std::string_view suffix, std::initializer_list<DType> dtypes);
  const std::vector<const StoredTensor*>& taken() const { return taken_; }

 private:
  std::string prefix_;
  const TensorIndex* index_;
  std::vector<const StoredTensor*> taken_;
};

// The types that scales come in.
inline constexpr std::initializer_list<DType> kScaleTypes = {DType::kF16, DType::kBF16,
                                                             DType::kF32};

Result<void> expect_shape(const StoredTensor& tensor, const std::vector<int64_t>& shape);
Error shape_error(const StoredTensor& tensor, std::string_view expected);

// Element `i` of a tensor of 32-bit words, or of one of kScaleTypes.
uint32_t word_at(const StoredTensor& tensor, int64_t i);
float scale_at(const StoredTensor& tensor, int64_t i);

// Whether f16 holds all numbers of a tensor of one of kScaleTypes. bf16 scales mostly do: their 8
// bits fit down to 2^-17.
bool exact_in_f16(const StoredTensor& scales);

// The value as `dtype` holds it: F16, BF16 or F32.
float rounded_to(DType dtype, float value);

// Calls take(code) for `count` codes of `bits` bits that lie one after the other, low bits first,
// in the words that next() gives.
template <class Next, class Take>
void unpack_bits(int bits, int64_t count, Next next, Take take) {
  uint64_t buffer = 0;
  int held = 0;
  const uint64_t mask = (uint64_t{1} << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    if (held < bits) {
      buffer |= uint64_t{next()} << held;
      held += 32;
    }
    take(static_cast<uint8_t>(buffer & mask));
    buffer >>= bits;
    held -= bits;
  }
}

}  // namespace autoglm
