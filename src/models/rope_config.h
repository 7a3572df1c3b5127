// Rotary embedding as configurations describe it: default, linear, dynamic, llama3 and yarn, in the
// keys of transformers 5 (`rope_parameters`) and before (`rope_theta`, `rope_scaling`,
// `partial_rotary_factor`).
#pragma once

#include <cstdint>

#include "autoglm/result.h"
#include "graph/graph.h"
#include "models/config_reader.h"

namespace autoglm {

class Checkpoint;

struct RopeConfig {
  Rope rope;
  // Positions that the configuration promises (docs/decisions/0160): `linear` multiplies
  // max_position_embeddings by its factor, `yarn` the original length, where that is more;
  // for the others it is max_position_embeddings, which counts the scaling of `llama3` already.
  // With `dynamic` the frequencies of one sequence change once it outgrows that length, and a
  // token's state would depend on what comes after it, so longer sequences are not offered.
  int64_t max_context = 0;
};

struct RopeShape {
  int64_t head_dim = 0;
  int64_t max_position_embeddings = 0;
  double default_partial = 1.0;  // when the configuration names no partial_rotary_factor
  double default_theta = 10000;  // when it names no rope_theta
  bool interleaved = false;
};

Result<RopeConfig> read_rope(ConfigReader& config, const RopeShape& shape);

// theta^(-2i / dim) for i = 0 .. ceil(dim / 2) - 1, rounded to f32 as PyTorch has them.
std::vector<double> inverse_frequencies(double theta, int64_t dim);

// GGUF carries llama3's scaling as one divisor a frequency, in the tensor rope_freqs.weight.
Result<void> divide_by_stored_factors(const Checkpoint& checkpoint, Rope& rope);

}  // namespace autoglm
