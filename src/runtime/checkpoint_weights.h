// A checkpoint's weights as a device asks for them: tensors to be packed, or, where a pack of them
// is at hand, weights that are ready (decisions/0060).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "devices/cpu/cpu_executor.h"
#include "devices/cpu/weight_source.h"
#include "formats/checkpoint.h"
#include "formats/pack_file.h"

namespace autoglm {

class CheckpointWeights : public WeightSource {
 public:
  // The checkpoint must outlive it. A packed model of another layout is refused.
  static Result<CheckpointWeights> of(const Checkpoint& checkpoint);

  // How weights will be held: as wished, or as a packed model was packed, which a wish of "none"
  // means too. Another wish cannot be fulfilled.
  Result<std::string> quantize(const std::string& wish) const;

  // Takes the pack beside the checkpoint, if there is one and it holds exactly what packing the
  // checkpoint would give now. One that does not is left alone, and the log says why.
  void look_for_pack(const Graph& graph, const CpuOptions& options, std::string_view quantize);
  const std::shared_ptr<const PackFile>& pack() const { return pack_; }  // or nullptr

  Result<SourceTensor> open(std::string_view name) const override;
  std::optional<HeldTensor> held(std::string_view key) const override;

 private:
  explicit CheckpointWeights(const Checkpoint& checkpoint) : checkpoint_(&checkpoint) {}
  Result<std::shared_ptr<const PackFile>> fitting_pack(const std::string& path, const Graph& graph,
                                                       const CpuOptions& options,
                                                       std::string_view quantize) const;

  const Checkpoint* checkpoint_;
  std::shared_ptr<const PackFile> pack_;
};

}  // namespace autoglm
