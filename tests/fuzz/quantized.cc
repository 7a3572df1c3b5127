// Quantized checkpoints on arbitrary bytes: config.json, a zero byte, a safetensors file. Matrices
// that resolve are decoded, first row and last, so that a wrong bound shows.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/coded_matrix.h"
#include "formats/quantized/resolve.h"
#include "formats/safetensors.h"

namespace {

void decode_ends(const std::vector<autoglm::StoredTensor>& tensors) {
  for (const autoglm::StoredTensor& tensor : tensors) {
    if (tensor.rows() == 0 || tensor.columns() > 1 << 16) continue;
    std::vector<float> row(static_cast<size_t>(tensor.columns()));
    autoglm::decode_row(tensor, tensor.rows() - 1, row);
    autoglm::decode_row(tensor, 0, row);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm;
  const uint8_t* end = std::find(data, data + size, 0);
  if (end == data + size) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), static_cast<size_t>(end - data));
  const auto config = json::parse(text, "fuzz");
  if (!config || !config->is_object()) return 0;
  const auto file = std::as_bytes(std::span(end + 1, data + size));
  auto tensors = parse_safetensors(file, "fuzz");
  if (!tensors) return 0;
  // What `autoglm quantize` wrote, or somebody else.
  const auto coded = read_coded_config(config->get_object(), "fuzz");
  if (!coded) return 0;
  if (*coded) {
    const auto joined = join_coded(*std::move(tensors), **coded);
    if (joined) decode_ends(*joined);
    return 0;
  }
  const auto resolved =
      resolve_quantization(config->get_object(), nullptr, "fuzz", *std::move(tensors));
  if (resolved) decode_ends(resolved->tensors);
  return 0;
}
