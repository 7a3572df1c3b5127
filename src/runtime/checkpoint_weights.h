// A checkpoint's weights as a device asks for them: tensors to be packed, or, where a pack of them
// is at hand, weights that are ready (decisions/0060).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "devices/device.h"
#include "formats/checkpoint.h"
#include "formats/pack_file.h"

namespace autoglm {

class CheckpointWeights : public WeightSource {
 public:
  // As `device` holds them. The checkpoint must outlive it. A packed model of another layout is
  // refused.
  static Result<CheckpointWeights> of(const Checkpoint& checkpoint, const Device& device);

  // How weights will be held: as wished, or as a packed model was packed, which a wish of "none"
  // means too. Another wish cannot be fulfilled.
  Result<std::string> quantize(const std::string& wish) const;

  // Takes the pack beside the checkpoint, if there is one and it holds exactly what packing the
  // checkpoint would give now. One that does not is left alone, and the log says why.
  void look_for_pack(const Graph& graph, const DeviceOptions& options, std::string_view quantize);
  const std::shared_ptr<const PackFile>& pack() const { return pack_; }  // or nullptr

  Result<OpenTensor> open(std::string_view name) const override;
  std::optional<HeldTensor> held(std::string_view key) const override;

 private:
  CheckpointWeights(const Checkpoint& checkpoint, const Device& device)
      : checkpoint_(&checkpoint), device_(&device) {}
  Result<void> check_layout(const PackFile& pack) const;
  Result<std::shared_ptr<const PackFile>> fitting_pack(const std::string& path, const Graph& graph,
                                                       const DeviceOptions& options,
                                                       std::string_view quantize) const;

  const Checkpoint* checkpoint_;
  const Device* device_;
  std::shared_ptr<const PackFile> pack_;
};

}  // namespace autoglm
