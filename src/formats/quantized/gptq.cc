// GPTQ as AutoGPTQ and GPTQModel store it: qweight i32 [in * bits / 32, out], packed along the
// input; qzeros i32 [groups, out * bits / 32], packed along the output; scales [groups, out]; g_idx
// i32 [in], the group of each input. Codes lie low bits first, three-bit ones across words. Version
// 1 stores zero points less one (modulo 2^bits), version 2 stores them as they are.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "formats/quantized/affine_matrix.h"
#include "formats/quantized/methods.h"

namespace autoglm {
namespace {

struct Layout {
  int bits = 4;
  int64_t in = 0;
  int64_t out = 0;
  int64_t groups = 0;
};

class GptqMatrix final : public AffineMatrix {
 public:
  struct Tensors {
    StoredTensor qweight, qzeros, scales;
  };

  GptqMatrix(const Layout& layout, Tensors tensors, std::vector<int32_t> group_of, int zero_shift)
      : layout_(layout), tensors_(std::move(tensors)), zero_shift_(zero_shift) {
    bits_ = layout.bits;
    columns_ = layout.in;
    group_ = layout.in / layout.groups;
    group_of_ = std::move(group_of);
    dtype_ = tensors_.scales.dtype;
  }

  const StoredTensor& scale_tensor() const override { return tensors_.scales; }
  // The configuration's word is not enough.
  bool symmetric() const override {
    for (int64_t g = 0; g < layout_.groups; ++g) {
      for (int64_t row = 0; row < layout_.out; ++row) {
        if (zero_at(g, row) != 1 << (layout_.bits - 1)) return false;
      }
    }
    return true;
  }

  void read_row(int64_t row, Row& out) const override {
    const int bits = layout_.bits;
    int64_t word = row;
    auto code = out.codes.begin();
    unpack_bits(
        bits, layout_.in,
        [&] {
          const uint32_t value = word_at(tensors_.qweight, word);
          word += layout_.out;
          return value;
        },
        [&](uint8_t value) { *code++ = value; });
    for (int64_t g = 0; g < layout_.groups; ++g) {
      out.zeros[static_cast<size_t>(g)] = zero_at(g, row);
      out.scales[static_cast<size_t>(g)] = scale_at(tensors_.scales, g * layout_.out + row);
    }
  }

 private:
  int16_t zero_at(int64_t group, int64_t row) const {
    const int bits = layout_.bits;
    const int64_t bit = row * bits;
    const int64_t at = group * (layout_.out * bits / 32) + bit / 32;
    uint64_t packed = word_at(tensors_.qzeros, at);
    if (bit % 32 + bits > 32) packed |= uint64_t{word_at(tensors_.qzeros, at + 1)} << 32;
    const int mask = (1 << bits) - 1;
    const int stored = static_cast<int>(packed >> (bit % 32)) & mask;
    return static_cast<int16_t>((stored + zero_shift_) & mask);
  }

  Layout layout_;
  Tensors tensors_;
  int zero_shift_;
};

class Gptq final : public QuantizationMethod {
 public:
  Result<void> parse(const json::Fields& config) {
    bits_ = AGLM_TRY(config.integer("bits"));
    if (bits_ != 2 && bits_ != 3 && bits_ != 4 && bits_ != 8) {
      return config.wrong("bits", "2, 3, 4 or 8");
    }
    group_ = AGLM_TRY(config.integer_or("group_size", -1));
    if (group_ == 0 || group_ < -1) return config.wrong("group_size", "-1 or a positive integer");
    symmetric_ = AGLM_TRY(config.boolean_or("sym", true));
    act_order_ = AGLM_TRY(config.boolean_or("desc_act", false));
    // Rules by module name; the shapes then say what each matrix has.
    overrides_ = config.find("dynamic") != nullptr;
    const std::string format = AGLM_TRY(config.string_or("checkpoint_format", "gptq"));
    if (format != "gptq" && format != "gptq_v2") {
      return config.wrong("checkpoint_format", "gptq or gptq_v2");
    }
    second_version_ = format == "gptq_v2";
    if (!symmetric_ && !second_version_) {
      logger()->info(
          "{}: asymmetric GPTQ of version 1: AutoGPTQ before 0.8 damaged the neighbours of zero "
          "points that are 0, and such a file cannot be told from a good one",
          config.where());
    }
    return {};
  }

  std::string describe() const override {
    return fmt::format("GPTQ {}-bit, {}{}{}", bits_,
                       group_ < 0 ? "one group a row" : fmt::format("groups of {}", group_),
                       symmetric_ ? "" : ", asymmetric", act_order_ ? ", by activation order" : "");
  }

  std::string_view marker(const StoredTensor& tensor) const override {
    return tensor.name.ends_with(".qweight") ? "qweight" : "";
  }

