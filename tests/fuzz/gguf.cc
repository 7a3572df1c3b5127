// The GGUF parser, its vocabulary and its translation to Hugging Face's names on arbitrary bytes.
// What is accepted is decoded, so that a wrong span or row order shows.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_translation.h"
#include "formats/gguf_vocabulary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm;
  const auto gguf = parse_gguf(std::as_bytes(std::span(data, size)), "fuzz");
  if (!gguf) return 0;
  (void)gguf_vocabulary(*gguf);
  const auto translated = translate_gguf(*gguf);
  if (!translated) return 0;
  for (const StoredTensor& tensor : translated->tensors) {
    if (tensor.columns() > 1 << 16) continue;
    std::vector<float> row(static_cast<size_t>(tensor.columns()));
    decode_row(tensor, tensor.rows() - 1, row);
    decode_row(tensor, 0, row);
  }
  return 0;
}
