#include "devices/cpu/cpu_device.h"

#include "devices/cpu/cpu_executor.h"
#include "devices/cpu/pack_weights.h"

namespace autoglm {
namespace {

class CpuDevice : public Device {
 public:
  std::string_view name() const override { return "cpu"; }
  Result<DevicePlan> plan(const Graph& graph, const WeightSource& source,
                          const DeviceOptions& options) const override {
    return cpu_plan(graph, source, options);
  }
  Result<Program> program(const Graph& graph, const WeightSource& source,
                          const DeviceOptions& options) const override {
    return cpu_program(graph, source, options);
  }
  Result<std::unique_ptr<DeviceExecutor>> load(const Graph& graph, const WeightSource& source,
                                               const DeviceOptions& options) const override {
    return make_cpu_executor(graph, source, options);
  }
  Result<std::vector<WeightDescription>> describe_weights(
      const Graph& graph, const WeightSource& source, const DeviceOptions& options) const override {
    return autoglm::describe_weights(graph, source, options);
  }
  Result<void> pack(
      const Graph& graph, const WeightSource& source, const DeviceOptions& options,
      const std::function<Result<void>(std::span<const std::byte>)>& take) const override {
    return pack_weights(graph, source, options, take);
  }
  int64_t weight_layout_version() const override { return kWeightLayoutVersion; }
  int64_t weight_rounding_version() const override { return kWeightRoundingVersion; }
};

}  // namespace

const Device& cpu_device() {
  static const CpuDevice device;
  return device;
}

}  // namespace autoglm
