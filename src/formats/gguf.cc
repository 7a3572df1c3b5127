#include "formats/gguf.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <set>

#include "formats/shape.h"

namespace autoglm {
namespace {

static_assert(std::endian::native == std::endian::little, "files hold little endian numbers");

constexpr uint64_t kMaxKeyBytes = 65535;      // the specification's limit
constexpr uint64_t kMaxNameBytes = 256;       // ggml stops at 63
constexpr uint32_t kMaxDimensions = 4;        // ggml's limit
constexpr uint64_t kDefaultAlignment = 32;    // the specification's
constexpr uint64_t kMaxAlignment = 1u << 20;  // more than any page or disk block
// The shortest entries: a one-byte value with an empty key; a tensor of one dimension, no name.
constexpr uint64_t kMinEntryBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

// Bytes of one element; 0 for strings and arrays, whose size varies.
size_t element_bytes(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool: return 1;
    case GgufType::kUint16:
    case GgufType::kInt16: return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32: return 4;
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64: return 8;
    case GgufType::kString:
    case GgufType::kArray: return 0;
  }
  return 0;
}

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

// Reads forward through the file; every read is checked against its end.
class Reader {
 public:
  Reader(std::span<const std::byte> file, std::string_view where) : file_(file), where_(where) {}

  size_t position() const { return position_; }
  uint64_t left() const { return file_.size() - position_; }

  Error error(std::string_view what, std::string expected, std::string found) const {
    return Error{ErrorCode::kCorrupt, std::string(what),
                 fmt::format("{}: byte {}", where_, position_), std::move(expected),
                 std::move(found)};
  }

  Result<std::span<const std::byte>> bytes(uint64_t count, std::string_view what) {
    if (count > left()) {
      return error(fmt::format("file ends inside {}", what), fmt::format("{} bytes", count),
                   fmt::format("{} bytes", left()));
    }
    const auto part = file_.subspan(position_, static_cast<size_t>(count));
    position_ += part.size();
    return part;
  }

  template <class T>
  Result<T> value(std::string_view what) {
    const auto part = AGLM_TRY(bytes(sizeof(T), what));
    return load<T>(part.data());
  }

  Result<std::string_view> text(std::string_view what, uint64_t longest) {
    const auto length = AGLM_TRY(value<uint64_t>(what));
    if (length > longest) {
      return error(fmt::format("length of {} is out of range", what),
                   fmt::format("at most {} bytes", longest), fmt::format("{} bytes", length));
    }
    const auto part = AGLM_TRY(bytes(length, what));
    return std::string_view(reinterpret_cast<const char*>(part.data()), part.size());
  }

