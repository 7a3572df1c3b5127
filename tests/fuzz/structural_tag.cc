// Structural tags of requests, compiled and followed.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "grammar_source.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  autoglm::grammar::follow_grammar(autoglm::StructuredOutput::Kind::kStructuralTag, source);
  return 0;
}
