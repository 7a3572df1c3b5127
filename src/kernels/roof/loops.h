// The inside of the roof: one endless-looking loop a unit, written so that nothing but the unit
// itself can be the bottleneck. Only roof/ includes this.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/isa.h"
#include "kernels/roof/roof.h"

namespace autoglm {

struct RoofLoop {
  RoofUnit unit;
  Isa isa;
  std::string_view name;
  double operations;  // of one iteration
  void (*run)(int64_t iterations);
};

// Reads [data, data + bytes), a multiple of 512, and returns something made of it.
using ReadLoop = uint64_t (*)(const std::byte* data, int64_t bytes);

extern const std::span<const RoofLoop> kRoofGeneric;
extern const std::span<const RoofLoop> kRoofAvx2;
extern const std::span<const RoofLoop> kRoofAvx512;
extern const std::span<const RoofLoop> kRoofAmx;

uint64_t read_generic(const std::byte* data, int64_t bytes);
uint64_t read_avx2(const std::byte* data, int64_t bytes);
uint64_t read_avx512(const std::byte* data, int64_t bytes);

}  // namespace autoglm
