// compressed-tensors, as llm-compressor writes it. Packed: weight_packed i32 [out, in * bits / 32],
// codes plus 2^(bits - 1), low bits first; weight_shape; weight_zero_point packed alike along the
// output. Plain: weight in i8 or f8_e4m3. Both: weight_scale in some grid. What activations were
// quantized to is not kept: ours follow --quantize.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "formats/quantized/affine_matrix.h"
#include "formats/quantized/methods.h"
#include "formats/quantized/scaled_floats.h"

namespace autoglm {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 31;  // of a group or block

// What config_groups says of weights.
struct Scheme {
  int bits = 0;
  bool is_float = false;
  std::string text;  // "int4, groups of 128"
};

// Codes in words, or in bytes, with scales in a grid.
class IntegerMatrix final : public AffineMatrix {
 public:
  struct Parts {
    int bits = 8;
    bool packed = false;
    int64_t columns = 0;
    StoredTensor codes;
    ScaleGrid grid;
    StoredTensor zeros;  // packed along the output when codes are; without shape: none
    std::vector<int32_t> group_of;
    DType dtype = DType::kF32;
  };

  explicit IntegerMatrix(Parts from) : parts_(std::move(from)) {
    bits_ = parts_.bits;
    columns_ = parts_.columns;
    group_ = parts_.grid.column_block;
    group_of_ = parts_.group_of;
    dtype_ = parts_.dtype;
  }

  const StoredTensor& scale_tensor() const override { return parts_.grid.scales; }
  bool symmetric() const override { return parts_.zeros.shape.empty(); }

  void read_row(int64_t row, Row& out) const override {
    auto code = out.codes.begin();
    if (parts_.packed) {
      int64_t word = row * parts_.codes.shape[1];
      unpack_bits(
          parts_.bits, columns_, [&] { return word_at(parts_.codes, word++); },
          [&](uint8_t value) { *code++ = value; });
    } else {
      for (const std::byte stored : parts_.codes.row(row)) {
        *code++ = static_cast<uint8_t>(static_cast<uint8_t>(stored) ^ 0x80U);
      }
    }
    for (size_t g = 0; g < out.scales.size(); ++g) {
      out.scales[g] = parts_.grid.at(row, static_cast<int64_t>(g));
      out.zeros[g] = zero_at(row, static_cast<int64_t>(g));
    }
  }

 private:
  int16_t zero_at(int64_t row, int64_t group) const {
    const int middle = 1 << (parts_.bits - 1);
    if (parts_.zeros.shape.empty()) return static_cast<int16_t>(middle);
    if (!parts_.packed) {
      const std::byte zero = parts_.zeros.bytes[static_cast<size_t>(parts_.grid.index(row, group))];
      return static_cast<int16_t>(static_cast<int8_t>(zero) + middle);
    }
    const int64_t bit = row * parts_.bits;  // bits divides 32: no code straddles
    const uint32_t word = word_at(parts_.zeros, bit / 32 * parts_.grid.blocks_in_row + group);
    return static_cast<int16_t>(word >> (bit % 32) & ((1U << parts_.bits) - 1));
  }

  Parts parts_;
};

class CompressedTensors final : public QuantizationMethod {
 public:
  explicit CompressedTensors(DType stored) : stored_(stored) {}

  Result<void> parse(const json::Fields& config) {
    AGLM_TRY(check_format(config));
    for (const char* key : {"sparsity_config", "transform_config"}) {
      if (const json::value* v = config.find(key); v != nullptr && v->is_object()) {
        AGLM_TRY(refuse_extras(json::Fields(v->get_object(), config.where() + ": " + key)));
      }
    }
    const json::Fields groups = AGLM_TRY(config.child("config_groups"));
    for (const auto& entry : groups.raw()) {
      const json::Fields group = AGLM_TRY(groups.child(entry.key()));
      if (group.find("format") != nullptr) AGLM_TRY(check_format(group));
      if (group.find("weights") == nullptr) continue;
      const json::Fields weights = AGLM_TRY(group.child("weights"));
      AGLM_TRY(read_scheme(weights));
    }
    if (schemes_.empty()) return config.wrong("config_groups", "a group with weights");
    return {};
  }

  std::string describe() const override {
    std::set<std::string> texts;
    for (const Scheme& scheme : schemes_) texts.insert(scheme.text);
    return fmt::format("compressed-tensors {}", fmt::join(texts, "; "));
  }

  std::string_view marker(const StoredTensor& tensor) const override {
    if (tensor.name.ends_with(".weight_packed")) return "weight_packed";
    const bool is_short = tensor.dtype == DType::kI8 || tensor.dtype == DType::kF8E4M3;
    return is_short && tensor.name.ends_with(".weight") ? "weight" : "";
  }

