#include "formats/pack_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "formats/shape.h"

namespace autoglm {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "files hold little endian numbers");

constexpr std::string_view kMagic = "AGLMPACK";
constexpr uint32_t kFileVersion = 2;
constexpr size_t kPreamble = 8 + 4 + 4 + 8;            // magic, version, zero, header length
constexpr size_t kMaxHeaderBytes = size_t{256} << 20;  // a million weights take less
constexpr size_t kMaxEntries = size_t{1} << 20;        // weights, and tensors
constexpr int64_t kMaxDimension = int64_t{1} << 40;    // rows, columns

template <class T>
T load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

int64_t page_ceil(int64_t bytes) {
  return (bytes + kPackPageBytes - 1) / kPackPageBytes * kPackPageBytes;
}

// Hands out the file's data front to back: what is asked for must lie behind everything that was
// asked for before, so nothing overlaps.
class Data {
 public:
  Data(std::span<const std::byte> file, int64_t begin) : file_(file), end_(begin) {}

  Result<std::span<const std::byte>> take(const json::Fields& fields, int64_t size_bytes) {
    const int64_t offset = AGLM_TRY(fields.integer("offset"));
    const auto file_bytes = static_cast<int64_t>(file_.size());
    if (offset < end_ || offset % kPackPageBytes != 0 || offset > file_bytes ||
        size_bytes > file_bytes - offset) {
      return Error{ErrorCode::kCorrupt, "data lie outside of the file or of their order",
                   fields.where() + ": offset",
                   fmt::format("a multiple of {} from {}, and {} bytes before {}", kPackPageBytes,
                               end_, size_bytes, file_bytes),
                   fmt::format("{}", offset)};
    }
    end_ = offset + size_bytes;
    return file_.subspan(static_cast<size_t>(offset), static_cast<size_t>(size_bytes));
  }

 private:
  std::span<const std::byte> file_;
  int64_t end_;
};

Result<int64_t> size_field(const json::Fields& fields, std::string_view key, int64_t least) {
  const int64_t value = AGLM_TRY(fields.integer(key));
  if (value < least || value > kMaxDimension) {
    return fields.wrong(key, fmt::format("{} to {}", least, kMaxDimension));
  }
  return value;
}

Result<const json::array*> entries(const json::Fields& header, std::string_view key) {
  const json::array* list = AGLM_TRY(header.list(key));
  if (list->size() > kMaxEntries) {
    return header.wrong(key, fmt::format("at most {} entries", kMaxEntries));
  }
  return list;
}

std::optional<DType> dtype_named(std::string_view name) {
  for (int i = 0; i <= UINT8_MAX; ++i) {
    const auto dtype = static_cast<DType>(i);
    if (name != "?" && dtype_info(dtype).name == name) return dtype;
  }
  return std::nullopt;
}

Result<WeightFile> parse_source(const json::value& entry, const std::string& where) {
  const json::Fields fields = AGLM_TRY(json::fields_of(entry, where));
  // Field by field: compilers forget what an aggregate holds when its initialiser returns early.
  WeightFile file;
  file.name = AGLM_TRY(fields.string("name"));
  file.digest = AGLM_TRY(fields.string("sha256"));
  file.stamp.size_bytes = AGLM_TRY(fields.integer("bytes"));
  file.stamp.inode = AGLM_TRY(fields.integer("inode"));
  file.stamp.modified_ns = AGLM_TRY(fields.integer("modified_ns"));
  file.stamp.changed_ns = AGLM_TRY(fields.integer("changed_ns"));
  file.stamp.reliable = AGLM_TRY(fields.boolean("reliable"));
  return file;
}

Result<StoredTensor> parse_tensor(const json::value& entry, const std::string& where, Data& data) {
  const json::Fields fields = AGLM_TRY(json::fields_of(entry, where));
  StoredTensor tensor;
  tensor.name = AGLM_TRY(fields.string("name"));
  tensor.where = fmt::format("{}: {}", where, tensor.name.substr(0, 200));
  const std::string dtype_name = AGLM_TRY(fields.string("dtype"));
  const std::optional<DType> dtype = dtype_named(dtype_name);
  if (!dtype) return fields.wrong("dtype", "an element type");
  tensor.dtype = *dtype;
  const json::array& shape = *AGLM_TRY(fields.list("shape"));
  for (const json::value& dimension : shape) {
    if (tensor.shape.size() == kMaxRank || !dimension.is_int64() || dimension.get_int64() < 0) {
      return fields.wrong("shape", fmt::format("at most {} whole numbers from 0", kMaxRank));
    }
    tensor.shape.push_back(dimension.get_int64());
  }
  const size_t size = AGLM_TRY(stored_bytes(tensor.dtype, tensor.shape, tensor.where));
  if (fields.find("offset") != nullptr) {
    tensor.bytes = AGLM_TRY(data.take(fields, static_cast<int64_t>(size)));
  }
  return tensor;
}

