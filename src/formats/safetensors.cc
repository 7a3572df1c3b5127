#include "formats/safetensors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <boost/json/basic_parser_impl.hpp>
#include <cstring>
#include <optional>
#include <set>
#include <string>

#include "base/json.h"
#include "base/utf8.h"
#include "formats/shape.h"

namespace autoglm {
namespace {

static_assert(std::endian::native == std::endian::little, "files hold little endian numbers");

constexpr size_t kMaxHeaderBytes = 100'000'000;  // safetensors' own limit
constexpr size_t kMaxHeaderDepth = 8;            // a header is three deep

// Finds a key that one object holds twice: the JSON library would keep the last and say nothing.
struct DuplicateKeys {
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);
  using Code = boost::json::error_code;
  using Text = boost::json::string_view;

  std::vector<std::set<std::string>> open_objects;
  std::string key;
  std::optional<std::string> found;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) {
    open_objects.emplace_back();
    return true;
  }
  bool on_object_end(size_t, Code&) {
    open_objects.pop_back();
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(size_t, Code&) { return true; }
  bool on_key_part(Text part, size_t, Code&) {
    key += part;
    return true;
  }
  bool on_key(Text part, size_t, Code& code) {
    key += part;
    if (!open_objects.back().insert(key).second) {
      found = key;
      code = boost::json::error::syntax;  // stops the parser; the caller looks at `found`
      return false;
    }
    key.clear();
    return true;
  }
  bool on_string_part(Text, size_t, Code&) { return true; }
  bool on_string(Text, size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(int64_t, Text, Code&) { return true; }
  bool on_uint64(uint64_t, Text, Code&) { return true; }
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

std::optional<std::string> duplicate_key(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kMaxHeaderDepth;
  boost::json::basic_parser<DuplicateKeys> parser(options);
  boost::json::error_code code;
  parser.write_some(false, text.data(), text.size(), code);
  return parser.handler().found;
}

Result<DType> parse_dtype(const json::Fields& fields) {
  const std::string name = AGLM_TRY(fields.string("dtype"));
  for (const DType dtype :
       {DType::kF32, DType::kF16, DType::kBF16, DType::kF64, DType::kI8, DType::kI16, DType::kI32,
        DType::kI64, DType::kU8, DType::kBool, DType::kF8E4M3, DType::kF8E5M2}) {
    if (dtype_info(dtype).name == name) return dtype;
  }
  return Error{ErrorCode::kUnsupported, "tensor has an unsupported dtype",
               fields.where() + ": dtype",
               "F32, F16, BF16, F64, I8, I16, I32, I64, U8, BOOL, F8_E4M3 or F8_E5M2",
               std::string(utf8_prefix(name, 40))};
}

Result<std::vector<int64_t>> parse_shape(const json::Fields& fields) {
  const json::array& list = *AGLM_TRY(fields.list("shape"));
  std::vector<int64_t> shape;
  if (list.size() > kMaxRank) {
    return Error{ErrorCode::kUnsupported, "tensor has too many dimensions",
                 fields.where() + ": shape", fmt::format("at most {}", kMaxRank),
                 fmt::format("{}", list.size())};
  }
  for (const json::value& dimension : list) {
    if (!dimension.is_int64() || dimension.get_int64() < 0) {
      return fields.wrong("shape", "an array of integers that are not negative");
    }
    shape.push_back(dimension.get_int64());
  }
  return shape;
}

struct Range {
  size_t begin = 0;
  size_t end = 0;
};

Result<Range> parse_offsets(const json::Fields& fields, size_t data_bytes) {
  const json::array& list = *AGLM_TRY(fields.list("data_offsets"));
  if (list.size() != 2 || !list[0].is_int64() || !list[1].is_int64()) {
    return fields.wrong("data_offsets", "an array of two integers");
  }
  const int64_t begin = list[0].get_int64();
  const int64_t end = list[1].get_int64();
  if (begin < 0 || end < begin || static_cast<uint64_t>(end) > data_bytes) {
    return Error{
        ErrorCode::kCorrupt, "tensor lies outside of the file", fields.where() + ": data_offsets",
        fmt::format("0 <= begin <= end <= {}", data_bytes), fmt::format("[{}, {}]", begin, end)};
  }
  return Range{static_cast<size_t>(begin), static_cast<size_t>(end)};
}

Result<StoredTensor> parse_tensor(std::string_view name, const json::value& entry,
                                  std::span<const std::byte> data, std::string_view where) {
  StoredTensor tensor;
  tensor.name = name;
  tensor.where = fmt::format("{}: {}", where, name.substr(0, 200));
  const json::Fields fields = AGLM_TRY(json::fields_of(entry, tensor.where));
  tensor.dtype = AGLM_TRY(parse_dtype(fields));
  tensor.shape = AGLM_TRY(parse_shape(fields));
  const Range range = AGLM_TRY(parse_offsets(fields, data.size()));
  const size_t expected = AGLM_TRY(stored_bytes(tensor.dtype, tensor.shape, tensor.where));
  if (range.end - range.begin != expected) {
    return Error{ErrorCode::kCorrupt, "tensor's length contradicts its shape", tensor.where,
                 fmt::format("{} bytes for {} [{}]", expected, dtype_info(tensor.dtype).name,
                             fmt::join(tensor.shape, ", ")),
                 fmt::format("{} bytes", range.end - range.begin)};
  }
  tensor.bytes = data.subspan(range.begin, expected);
  return tensor;
}

Result<void> check_metadata(const json::value& metadata, std::string_view where) {
  const std::string here = fmt::format("{}: __metadata__", where);
  const json::Fields fields = AGLM_TRY(json::fields_of(metadata, here));
  for (const auto& entry : fields.raw()) {
    if (!entry.value().is_string()) return fields.wrong(entry.key(), "a string");
  }
  return {};
}

// Sorted tensors must follow one another without gap, from the first data byte to the last.
Result<void> check_tiling(const std::vector<StoredTensor>& tensors, std::span<const std::byte> data,
                          std::string_view where) {
  const std::byte* next = data.data();
  for (const StoredTensor& tensor : tensors) {
    if (tensor.bytes.data() != next) {
      return Error{ErrorCode::kCorrupt,
                   tensor.bytes.data() < next ? "tensor overlaps the one before it"
                                              : "bytes before the tensor belong to none",
                   tensor.where, fmt::format("data from byte {}", next - data.data()),
                   fmt::format("data from byte {}", tensor.bytes.data() - data.data())};
    }
    next += tensor.bytes.size();
  }
  if (next != data.data() + data.size()) {
    return Error{ErrorCode::kCorrupt, "bytes after the last tensor belong to none",
                 std::string(where), fmt::format("{} bytes of data", next - data.data()),
                 fmt::format("{} bytes", data.size())};
  }
  return {};
}

}  // namespace

Result<std::vector<StoredTensor>> parse_safetensors(std::span<const std::byte> file,
                                                    std::string_view where) {
  uint64_t header_bytes = 0;
  if (file.size() < sizeof header_bytes) {
    return Error{ErrorCode::kCorrupt, "file is too short for a safetensors header",
                 std::string(where), "at least 8 bytes", fmt::format("{} bytes", file.size())};
  }
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  const size_t room = std::min(file.size() - sizeof header_bytes, kMaxHeaderBytes);
  if (header_bytes > room) {
    return Error{ErrorCode::kCorrupt, "cut off, or no safetensors file: header is too long",
                 std::string(where), fmt::format("at most {} bytes", room),
                 fmt::format("{} bytes", header_bytes)};
  }
  const std::string_view text(reinterpret_cast<const char*>(file.data()) + sizeof header_bytes,
                              static_cast<size_t>(header_bytes));
  const std::string header_name = fmt::format("{}: header", where);
  if (!text.starts_with('{')) {
    return Error{ErrorCode::kCorrupt, "safetensors header is not an object", header_name,
                 "a JSON object from its first byte on", "something else"};
  }
  if (const auto key = duplicate_key(text)) {
    return Error{ErrorCode::kCorrupt, "name appears twice", header_name, "each name once",
                 key->substr(0, 200)};
  }
  const json::value header = AGLM_TRY(
      json::parse(text, header_name, {.max_bytes = kMaxHeaderBytes, .max_depth = kMaxHeaderDepth}));
  const json::Fields fields = AGLM_TRY(json::fields_of(header, header_name));

  const std::span<const std::byte> data = file.subspan(sizeof header_bytes + text.size());
  std::vector<StoredTensor> tensors;
  for (const auto& entry : fields.raw()) {
    if (entry.key() == "__metadata__") {
      AGLM_TRY(check_metadata(entry.value(), where));
      continue;
    }
    tensors.push_back(AGLM_TRY(parse_tensor(entry.key(), entry.value(), data, where)));
  }
  std::sort(tensors.begin(), tensors.end(), [](const StoredTensor& a, const StoredTensor& b) {
    return a.bytes.data() != b.bytes.data() ? a.bytes.data() < b.bytes.data()
                                            : a.bytes.size() < b.bytes.size();
  });
  AGLM_TRY(check_tiling(tensors, data, where));
  return tensors;
}

}  // namespace autoglm