  Result<QuantizedModule> read(ModuleTensors& module) const override {
    const StoredTensor* packed = AGLM_TRY(module.find("weight_packed", {DType::kI32}));
    const StoredTensor& weight =
        packed != nullptr ? *packed
                          : *AGLM_TRY(module.need("weight", {DType::kI8, DType::kF8E4M3}));
    const StoredTensor& scales = *AGLM_TRY(module.need("weight_scale", kScaleTypes));
    AGLM_TRY(module.find("input_scale", kScaleTypes));
    if (weight.dtype == DType::kF8E4M3) return scaled_floats(weight, scales, grids_, stored_);
    return packed != nullptr ? read_packed(module, weight, scales)
                             : read_bytes(module, weight, scales);
  }

 private:
  static Result<void> check_format(const json::Fields& fields) {
    const std::string format = AGLM_TRY(fields.string("format"));
    for (const char* known : {"pack-quantized", "int-quantized", "float-quantized",
                              "naive-quantized", "mixed-precision"}) {
      if (format == known) return {};
    }
    return fields.wrong("format",
                        "pack-quantized, int-quantized, float-quantized, naive-quantized or "
                        "mixed-precision");
  }

  // Sparse weights, and rotations of activations.
  static Result<void> refuse_extras(const json::Fields& extras) {
    if (extras.raw().empty()) return {};
    if (AGLM_TRY(extras.string_or("format", "dense")) != "dense") {
      return extras.wrong("format", "dense");
    }
    const json::value* groups = extras.find("config_groups");
    if (groups != nullptr && groups->is_object() && !groups->get_object().empty()) {
      return extras.wrong("config_groups", "no transforms");
    }
    return {};
  }

  Result<void> read_scheme(const json::Fields& weights) {
    const int64_t bits = AGLM_TRY(weights.integer("num_bits"));
    const std::string type = AGLM_TRY(weights.string_or("type", "int"));
    if (type != "int" && type != "float") return weights.wrong("type", "int or float");
    Scheme scheme{.is_float = type == "float"};
    if (scheme.is_float ? bits != 8 : (bits != 2 && bits != 4 && bits != 8)) {
      return weights.wrong("num_bits", scheme.is_float ? "8 for float" : "2, 4 or 8");
    }
    scheme.bits = static_cast<int>(bits);
    scheme.text = fmt::format("{}{}", scheme.is_float ? "fp" : "int", bits);
    const std::string strategy = AGLM_TRY(weights.string_or("strategy", "tensor"));
    if (strategy == "group") {
      const int64_t size = AGLM_TRY(weights.integer("group_size"));
      if (size < 1 || size > kMaxSize) return weights.wrong("group_size", "a positive integer");
      grids_.groups.push_back(size);
      scheme.text += fmt::format(", groups of {}", size);
    } else if (strategy == "block") {
      const json::array& sizes = *AGLM_TRY(weights.list("block_structure"));
      const auto good = [](const json::value& v) {
        return v.is_int64() && v.get_int64() > 0 && v.get_int64() <= kMaxSize;
      };
      if (sizes.size() != 2 || !good(sizes[0]) || !good(sizes[1])) {
        return weights.wrong("block_structure", "two positive integers");
      }
      grids_.blocks.push_back({sizes[0].get_int64(), sizes[1].get_int64()});
      scheme.text += fmt::format(", blocks of {} by {}", grids_.blocks.back().rows,
                                 grids_.blocks.back().columns);
    } else if (strategy == "channel" || strategy == "tensor") {
      scheme.text += strategy == "channel" ? ", a scale a row" : ", a scale a matrix";
    } else {
      return weights.wrong("strategy", "tensor, channel, group or block");
    }
    schemes_.push_back(scheme);
    return {};
  }