Result<PackedWeightEntry> parse_weight(const json::value& entry, const std::string& where,
                                       Data& data) {
  const json::Fields fields = AGLM_TRY(json::fields_of(entry, where));
  PackedWeightEntry weight;
  weight.key = AGLM_TRY(fields.string("rows_of"));
  weight.form = AGLM_TRY(fields.string("form"));
  weight.format = AGLM_TRY(fields.string("format"));
  weight.order = AGLM_TRY(fields.string("order"));
  weight.rows = AGLM_TRY(size_field(fields, "rows", 1));
  weight.columns = AGLM_TRY(size_field(fields, "columns", 1));
  weight.size_bytes = AGLM_TRY(fields.integer("bytes"));
  if (weight.size_bytes < 1) return fields.wrong("bytes", "a whole number from 1");
  weight.bytes = AGLM_TRY(data.take(fields, weight.size_bytes));
  return weight;
}

Error twice(const std::string& where, std::string_view name) {
  return Error{ErrorCode::kCorrupt, "name appears twice", where, "each name once",
               std::string(name.substr(0, 200))};
}

struct Text {
  std::string_view json;
  int64_t data_begin = 0;
};

Result<Text> header_text(std::span<const std::byte> file, std::string_view where) {
  if (file.size() < kPreamble || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0) {
    return Error{ErrorCode::kCorrupt, "not a pack file", std::string(where),
                 fmt::format("a file that begins with {}", kMagic), "something else"};
  }
  const auto version = load<uint32_t>(file.data() + 8);
  if (version != kFileVersion) {
    return Error{ErrorCode::kUnsupported, "pack file has another version; pack again",
                 std::string(where), fmt::format("{}", kFileVersion), fmt::format("{}", version)};
  }
  const auto length = load<uint64_t>(file.data() + 16);
  const size_t room = std::min(file.size() - kPreamble, kMaxHeaderBytes);
  if (length > room) {
    return Error{ErrorCode::kCorrupt, "pack header is too long", std::string(where),
                 fmt::format("at most {} bytes", room), fmt::format("{} bytes", length)};
  }
  return Text{{reinterpret_cast<const char*>(file.data()) + kPreamble, static_cast<size_t>(length)},
              static_cast<int64_t>(kPreamble + length)};
}

json::object source_json(const WeightFile& file) {
  return {{"name", file.name},
          {"sha256", file.digest},
          {"bytes", file.stamp.size_bytes},
          {"inode", file.stamp.inode},
          {"modified_ns", file.stamp.modified_ns},
          {"changed_ns", file.stamp.changed_ns},
          {"reliable", file.stamp.reliable}};
}

// The header with the places of everything in a file whose data begin at `begin`.
json::object header_json(const PackHeader& header, int64_t begin) {
  json::array source;
  for (const WeightFile& file : header.source) source.push_back(source_json(file));
  int64_t offset = begin;
  json::array tensors;
  for (const StoredTensor& tensor : header.tensors) {
    json::object entry{{"name", tensor.name},
                       {"dtype", dtype_info(tensor.dtype).name},
                       {"shape", boost::json::value_from(tensor.shape)}};
    if (!tensor.bytes.empty()) {
      entry["offset"] = offset;
      offset += page_ceil(static_cast<int64_t>(tensor.bytes.size()));
    }
    tensors.push_back(std::move(entry));
  }
  json::array weights;
  for (const PackedWeightEntry& weight : header.weights) {
    weights.push_back(json::object{{"rows_of", weight.key},
                                   {"form", weight.form},
                                   {"format", weight.format},
                                   {"order", weight.order},
                                   {"rows", weight.rows},
                                   {"columns", weight.columns},
                                   {"offset", offset},
                                   {"bytes", weight.size_bytes}});
    offset += page_ceil(weight.size_bytes);
  }
  return {{"layout", header.layout_version},     {"rounding", header.rounding_version},
          {"architecture", header.architecture}, {"quantize", header.quantize},
          {"source", std::move(source)},         {"configuration", header.configuration},
          {"quantization", header.quantization}, {"tensors", std::move(tensors)},
          {"weights", std::move(weights)}};
}

}  // namespace

