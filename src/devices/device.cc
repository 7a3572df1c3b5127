#include "devices/device.h"

#include <fmt/format.h>

#include <array>

#include "devices/cpu/cpu_device.h"

namespace autoglm {

Result<std::optional<WeightFormat>> parse_quantize(std::string_view name) {
  using Wish = std::optional<WeightFormat>;
  if (name == "none") return Wish();
  const Wish wish = weight_format_named(name);
  if (!wish || !has_channel_scales(*wish)) {
    return Error{ErrorCode::kInvalidArgument, "unknown quantization", "quantize",
                 fmt::format("one of {}", fmt::join(quantize_names(), ", ")), std::string(name)};
  }
  return wish;
}

Result<KvDType> parse_kv_dtype(std::string_view name) {
  if (name == "auto") return KvDType::kAuto;
  if (name == "f32") return KvDType::kF32;
  if (name == "bf16") return KvDType::kBF16;
  if (name == "int8" || name == "q8_0") return KvDType::kInt8;
  return Error{ErrorCode::kInvalidArgument, "unknown element type of the KV cache",
               "kv_cache_dtype", "auto, f32, bf16 or int8", std::string(name)};
}

Result<const Device*> find_device(std::string_view name) {
  // From the best to the one that is always there.
  const std::array<const Device*, 1> devices{&cpu_device()};
  if (name == "auto") return devices.front();
  for (const Device* device : devices) {
    if (device->name() == name) return device;
  }
  return Error{ErrorCode::kUnsupported, "device is not available", "device", "auto or cpu",
               std::string(name)};
}

}  // namespace autoglm
