// AWQ as AutoAWQ's "gemm" version stores it: qweight i32 [in, out / 8], packed along the output,
// the eight codes of a word in the order 0 2 4 6 1 3 5 7 from the low bits up; qzeros i32 [groups,
// out / 8] packed alike; scales [groups, out].
#include <fmt/format.h>

#include "formats/quantized/affine_matrix.h"
#include "formats/quantized/methods.h"

namespace autoglm {
namespace {

class AwqMatrix final : public AffineMatrix {
 public:
  struct Tensors {
    StoredTensor qweight, qzeros, scales;
  };

  AwqMatrix(int64_t in, int64_t out, int64_t group, Tensors tensors)
      : out_(out), tensors_(std::move(tensors)) {
    bits_ = 4;
    columns_ = in;
    group_ = group;
    dtype_ = tensors_.scales.dtype;
  }

  const StoredTensor& scale_tensor() const override { return tensors_.scales; }
  bool symmetric() const override { return false; }

  void read_row(int64_t row, Row& out) const override {
    constexpr int kPlace[8] = {0, 4, 1, 5, 2, 6, 3, 7};  // of output `row % 8` in its word
    const int shift = 4 * kPlace[row % 8];
    const int64_t words = out_ / 8;
    for (int64_t i = 0; i < columns_; ++i) {
      const uint32_t word = word_at(tensors_.qweight, i * words + row / 8);
      out.codes[static_cast<size_t>(i)] = static_cast<uint8_t>(word >> shift & 15U);
    }
    for (int64_t g = 0; g < columns_ / group_; ++g) {
      const uint32_t word = word_at(tensors_.qzeros, g * words + row / 8);
      out.zeros[static_cast<size_t>(g)] = static_cast<int16_t>(word >> shift & 15U);
      out.scales[static_cast<size_t>(g)] = scale_at(tensors_.scales, g * out_ + row);
    }
  }

 private:
  int64_t out_;
  Tensors tensors_;
};

class Awq final : public QuantizationMethod {
 public:
  Result<void> parse(const json::Fields& config) {
    // AutoAWQ's own file has w_bit and q_group_size.
    const char* bits = config.find("bits") == nullptr ? "w_bit" : "bits";
    const char* group = config.find("group_size") == nullptr ? "q_group_size" : "group_size";
    if (AGLM_TRY(config.integer(bits)) != 4) return config.wrong(bits, "4");
    group_ = AGLM_TRY(config.integer(group));
    if (group_ == 0 || group_ < -1) return config.wrong(group, "-1 or a positive integer");
    std::string version = AGLM_TRY(config.string_or("version", "gemm"));
    for (char& c : version) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (version != "gemm") return config.wrong("version", "gemm");
    if (!AGLM_TRY(config.boolean_or("zero_point", true))) {
      return config.wrong("zero_point", "true");
    }
    return {};
  }

  std::string describe() const override {
    return fmt::format("AWQ 4-bit, {}, asymmetric",
                       group_ < 0 ? "one group a row" : fmt::format("groups of {}", group_));
  }

  std::string_view marker(const StoredTensor& tensor) const override {
    return tensor.name.ends_with(".qweight") ? "qweight" : "";
  }

  Result<QuantizedModule> read(ModuleTensors& module) const override {
    const StoredTensor& qweight = *AGLM_TRY(module.need("qweight", {DType::kI32}));
    const StoredTensor& qzeros = *AGLM_TRY(module.need("qzeros", {DType::kI32}));
    const StoredTensor& scales = *AGLM_TRY(module.need("scales", kScaleTypes));
    if (qweight.shape.size() != 2 || qweight.shape[0] < 1 || qweight.shape[1] < 1) {
      return shape_error(qweight, "two dimensions, both positive");
    }
    const int64_t in = qweight.shape[0];
    const int64_t out = qweight.shape[1] * 8;
    const int64_t group = group_ < 0 ? in : group_;
    if (in % group != 0) {
      return Error{ErrorCode::kUnsupported, "groups do not divide the inputs of the matrix",
                   qweight.where, fmt::format("a divisor of {}", in),
                   fmt::format("group_size {}", group)};
    }
    AGLM_TRY(expect_shape(qzeros, {in / group, out / 8}));
    AGLM_TRY(expect_shape(scales, {in / group, out}));
    auto matrix =
        std::make_shared<AwqMatrix>(in, out, group, AwqMatrix::Tensors{qweight, qzeros, scales});
    matrix->label = "AWQ 4-bit";
    return QuantizedModule{.matrix = matrix, .rows = out, .columns = in, .dtype = scales.dtype};
  }

 private:
  int64_t group_ = 128;
};

}  // namespace

MethodResult awq_method(const json::Fields& config) {
  auto method = std::make_unique<Awq>();
  AGLM_TRY(method->parse(config));
  return MethodResult(std::unique_ptr<const QuantizationMethod>(std::move(method)));
}

}  // namespace autoglm
