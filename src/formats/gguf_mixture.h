// Internal to the translation of GGUF: what its files say of experts.
#pragma once

#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "formats/gguf_config.h"

namespace autoglm {

// The configuration's keys about experts; of an architecture without them none.
Result<void> add_mixture(const Gguf& gguf, const GgufModel& model, json::object& config);

// Tensor `stem` + `suffix` of layer `prefix` ("model.layers.3.") under transformers' names: one
// matrix an expert, however they are stored. False: it is no part of a mixture.
Result<bool> add_mixture_tensor(const StoredTensor& tensor, const GgufModel& model,
                                const std::string& prefix, std::string_view stem,
                                std::string_view suffix, std::vector<StoredTensor>& out);

}  // namespace autoglm
