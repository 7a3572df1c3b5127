// Writing GGUF files, version 3.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "formats/tensor_file.h"

namespace autoglm {

// Metadata entries, encoded as they are added. Keys are the caller's to keep apart.
class GgufMetadata {
 public:
  void add_uint32(std::string_view key, uint32_t value);
  void add_float32(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_string(std::string_view key, std::string_view value);
  void add_strings(std::string_view key, std::span<const std::string> values);
  void add_floats(std::string_view key, std::span<const float> values);
  void add_integers(std::string_view key, std::span<const int32_t> values);

  uint64_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }

 private:
  void key(std::string_view key, uint32_t type);

  uint64_t count_ = 0;
  std::string bytes_;
};

// Everything before the data, padded to 32 bytes, the default alignment.
std::string gguf_header(const GgufMetadata& metadata, std::span<const TensorPlan> plans);

// A file whose tensors are appended in the order of `plans`.
Result<TensorFile> create_gguf(const std::string& path, const GgufMetadata& metadata,
                               std::vector<TensorPlan> plans);

}  // namespace autoglm