 private:
  std::span<const std::byte> file_;
  std::string_view where_;
  size_t position_ = 0;
};

Result<GgufType> read_type(Reader& reader, std::string_view what) {
  const auto type = AGLM_TRY(reader.value<uint32_t>(what));
  if (type > static_cast<uint32_t>(GgufType::kFloat64)) {
    return reader.error(fmt::format("type of {} is unknown", what), "0 to 12",
                        fmt::format("{}", type));
  }
  return static_cast<GgufType>(type);
}

GgufValue scalar(GgufType type, const std::byte* at) {
  switch (type) {
    case GgufType::kUint8: return uint64_t{load<uint8_t>(at)};
    case GgufType::kUint16: return uint64_t{load<uint16_t>(at)};
    case GgufType::kUint32: return uint64_t{load<uint32_t>(at)};
    case GgufType::kUint64: return load<uint64_t>(at);
    case GgufType::kInt8: return int64_t{load<int8_t>(at)};
    case GgufType::kInt16: return int64_t{load<int16_t>(at)};
    case GgufType::kInt32: return int64_t{load<int32_t>(at)};
    case GgufType::kInt64: return load<int64_t>(at);
    case GgufType::kFloat32: return double{load<float>(at)};
    case GgufType::kFloat64: return load<double>(at);
    case GgufType::kBool: return load<uint8_t>(at) != 0;
    case GgufType::kString:
    case GgufType::kArray: break;
  }
  return uint64_t{0};
}

Result<GgufValue> read_array(Reader& reader, std::span<const std::byte> file,
                             std::string_view what) {
  GgufArray array;
  array.element = AGLM_TRY(read_type(reader, what));
  array.count = AGLM_TRY(reader.value<uint64_t>(what));
  if (array.element == GgufType::kArray) {
    return Error{ErrorCode::kUnsupported, "array holds arrays", std::string(what),
                 "numbers or strings", "arrays"};
  }
  const uint64_t smallest = array.element == GgufType::kString ? 8 : element_bytes(array.element);
  if (array.count > reader.left() / smallest) {
    return reader.error(fmt::format("{} has more elements than the file can hold", what),
                        fmt::format("at most {}", reader.left() / smallest),
                        fmt::format("{}", array.count));
  }
  if (array.element != GgufType::kString) {
    array.bytes = AGLM_TRY(reader.bytes(array.count * smallest, what));
    return GgufValue(array);
  }
  const size_t begin = reader.position();
  for (uint64_t i = 0; i < array.count; ++i) AGLM_TRY(reader.text(what, reader.left()));
  array.bytes = file.subspan(begin, reader.position() - begin);
  return GgufValue(array);
}

Result<void> read_entry(Reader& reader, std::span<const std::byte> file, Gguf& gguf) {
  const std::string_view key = AGLM_TRY(reader.text("a metadata key", kMaxKeyBytes));
  const std::string what = fmt::format("metadata {}", printable(key));
  const GgufType type = AGLM_TRY(read_type(reader, what));
  GgufValue value;
  if (type == GgufType::kArray) {
    value = AGLM_TRY(read_array(reader, file, what));
  } else if (type == GgufType::kString) {
    value = AGLM_TRY(reader.text(what, reader.left()));
  } else {
    const auto bytes = AGLM_TRY(reader.bytes(element_bytes(type), what));
    value = scalar(type, bytes.data());
  }
  if (!gguf.metadata.emplace(key, value).second) {
    return reader.error("metadata key appears twice", "each key once", printable(key));
  }
  return {};
}

// ggml's numbers of the tensor types that dtype.h knows.
std::optional<DType> dtype_of(uint32_t ggml_type) {
  switch (ggml_type) {
    case 0: return DType::kF32;
    case 1: return DType::kF16;
    case 2: return DType::kQ4_0;
    case 3: return DType::kQ4_1;
    case 6: return DType::kQ5_0;
    case 7: return DType::kQ5_1;
    case 8: return DType::kQ8_0;
    case 10: return DType::kQ2_K;
    case 11: return DType::kQ3_K;
    case 12: return DType::kQ4_K;
    case 13: return DType::kQ5_K;
    case 14: return DType::kQ6_K;
    case 20: return DType::kIQ4_NL;
    case 23: return DType::kIQ4_XS;
    case 24: return DType::kI8;
    case 25: return DType::kI16;
    case 26: return DType::kI32;
    case 27: return DType::kI64;
    case 28: return DType::kF64;
    case 30: return DType::kBF16;
    default: return std::nullopt;
  }
}

struct Described {
  StoredTensor tensor;
  uint64_t offset = 0;
};

Result<Described> read_tensor(Reader& reader, std::string_view where) {
  Described described;
  StoredTensor& tensor = described.tensor;
  tensor.name = AGLM_TRY(reader.text("a tensor's name", kMaxNameBytes));
  tensor.where = fmt::format("{}: {}", where, printable(tensor.name));
  const auto dimensions = AGLM_TRY(reader.value<uint32_t>("a tensor's description"));
  if (dimensions < 1 || dimensions > kMaxDimensions) {
    return Error{ErrorCode::kCorrupt, "number of dimensions is out of range", tensor.where,
                 fmt::format("1 to {}", kMaxDimensions), fmt::format("{}", dimensions)};
  }
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto size = AGLM_TRY(reader.value<uint64_t>("a tensor's description"));
    if (size < 1 || size > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return Error{ErrorCode::kCorrupt, "dimension is out of range", tensor.where, "1 to 2^63 - 1",
                   fmt::format("{}", size)};
    }
    tensor.shape.insert(tensor.shape.begin(), static_cast<int64_t>(size));
  }
  const auto type = AGLM_TRY(reader.value<uint32_t>("a tensor's description"));
  const auto dtype = dtype_of(type);
  if (!dtype) {
    return Error{ErrorCode::kUnsupported, "tensor has an unsupported type", tensor.where,
                 "F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 or Q2_K to Q6_K",
                 fmt::format("ggml type {}", type)};
  }
  tensor.dtype = *dtype;
  described.offset = AGLM_TRY(reader.value<uint64_t>("a tensor's description"));
  return described;
}

