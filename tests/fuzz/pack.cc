// The pack header on arbitrary bytes. What parses is read at both ends, so that a wrong span shows,
// and its kept tensors are decoded.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/pack_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm;
  const auto header = parse_pack(std::as_bytes(std::span(data, size)), "fuzz");
  if (!header) return 0;
  unsigned sum = 0;
  for (const PackedWeightEntry& weight : header->weights) {
    sum += std::to_integer<unsigned>(weight.bytes.front());
    sum += std::to_integer<unsigned>(weight.bytes.back());
  }
  for (const StoredTensor& tensor : header->tensors) {
    if (tensor.bytes.empty() || tensor.columns() > 1 << 16) continue;
    std::vector<float> row(static_cast<size_t>(tensor.columns()));
    decode_row(tensor, tensor.rows() - 1, row);
  }
  return sum == UINT32_MAX ? 1 : 0;  // never: keeps the reads
}
