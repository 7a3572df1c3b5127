#include "runtime/checkpoint_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "base/log.h"
#include "formats/model_identity.h"
#include "quant/grid.h"

namespace autoglm {
namespace {

// The kind of codes on whose grid rows from all over a matrix of floats lie.
CodeKind find_grid(const StoredTensor& tensor) {
  constexpr int64_t kSampleRows = 8;
  if (tensor.shape.size() != 2) return CodeKind::kNone;
  const int64_t rows = tensor.shape[0];
  std::vector<float> row(static_cast<size_t>(tensor.shape[1]));
  std::optional<CodeKind> common;
  for (int64_t i = 0; i < std::min(rows, kSampleRows); ++i) {
    decode_row(tensor, i * rows / std::min(rows, kSampleRows), row);
    const CodeKind kind = grid_kind(row);
    common = common_kind(common.value_or(kind), kind);
    if (*common == CodeKind::kNone) return CodeKind::kNone;
  }
  return common.value_or(CodeKind::kNone);
}

StoredForm form_of(const StoredTensor& tensor) {
  StoredForm form{.dtype = tensor.dtype, .code_kind = code_kind(tensor)};
  form.plain =
      !tensor.coded && tensor.quantized == nullptr && dtype_info(tensor.dtype).block_elements == 1;
  if (form.code_kind == CodeKind::kNone && tensor.dtype == DType::kF32 && !tensor.coded) {
    form.grid = find_grid(tensor);
  }
  if (tensor.coded) {
    form.int8 = tensor.coded->bits == 8;
    if (!form.int8) form.progressive = tensor.coded->form();
  }
  return form;
}

class CheckpointTensor : public SourceTensor {
 public:
  explicit CheckpointTensor(const StoredTensor& tensor)
      : SourceTensor(form_of(tensor), tensor.where), tensor_(tensor) {}

  void read_rows(RowRange rows, std::span<float> out) const override {
    const auto columns = static_cast<size_t>(tensor_.columns());
    for (int64_t i = 0; i < rows.n; ++i) {
      decode_row(tensor_, rows.begin + i, out.subspan(static_cast<size_t>(i) * columns, columns));
    }
  }

  void read_stored(RowRange rows, std::span<std::byte> out) const override {
    for (int64_t i = 0; i < rows.n; ++i) {
      const std::span<const std::byte> row = tensor_.row(rows.begin + i);
      std::ranges::copy(row, out.subspan(static_cast<size_t>(i) * row.size()).begin());
    }
  }

  void read_codes(RowRange rows, std::span<CodeRow> out) const override {
    std::vector<float> values;
    for (int64_t i = 0; i < rows.n; ++i) {
      CodeRow& codes = out[static_cast<size_t>(i)];
      if (form().grid == CodeKind::kNone) {
        autoglm::read_codes(tensor_, rows.begin + i, codes);
        continue;
      }
      values.resize(static_cast<size_t>(tensor_.columns()));
      decode_row(tensor_, rows.begin + i, values);
      codes_on_grid(form().grid, values, codes);
    }
  }

  void read_int8(RowRange rows, Int8Rows out) const override {
    const CodedMatrix& matrix = *tensor_.coded;
    for (int64_t i = 0; i < rows.n; ++i) {
      const int64_t row = rows.begin + i;
      for (int64_t c = 0; c < matrix.columns; ++c) {
        out.codes[static_cast<size_t>(i * matrix.columns + c)] = matrix.whole(row, c);
      }
      out.scales[static_cast<size_t>(i)] = matrix.channel_scale(row);
    }
  }

  void read_progressive(RowRange rows, ProgressiveRows out) const override {
    const size_t n = out.groups.size() / out.scales.size();
    for (size_t i = 0; i < out.scales.size(); ++i) {
      out.scales[i] =
          progressive_row(rows.begin + static_cast<int64_t>(i), out.groups.subspan(i * n, n));
    }
  }

  void release() const override { drop_pages(tensor_); }