  Result<QuantizedModule> read_packed(ModuleTensors& module, const StoredTensor& packed,
                                      const StoredTensor& scales) const {
    AGLM_TRY(expect_matrix(packed));
    const StoredTensor& shape = *AGLM_TRY(module.need("weight_shape", {DType::kI64, DType::kI32}));
    AGLM_TRY(expect_shape(shape, {2}));
    float written[2] = {};
    decode_row(shape, 0, std::span(written, 1));
    decode_row(shape, 1, std::span(written + 1, 1));
    const int64_t rows = packed.shape[0];
    // Words hold 32 / bits codes, and a row ends with a word.
    const auto fits = [&](const Scheme& s) {
      return !s.is_float && written[0] == static_cast<float>(rows) && written[1] >= 1 &&
             written[1] < static_cast<float>(kMaxSize) &&
             (static_cast<int64_t>(written[1]) * s.bits + 31) / 32 == packed.shape[1];
    };
    const auto scheme = std::ranges::find_if(schemes_, fits);
    if (scheme == schemes_.end()) {
      return Error{ErrorCode::kCorrupt, "packed codes contradict weight_shape", packed.where,
                   fmt::format("[{}, {}] in codes of {}", written[0], written[1], describe()),
                   fmt::format("[{}]", fmt::join(packed.shape, ", "))};
    }
    const auto columns = static_cast<int64_t>(written[1]);
    auto grid = AGLM_TRY(scale_grid(scales, rows, columns, grids_));
    IntegerMatrix::Parts parts{.bits = scheme->bits,
                               .packed = true,
                               .columns = columns,
                               .codes = packed,
                               .grid = std::move(grid),
                               .dtype = scales.dtype};
    if (const auto* zeros = AGLM_TRY(module.find("weight_zero_point", {DType::kI32}))) {
      if (parts.grid.row_block != 1) {
        return shape_error(scales, "a scale a row at least, beside packed zero points");
      }
      AGLM_TRY(expect_shape(*zeros, {(rows * scheme->bits + 31) / 32, parts.grid.blocks_in_row}));
      parts.zeros = *zeros;
    }
    parts.group_of = AGLM_TRY(read_groups(module, parts.grid, columns));
    return finish(std::move(parts), rows);
  }

  Result<QuantizedModule> read_bytes(ModuleTensors& module, const StoredTensor& weight,
                                     const StoredTensor& scales) const {
    AGLM_TRY(expect_matrix(weight));
    auto grid = AGLM_TRY(scale_grid(scales, weight.shape[0], weight.shape[1], grids_));
    IntegerMatrix::Parts parts{.columns = weight.shape[1],
                               .codes = weight,
                               .grid = std::move(grid),
                               .dtype = scales.dtype};
    if (const auto* zeros = AGLM_TRY(module.find("weight_zero_point", {DType::kI8}))) {
      // A scalar is [] or [1] or [1, 1], as the writer liked.
      const auto scale_bytes = static_cast<size_t>(dtype_info(scales.dtype).block_bytes);
      if (zeros->bytes.size() != scales.bytes.size() / scale_bytes) {
        return shape_error(*zeros,
                           fmt::format("[{}], as its scales", fmt::join(scales.shape, ", ")));
      }
      parts.zeros = *zeros;
      parts.zeros.shape = {static_cast<int64_t>(zeros->bytes.size())};
    }
    return finish(std::move(parts), weight.shape[0]);
  }

  // Empty unless columns were assigned to groups in another order than their own.
  static Result<std::vector<int32_t>> read_groups(ModuleTensors& module, const ScaleGrid& grid,
                                                  int64_t columns) {
    std::vector<int32_t> groups;
    const StoredTensor* g_idx = AGLM_TRY(module.find("weight_g_idx", {DType::kI32}));
    if (g_idx == nullptr) return groups;
    AGLM_TRY(expect_shape(*g_idx, {columns}));
    for (int64_t i = 0; i < columns; ++i) {
      const auto group = static_cast<int32_t>(word_at(*g_idx, i));
      if (group == -1) return std::vector<int32_t>();  // its mark for "in order"
      if (group < 0 || group >= grid.blocks_in_row) {
        return Error{ErrorCode::kCorrupt, "group of an input does not exist",
                     fmt::format("{}[{}]", g_idx->where, i),
                     fmt::format("0 to {}", grid.blocks_in_row - 1), fmt::format("{}", group)};
      }
      groups.push_back(group);
    }
    return groups;
  }

  Result<QuantizedModule> finish(IntegerMatrix::Parts parts, int64_t rows) const {
    const DType dtype = parts.dtype == DType::kF32 ? stored_ : parts.dtype;
    const int64_t columns = parts.columns;
    const int bits = parts.bits;
    auto matrix = std::make_shared<IntegerMatrix>(std::move(parts));
    matrix->label = fmt::format("int{}", bits);
    return QuantizedModule{.matrix = matrix, .rows = rows, .columns = columns, .dtype = dtype};
  }

  DType stored_;
  std::vector<Scheme> schemes_;
  DeclaredGrids grids_;
};

}  // namespace

MethodResult compressed_tensors_method(const json::Fields& config, DType stored) {
  auto method = std::make_unique<CompressedTensors>(stored);
  AGLM_TRY(method->parse(config));
  return MethodResult(std::unique_ptr<const QuantizationMethod>(std::move(method)));
}

}  // namespace autoglm