Result<uint64_t> alignment_of(const Gguf& gguf) {
  const auto stated = AGLM_TRY(gguf.integer("general.alignment"));
  if (!stated) return kDefaultAlignment;
  const auto alignment = static_cast<uint64_t>(*stated);
  if (*stated < 1 || alignment > kMaxAlignment || !std::has_single_bit(alignment)) {
    return gguf.wrong("general.alignment", "a power of two, at most 2^20");
  }
  return alignment;
}

Result<void> place(Described& described, std::span<const std::byte> data, uint64_t alignment) {
  StoredTensor& tensor = described.tensor;
  const size_t size = AGLM_TRY(stored_bytes(tensor.dtype, tensor.shape, tensor.where));
  if (described.offset % alignment != 0) {
    return Error{ErrorCode::kCorrupt, "tensor's offset is not aligned", tensor.where,
                 fmt::format("a multiple of {}", alignment), fmt::format("{}", described.offset)};
  }
  if (described.offset > data.size() || size > data.size() - described.offset) {
    return Error{ErrorCode::kCorrupt, "tensor ends after the file", tensor.where,
                 fmt::format("{} bytes from byte {} of the data", size, described.offset),
                 fmt::format("{} bytes of data", data.size())};
  }
  tensor.bytes = data.subspan(static_cast<size_t>(described.offset), size);
  return {};
}

Result<void> check_overlaps(const std::vector<StoredTensor>& tensors) {
  std::vector<const StoredTensor*> sorted;
  for (const StoredTensor& tensor : tensors) sorted.push_back(&tensor);
  std::sort(sorted.begin(), sorted.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return a->bytes.data() < b->bytes.data();
  });
  for (size_t i = 1; i < sorted.size(); ++i) {
    const auto& before = sorted[i - 1]->bytes;
    if (before.data() + before.size() > sorted[i]->bytes.data()) {
      return Error{ErrorCode::kCorrupt, "tensor overlaps another", sorted[i]->where,
                   "bytes of its own", fmt::format("bytes of {}", sorted[i - 1]->where)};
    }
  }
  return {};
}

Result<uint32_t> read_version(Reader& reader) {
  const auto magic = AGLM_TRY(reader.bytes(4, "the header"));
  if (std::memcmp(magic.data(), "GGUF", 4) != 0) {
    return reader.error(
        "not a GGUF file", "GGUF; a safetensors checkpoint is named by its directory",
        printable(std::string_view(reinterpret_cast<const char*>(magic.data()), magic.size())));
  }
  const auto version = AGLM_TRY(reader.value<uint32_t>("the header"));
  if (version != 2 && version != 3) {
    const bool swapped = (version & 0xffffu) == 0 && version != 0;
    Error error = reader.error("GGUF version is not supported", "2 or 3",
                               swapped ? "a big endian file" : fmt::format("{}", version));
    error.code = ErrorCode::kUnsupported;
    return error;
  }
  return version;
}

Result<uint64_t> read_count(Reader& reader, std::string_view what, uint64_t smallest) {
  const auto count = AGLM_TRY(reader.value<uint64_t>("the header"));
  if (count > reader.left() / smallest) {
    return reader.error(fmt::format("more {} than the file can hold", what),
                        fmt::format("at most {}", reader.left() / smallest),
                        fmt::format("{}", count));
  }
  return count;
}

}  // namespace

std::string printable(std::string_view bytes) {
  std::string text;
  for (const char c : bytes.substr(0, 80)) {
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code < 0x7f) {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", code);
    }
  }
  if (bytes.size() > 80) text += "...";
  return text;
}

std::vector<double> GgufArray::numbers() const {
  std::vector<double> out;
  const size_t size = element_bytes(element);
  if (size == 0) return out;
  out.reserve(bytes.size() / size);
  for (size_t i = 0; i < bytes.size(); i += size) {
    const GgufValue value = scalar(element, bytes.data() + i);
    out.push_back(std::visit(
        [](const auto& v) -> double {
          if constexpr (std::is_arithmetic_v<std::decay_t<decltype(v)>>) {
            return static_cast<double>(v);
          } else {
            return 0;
          }
        },
        value));
  }
  return out;
}

std::vector<std::string_view> GgufArray::strings() const {
  std::vector<std::string_view> out;
  if (element != GgufType::kString) return out;
  out.reserve(static_cast<size_t>(count));
  size_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    const auto length = static_cast<size_t>(load<uint64_t>(bytes.data() + at));
    out.emplace_back(reinterpret_cast<const char*>(bytes.data() + at + 8), length);
    at += 8 + length;
  }
  return out;
}

