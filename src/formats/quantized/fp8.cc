// FP8 as DeepSeek, GLM and Qwen publish it (quant_method "fp8"): weight f8_e4m3 [out, in] and
// weight_scale_inv, a factor despite its name, one a block of weight_block_size. Also
// weight_scale, one for the matrix or for each row.
#include <fmt/format.h>

#include "formats/quantized/methods.h"
#include "formats/quantized/scaled_floats.h"

namespace autoglm {
namespace {

constexpr int64_t kMaxBlock = 1 << 20;

class Fp8 final : public QuantizationMethod {
 public:
  explicit Fp8(DType stored) : stored_(stored) {}

  Result<void> parse(const json::Fields& config) {
    const std::string format = AGLM_TRY(config.string_or("fmt", "e4m3"));
    if (format != "e4m3" && format != "float8_e4m3fn") return config.wrong("fmt", "e4m3");
    if (config.find("weight_block_size") == nullptr) return {};
    const json::array& sizes = *AGLM_TRY(config.list("weight_block_size"));
    const auto good = [](const json::value& v) {
      return v.is_int64() && v.get_int64() > 0 && v.get_int64() <= kMaxBlock;
    };
    if (sizes.size() != 2 || !good(sizes[0]) || !good(sizes[1])) {
      return config.wrong("weight_block_size", "two positive integers");
    }
    grids_.blocks.push_back({sizes[0].get_int64(), sizes[1].get_int64()});
    return {};
  }

  std::string describe() const override {
    if (grids_.blocks.empty()) return "FP8, a scale a matrix or a row";
    return fmt::format("FP8, blocks of {} by {}", grids_.blocks[0].rows, grids_.blocks[0].columns);
  }

  std::string_view marker(const StoredTensor& tensor) const override {
    const bool is_fp8 = tensor.dtype == DType::kF8E4M3 && tensor.name.ends_with(".weight");
    return is_fp8 ? "weight" : "";
  }

  Result<QuantizedModule> read(ModuleTensors& module) const override {
    const StoredTensor& weight = *AGLM_TRY(module.need("weight", {DType::kF8E4M3}));
    const StoredTensor* scales = AGLM_TRY(module.find("weight_scale_inv", kScaleTypes));
    if (scales == nullptr) scales = AGLM_TRY(module.find("weight_scale", kScaleTypes));
    if (scales == nullptr) scales = AGLM_TRY(module.need("weight_scale_inv", kScaleTypes));
    // The scale of activations, where it was fixed; ours follow from the row at hand.
    AGLM_TRY(module.find("input_scale", kScaleTypes));
    return scaled_floats(weight, *scales, grids_, stored_);
  }

 private:
  DType stored_;
  DeclaredGrids grids_;
};

}  // namespace

MethodResult fp8_method(const json::Fields& config, DType stored) {
  auto method = std::make_unique<Fp8>(stored);
  AGLM_TRY(method->parse(config));
  return MethodResult(std::unique_ptr<const QuantizationMethod>(std::move(method)));
}

}  // namespace autoglm