 private:
  // Fills the row's groups and returns its scale.
  float progressive_row(int64_t row, std::span<ProgressiveGroup> groups) const {
    const CodedMatrix& matrix = *tensor_.coded;
    for (size_t g = 0; g < groups.size(); ++g) {
      const int64_t begin = static_cast<int64_t>(g) * ProgressiveGroup::kColumns;
      const int64_t group = begin / matrix.group_size;
      groups[g] = {.scale = matrix.scale(row, group), .offset = matrix.offset(row, group)};
      const int64_t n = std::min(ProgressiveGroup::kColumns, matrix.columns - begin);
      for (int64_t i = 0; i < n; ++i) groups[g].codes[i] = matrix.code(row, begin + i);
    }
    return matrix.channel_scale(row);
  }

  const StoredTensor& tensor_;
};

Error stale(const PackFile& pack, std::string_view what, std::string expected, std::string found) {
  return Error{ErrorCode::kInvalidArgument, "pack does not belong to this start",
               fmt::format("{}: {}", pack.path(), what), std::move(expected), std::move(found)};
}

// As far as it is the same for copies.
struct FileBytes {
  std::string name, digest;
  bool operator==(const FileBytes& other) const { return digest == other.digest; }
};

std::string text(const FileBytes& file) {
  return fmt::format("{} with SHA-256 {}", file.name, file.digest);
}

std::vector<FileBytes> bytes_of(const std::vector<WeightFile>& files) {
  std::vector<FileBytes> bytes;
  for (const WeightFile& file : files) bytes.push_back({file.name, file.digest});
  return bytes;
}

std::string text(const WeightDescription& weight) {
  return fmt::format("{} as {} {} {} [{}, {}]", weight.key.substr(0, 200), weight.form,
                     weight.format, weight.order, weight.rows, weight.columns);
}

WeightDescription description_of(const PackedWeightEntry& entry) {
  return {.key = entry.key,
          .form = entry.form,
          .format = entry.format,
          .order = entry.order,
          .rows = entry.rows,
          .columns = entry.columns,
          .bytes = entry.size_bytes};
}

// Both lists in the same order; the first difference is told.
template <class T>
Result<void> check_same(const PackFile& pack, std::string_view what, const std::vector<T>& expected,
                        const std::vector<T>& found) {
  for (size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
    if (i < expected.size() && i < found.size() && expected[i] == found[i]) continue;
    return stale(pack, what, i < expected.size() ? text(expected[i]) : "no more",
                 i < found.size() ? text(found[i]) : "no more");
  }
  return {};
}

// Whether what was packed is what the checkpoint holds now. Its weights are read for that, unless
// the system vouches that nobody has touched the files since (FileStamp).
Result<void> check_source(const PackFile& pack, const Checkpoint& checkpoint,
                          const DeviceOptions& options) {
  const PackHeader& header = pack.header();
  const SmallFiles small = AGLM_TRY(digest_small_files(checkpoint));
  if (small.configuration != header.configuration) {
    return stale(pack, "the model's configuration", header.configuration, small.configuration);
  }
  if (small.quantization != header.quantization) {
    return stale(pack, "the model's quantization files", header.quantization, small.quantization);
  }
  const auto untouched = [](const WeightFile& a, const WeightFile& b) {
    return a.stamp.same_bytes_as(b.stamp);
  };
  if (std::ranges::equal(stamp_weights(checkpoint), header.source, untouched)) return {};
  logger()->info("{}: reading all weights to see whether they are those of the pack",
                 checkpoint.path());
  const std::vector<WeightFile> now =
      digest_weights(checkpoint, {.threads = options.threads, .progress = options.progress});
  AGLM_TRY(check_same(pack, "the model's weights", bytes_of(now), bytes_of(header.source)));
  logger()->info("they are; `autoglm pack IN OUT` makes a model that starts without reading them");
  return {};
}

}  // namespace

Result<void> CheckpointWeights::check_layout(const PackFile& pack) const {
  const int64_t known = device_->weight_layout_version();
  if (pack.header().layout_version == known) return {};
  return Error{ErrorCode::kUnsupported,
               "weights were packed in another layout; pack them again with this program",
               pack.path() + ": layout", fmt::format("{}", known),
               fmt::format("{}", pack.header().layout_version)};
}

Result<CheckpointWeights> CheckpointWeights::of(const Checkpoint& checkpoint,
                                                const Device& device) {
  CheckpointWeights weights(checkpoint, device);
  weights.pack_ = checkpoint.pack();
  if (weights.pack_) AGLM_TRY(weights.check_layout(*weights.pack_));
  return weights;
}

Result<std::string> CheckpointWeights::quantize(const std::string& wish) const {
  if (!pack_ || wish == pack_->header().quantize) return wish;
  if (wish == "none") return pack_->header().quantize;
  return Error{ErrorCode::kInvalidArgument,
               "a packed model is held as it was packed; pack the original checkpoint otherwise",
               pack_->path() + ": quantize", pack_->header().quantize, wish};
}

Result<std::shared_ptr<const PackFile>> CheckpointWeights::fitting_pack(
    const std::string& path, const Graph& graph, const DeviceOptions& options,
    std::string_view quantize) const {
  auto pack = AGLM_TRY(PackFile::open(path));
  AGLM_TRY(check_layout(*pack));
  const PackHeader& header = pack->header();
  const int64_t rounding = device_->weight_rounding_version();
  if (header.rounding_version != rounding) {
    return stale(*pack, "rounding", fmt::format("{}", rounding),
                 fmt::format("{}", header.rounding_version));
  }
  if (header.quantize != quantize) {
    return stale(*pack, "quantize", std::string(quantize), header.quantize);
  }
  std::vector<WeightDescription> packed;
  for (const PackedWeightEntry& entry : header.weights) packed.push_back(description_of(entry));
  const std::vector<WeightDescription> expected =
      AGLM_TRY(device_->describe_weights(graph, *this, options));
  AGLM_TRY(check_same(*pack, "weights", expected, packed));
  AGLM_TRY(check_source(*pack, *checkpoint_, options));
  return pack;
}

void CheckpointWeights::look_for_pack(const Graph& graph, const DeviceOptions& options,
                                      std::string_view quantize) {
  if (pack_) return;
  const std::string path = pack_path_beside(checkpoint_->path(), quantize);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return;
  auto pack = fitting_pack(path, graph, options, quantize);
  if (!pack) {
    logger()->warn("the pack is not used, `autoglm pack` makes it anew: {}",
                   pack.error().message());
    return;
  }
  pack_ = *std::move(pack);
  logger()->info("weights are mapped from {}", path);
}

Result<OpenTensor> CheckpointWeights::open(std::string_view name) const {
  const StoredTensor* tensor = checkpoint_->find(name);
  if (tensor == nullptr) {
    return Error{ErrorCode::kNotFound, "tensor is missing", checkpoint_->path(), std::string(name),
                 "no such tensor"};
  }
  if (checkpoint_->kind() == Checkpoint::Kind::kPacked) {
    return Error{ErrorCode::kCorrupt, "weight is not in the pack",
                 pack_ ? pack_->path() : checkpoint_->path(), std::string(name), "no such weight"};
  }
  return OpenTensor(std::make_unique<CheckpointTensor>(*tensor));
}

std::optional<HeldTensor> CheckpointWeights::held(std::string_view key) const {
  if (!pack_) return std::nullopt;
  const PackedWeightEntry* entry = pack_->find(key);
  if (entry == nullptr) return std::nullopt;
  return HeldTensor{.form = entry->form,
                    .format = entry->format,
                    .order = entry->order,
                    .rows = entry->rows,
                    .columns = entry->columns,
                    .bytes = entry->bytes,
                    .memory = pack_};
}

}  // namespace autoglm
