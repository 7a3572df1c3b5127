// The machine's limits as `autoglm bench` states them: by themselves (--roof), and as the share
// that a measured model speed reaches.
#pragma once

#include <string>
#include <vector>

#include "autoglm/model.h"
#include "autoglm/result.h"
#include "kernels/roof/roof.h"

namespace autoglm {

struct RoofShare {
  double share = 0;   // 0..1, more where the measured roof was low
  std::string limit;  // "32.1 GB/s read"
};

struct Roof {
  Isa isa = Isa::kGeneric;
  ReadLimit read;  // from memory, by all threads
  std::vector<ComputeLimit> compute;

  // Of a model that makes `steps_per_second` (0: not bound by steps) and computes
  // `rows_per_second`: the limit that it is nearer to.
  RoofShare share(const ModelInfo& info, double steps_per_second, double rows_per_second) const;
};

// Takes about a second. `threads` 0: one for each processor.
Result<Roof> measure_roof(int threads);

// `autoglm bench --roof`: instruction sets (there, used, why not), reading by threads and working
// set, every unit by threads.
Result<void> print_roof(int threads, bool as_json);

}  // namespace autoglm