Result<PackHeader> parse_pack(std::span<const std::byte> file, std::string_view where) {
  const Text text = AGLM_TRY(header_text(file, where));
  const std::string name = fmt::format("{}: header", where);
  const json::value document =
      AGLM_TRY(json::parse(text.json, name, {.max_bytes = kMaxHeaderBytes, .max_depth = 8}));
  const json::Fields fields = AGLM_TRY(json::fields_of(document, name));
  PackHeader header;
  header.layout_version = AGLM_TRY(fields.integer("layout"));
  header.rounding_version = AGLM_TRY(fields.integer("rounding"));
  header.architecture = AGLM_TRY(fields.string("architecture"));
  header.quantize = AGLM_TRY(fields.string("quantize"));
  for (const json::value& entry : *AGLM_TRY(entries(fields, "source"))) {
    header.source.push_back(AGLM_TRY(parse_source(entry, name + ": source")));
  }
  header.configuration = AGLM_TRY(fields.string("configuration"));
  header.quantization = AGLM_TRY(fields.string("quantization"));
  Data data(file, text.data_begin);
  std::set<std::string_view> seen;
  const json::array& tensors = *AGLM_TRY(entries(fields, "tensors"));
  header.tensors.reserve(tensors.size());
  for (const json::value& entry : tensors) {
    header.tensors.push_back(AGLM_TRY(parse_tensor(entry, name + ": tensors", data)));
    const std::string& given = header.tensors.back().name;
    if (!seen.insert(given).second) return twice(name + ": tensors", given);
  }
  seen.clear();
  const json::array& weights = *AGLM_TRY(entries(fields, "weights"));
  header.weights.reserve(weights.size());
  for (const json::value& entry : weights) {
    header.weights.push_back(AGLM_TRY(parse_weight(entry, name + ": weights", data)));
    const std::string& key = header.weights.back().key;
    if (!seen.insert(key).second) return twice(name + ": weights", key);
  }
  return header;
}

PackFile::PackFile(MappedFile file, PackHeader header)
    : file_(std::move(file)), header_(std::move(header)) {
  for (const PackedWeightEntry& weight : header_.weights) index_.emplace(weight.key, &weight);
}

Result<std::shared_ptr<const PackFile>> PackFile::open(const std::string& path) {
  MappedFile file = AGLM_TRY(MappedFile::open(path));
  PackHeader header = AGLM_TRY(parse_pack(file.bytes(), path));
  return std::shared_ptr<const PackFile>(new PackFile(std::move(file), std::move(header)));
}

const PackedWeightEntry* PackFile::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : found->second;
}

Result<TensorFile> create_pack(const std::string& path, const PackHeader& header) {
  // The length of the header depends on the offsets in it, which depend on its length: offsets for
  // a later begin are as long or longer, so a few rounds settle it.
  int64_t begin = kPackPageBytes;
  std::string text;
  while (true) {
    text = boost::json::serialize(header_json(header, begin));
    const int64_t needed = page_ceil(static_cast<int64_t>(kPreamble + text.size()));
    if (needed <= begin) break;
    begin = needed;
  }
  std::string head(kMagic);
  const auto put = [&head](auto number) {
    head.append(reinterpret_cast<const char*>(&number), sizeof number);
  };
  put(kFileVersion);
  put(uint32_t{0});
  put(uint64_t{text.size()});
  head += text;
  head.resize(static_cast<size_t>(begin), '\0');
  std::vector<TensorPlan> plans;
  for (const StoredTensor& tensor : header.tensors) {
    if (tensor.bytes.empty()) continue;
    plans.push_back({tensor.name, DType::kU8, {static_cast<int64_t>(tensor.bytes.size())}});
  }
  for (const PackedWeightEntry& weight : header.weights) {
    AGLM_CHECK(weight.size_bytes > 0, "{} of {} bytes", weight.key, weight.size_bytes);
    plans.push_back({weight.key, DType::kU8, {weight.size_bytes}});
  }
  TensorFile file = AGLM_TRY(
      TensorFile::create(path, head, std::move(plans), static_cast<size_t>(kPackPageBytes)));
  for (const StoredTensor& tensor : header.tensors) AGLM_TRY(file.append(tensor.bytes));
  return file;
}

std::string pack_path_beside(const std::string& path, std::string_view quantize) {
  std::error_code ignored;
  return fmt::format("{}{}autoglm-{}.pack", path, fs::is_directory(path, ignored) ? "/" : ".",
                     quantize);
}

}  // namespace autoglm
