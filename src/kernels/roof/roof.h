// The limits of this machine, measured: how fast memory is read and how many operations its vector
// and matrix units do. Speeds are stated as shares of these, never of a data sheet.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "kernels/isa.h"

namespace autoglm {

// What a product of a format runs on, and so which limit is its own.
enum class RoofUnit : uint8_t {
  kFloat,    // f32 multiply and add
  kInteger,  // int8 times int8, summed in int32
  kInt4,     // unsigned 4-bit codes times int8, summed over a group in int16 where that is faster
  kMatrixInt8,  // AMX int8 tiles, loaded from L1
  kMatrixBF16,  // AMX bf16 tiles, from registers
};

struct ReadLimit {
  int threads = 0;
  int64_t bytes = 0;  // working set of all threads together
  double bytes_per_second = 0;
};

struct ComputeLimit {
  RoofUnit unit = RoofUnit::kFloat;
  Isa isa = Isa::kGeneric;
  std::string_view name;  // "vpmaddubsw"
  int threads = 0;
  double operations_per_second = 0;  // a multiplication and its addition are two
};

// Median of `samples` passes over a working set of `bytes`. Errors: no memory.
Result<ReadLimit> measure_read(const Context& context, int64_t bytes, int samples);

// Every unit of the instruction sets up to context.isa, each by all threads of the pool.
std::vector<ComputeLimit> measure_compute(const Context& context, int samples);

// The limit of `unit` on `isa`: matrix units where there are any, else the best vector unit for the
// same numbers. Null when `limits` has none.
const ComputeLimit* limit_for(const std::vector<ComputeLimit>& limits, RoofUnit unit, Isa isa);

}  // namespace autoglm