const GgufValue* Gguf::find(std::string_view key) const {
  const auto entry = metadata.find(key);
  return entry == metadata.end() ? nullptr : &entry->second;
}

Error Gguf::wrong(std::string_view key, std::string_view expected) const {
  struct Describe {
    std::string operator()(int64_t v) const { return fmt::format("{}", v); }
    std::string operator()(uint64_t v) const { return fmt::format("{}", v); }
    std::string operator()(double v) const { return fmt::format("{}", v); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::string_view v) const { return fmt::format("\"{}\"", printable(v)); }
    std::string operator()(const GgufArray& v) const {
      return fmt::format("an array of {}", v.count);
    }
  };
  const GgufValue* value = find(key);
  return Error{value == nullptr ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument,
               value == nullptr ? "metadata is missing" : "metadata has the wrong value",
               fmt::format("{}: {}", where, key), std::string(expected),
               value == nullptr ? "nothing" : std::visit(Describe{}, *value)};
}

Result<std::optional<int64_t>> Gguf::integer(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<int64_t>();
  if (const auto* v = std::get_if<int64_t>(value)) return std::optional<int64_t>(*v);
  if (const auto* v = std::get_if<uint64_t>(value);
      v != nullptr && *v <= uint64_t{std::numeric_limits<int64_t>::max()}) {
    return std::optional<int64_t>(static_cast<int64_t>(*v));
  }
  return wrong(key, "an integer");
}

Result<std::optional<double>> Gguf::number(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<double>();
  if (const auto* v = std::get_if<double>(value)) return std::optional<double>(*v);
  if (const auto* v = std::get_if<int64_t>(value)) {
    return std::optional<double>(static_cast<double>(*v));
  }
  if (const auto* v = std::get_if<uint64_t>(value)) {
    return std::optional<double>(static_cast<double>(*v));
  }
  return wrong(key, "a number");
}

Result<std::optional<bool>> Gguf::boolean(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (const auto* v = std::get_if<bool>(value)) return std::optional<bool>(*v);
  return wrong(key, "true or false");
}

Result<std::optional<std::string_view>> Gguf::string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::string_view>();
  if (const auto* v = std::get_if<std::string_view>(value)) {
    return std::optional<std::string_view>(*v);
  }
  return wrong(key, "a string");
}

Result<const GgufArray*> Gguf::array(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return static_cast<const GgufArray*>(nullptr);
  if (const auto* v = std::get_if<GgufArray>(value)) return v;
  return wrong(key, "an array");
}

Result<Gguf> parse_gguf(std::span<const std::byte> file, std::string_view where) {
  Gguf gguf;
  gguf.where = where;
  Reader reader(file, where);
  gguf.version = AGLM_TRY(read_version(reader));
  const uint64_t n_tensors = AGLM_TRY(read_count(reader, "tensors", kMinTensorBytes));
  const uint64_t n_entries = AGLM_TRY(read_count(reader, "metadata entries", kMinEntryBytes));
  for (uint64_t i = 0; i < n_entries; ++i) AGLM_TRY(read_entry(reader, file, gguf));
  const uint64_t alignment = AGLM_TRY(alignment_of(gguf));
  gguf.metadata_end = reader.position();

  std::vector<Described> described;
  std::set<std::string> names;
  for (uint64_t i = 0; i < n_tensors; ++i) {
    described.push_back(AGLM_TRY(read_tensor(reader, where)));
    const StoredTensor& tensor = described.back().tensor;
    if (!names.insert(tensor.name).second) {
      return Error{ErrorCode::kCorrupt, "tensor appears twice", tensor.where, "each name once",
                   "two of them"};
    }
  }
  const uint64_t begin = (reader.position() + alignment - 1) / alignment * alignment;
  const auto data =
      begin < file.size() ? file.subspan(static_cast<size_t>(begin)) : std::span<const std::byte>();
  for (Described& one : described) {
    AGLM_TRY(place(one, data, alignment));
    gguf.tensors.push_back(std::move(one.tensor));
  }
  AGLM_TRY(check_overlaps(gguf.tensors));
  return gguf;
}

std::string gguf_without_tensors(std::span<const std::byte> file, const Gguf& gguf) {
  std::string copy(reinterpret_cast<const char*>(file.data()), gguf.metadata_end);
  constexpr size_t kTensorCount = 8;  // after the magic and the version
  copy.replace(kTensorCount, sizeof(uint64_t), sizeof(uint64_t), '\0');
  return copy;
}

}  // namespace autoglm