  Result<QuantizedModule> read(ModuleTensors& module) const override {
    const StoredTensor& qweight = *AGLM_TRY(module.need("qweight", {DType::kI32}));
    const StoredTensor& qzeros = *AGLM_TRY(module.need("qzeros", {DType::kI32}));
    const StoredTensor& scales = *AGLM_TRY(module.need("scales", kScaleTypes));
    const StoredTensor* g_idx = AGLM_TRY(module.find("g_idx", {DType::kI32}));
    const Layout layout = AGLM_TRY(layout_of(qweight, scales, g_idx));
    AGLM_TRY(expect_shape(qzeros, {layout.groups, layout.out * layout.bits / 32}));
    AGLM_TRY(expect_shape(scales, {layout.groups, layout.out}));
    std::vector<int32_t> group_of;
    if (g_idx != nullptr) group_of = AGLM_TRY(read_groups(*g_idx, layout));
    auto matrix = std::make_shared<GptqMatrix>(layout, GptqMatrix::Tensors{qweight, qzeros, scales},
                                               std::move(group_of), zero_shift(qzeros, layout));
    matrix->label = fmt::format("GPTQ {}-bit", layout.bits);
    return QuantizedModule{
        .matrix = matrix, .rows = layout.out, .columns = layout.in, .dtype = scales.dtype};
  }

 private:
  Result<Layout> layout_of(const StoredTensor& qweight, const StoredTensor& scales,
                           const StoredTensor* g_idx) const {
    if (qweight.shape.size() != 2 || qweight.shape[0] < 1 || qweight.shape[1] < 1) {
      return shape_error(qweight, "two dimensions, both positive");
    }
    Layout layout{.bits = static_cast<int>(bits_), .out = qweight.shape[1]};
    const int64_t stored_bits = qweight.shape[0] * 32;
    layout.in = stored_bits / bits_;
    if (g_idx != nullptr) {
      if (g_idx->shape.size() != 1 || g_idx->shape[0] < 1) {
        return shape_error(*g_idx, "one dimension, positive");
      }
      layout.in = g_idx->shape[0];
      if (overrides_) layout.bits = static_cast<int>(stored_bits / layout.in);
    }
    const bool whole =
        layout.in % 32 == 0 && layout.in * layout.bits == stored_bits &&
        (layout.bits == 2 || layout.bits == 3 || layout.bits == 4 || layout.bits == 8);
    if (!whole || layout.out * layout.bits % 32 != 0) {
      return shape_error(qweight,
                         fmt::format("[{} * {} / 32, a multiple of 32 / {}] for {} inputs "
                                     "in words of {}-bit codes",
                                     layout.in, layout.bits, layout.bits, layout.in, layout.bits));
    }
    layout.groups = group_ < 0 ? 1 : layout.in / group_;
    if (overrides_ && scales.shape.size() == 2 && scales.shape[0] > 0) {
      layout.groups = scales.shape[0];
    }
    if (layout.groups < 1 || layout.in % layout.groups != 0 ||
        (!overrides_ && group_ > 0 && layout.in % group_ != 0)) {
      return Error{ErrorCode::kUnsupported, "groups do not divide the inputs of the matrix",
                   qweight.where, fmt::format("a divisor of {}", layout.in),
                   fmt::format("group_size {}", group_)};
    }
    return layout;
  }

  // Empty when the groups follow one another.
  static Result<std::vector<int32_t>> read_groups(const StoredTensor& g_idx, const Layout& layout) {
    AGLM_TRY(expect_shape(g_idx, {layout.in}));
    std::vector<int32_t> groups(static_cast<size_t>(layout.in));
    bool in_order = true;
    for (int64_t i = 0; i < layout.in; ++i) {
      const auto group = static_cast<int32_t>(word_at(g_idx, i));
      if (group < 0 || group >= layout.groups) {
        return Error{ErrorCode::kCorrupt, "group of an input does not exist",
                     fmt::format("{}[{}]", g_idx.where, i),
                     fmt::format("0 to {}", layout.groups - 1), fmt::format("{}", group)};
      }
      in_order = in_order && group == i / (layout.in / layout.groups);
      groups[static_cast<size_t>(i)] = group;
    }
    if (in_order) groups.clear();
    return groups;
  }

  // What to add to stored zero points. checkpoint_format is not to be trusted: files of version 2
  // say "gptq". Symmetric ones, whose zero points are all 2^(bits - 1), show their version.
  int zero_shift(const StoredTensor& qzeros, const Layout& layout) const {
    const int otherwise = second_version_ ? 0 : 1;
    if (!symmetric_) return otherwise;
    const int middle = 1 << (layout.bits - 1);
    int64_t equal[2] = {};  // to the middle, and to one less
    int64_t word = 0;
    unpack_bits(
        layout.bits, layout.out, [&] { return word_at(qzeros, word++); },
        [&](uint8_t zero) {
          equal[0] += zero == middle;
          equal[1] += zero == middle - 1;
        });
    if (equal[0] == layout.out) return 0;
    if (equal[1] == layout.out) return 1;
    return otherwise;
  }

  int64_t bits_ = 4;
  int64_t group_ = -1;
  bool symmetric_ = true;
  bool act_order_ = false;
  bool overrides_ = false;
  bool second_version_ = false;
};

}  // namespace

MethodResult gptq_method(const json::Fields& config) {
  auto method = std::make_unique<Gptq>();
  AGLM_TRY(method->parse(config));
  return MethodResult(std::unique_ptr<const QuantizationMethod>(std::move(method)));
}

}  // namespace autoglm
