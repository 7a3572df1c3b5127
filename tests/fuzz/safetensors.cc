// The safetensors parser on arbitrary bytes. The first byte chooses between the parser and the
// index of a sharded checkpoint. What parses is decoded, so that a wrong span shows.
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/hugging_face.h"
#include "formats/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm;
  const auto bytes = std::as_bytes(std::span(data, size));
  if (size > 0 && data[0] == '{') {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto index = json::parse(text, "fuzz")) (void)parse_shard_index(*index, "fuzz");
    return 0;
  }
  const auto tensors = parse_safetensors(bytes, "fuzz");
  if (!tensors) return 0;
  for (const StoredTensor& tensor : *tensors) {
    if (tensor.rows() == 0 || tensor.columns() > 1 << 16) continue;
    std::vector<float> row(static_cast<size_t>(tensor.columns()));
    decode_row(tensor, tensor.rows() - 1, row);
  }
  return 0;
}
