// The GGUF container, versions 2 and 3: typed metadata, tensor descriptions, aligned data. Knows
// nothing of models (gguf_translation.h does) or of files; the bytes are not trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "autoglm/result.h"
#include "formats/checkpoint.h"

namespace autoglm {

// The numbers that files hold.
enum class GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

// An array of numbers or strings, still encoded: `bytes` was checked to hold exactly `count`
// elements.
struct GgufArray {
  GgufType element = GgufType::kUint8;
  uint64_t count = 0;
  std::span<const std::byte> bytes;

  // Of any integer or float type, converted; empty when the elements are strings.
  std::vector<double> numbers() const;
  // Empty when the elements are not strings.
  std::vector<std::string_view> strings() const;
};

using GgufValue = std::variant<int64_t, uint64_t, double, bool, std::string_view, GgufArray>;

// A parsed file; everything points into the bytes that were parsed.
struct Gguf {
  std::string where;
  uint32_t version = 0;
  std::map<std::string_view, GgufValue> metadata;
  size_t metadata_end = 0;            // first byte after the metadata
  std::vector<StoredTensor> tensors;  // under their GGUF names, in file order, shapes slowest first

  const GgufValue* find(std::string_view key) const;
  // nullopt when the key is missing; an error when it is there and of another kind.
  Result<std::optional<int64_t>> integer(std::string_view key) const;
  Result<std::optional<double>> number(std::string_view key) const;
  Result<std::optional<bool>> boolean(std::string_view key) const;
  Result<std::optional<std::string_view>> string(std::string_view key) const;
  Result<const GgufArray*> array(std::string_view key) const;  // nullptr when missing
  Error wrong(std::string_view key, std::string_view expected) const;
};

// Refused: other versions, big endian files, counts and lengths that the file cannot hold, nested
// arrays, keys or tensors that appear twice, unsupported tensor types, an alignment that is not a
// power of two, tensors that leave the file, are misaligned or overlap.
Result<Gguf> parse_gguf(std::span<const std::byte> file, std::string_view where);

// A file of the same metadata and no tensors.
std::string gguf_without_tensors(std::span<const std::byte> file, const Gguf& gguf);

// Bytes of unknown origin for an error message: unprintable ones as "\xNN", cut to 80.
std::string printable(std::string_view bytes);

}  // namespace autoglm
