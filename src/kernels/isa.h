// Instruction sets that the kernels are written for, and the choice among them at run time. The
// choice never changes a result (promise 1), only the speed, but for bf16 weights, keys and values
// on AMX (docs/decisions/0072).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "autoglm/result.h"

namespace autoglm {

class ThreadPool;

// In rising order: a machine that has one has all before it.
enum class Isa : uint8_t {
  kGeneric,  // plain x86-64
  kAvx2,     // AVX2, FMA, F16C, BMI2
  kAvx512,   // AVX-512 F, BW, VL, DQ and VNNI
  kAmx,      // kAvx512 and AMX tiles of int8 and bf16
};

// All of them, in that order.
inline constexpr Isa kIsas[] = {Isa::kGeneric, Isa::kAvx2, Isa::kAvx512, Isa::kAmx};

std::string_view isa_name(Isa isa);  // "generic", "avx2", "avx512", "amx"

// The best that this machine and its operating system offer. Asks the kernel for the AMX state the
// first time, so call it before threads start.
Isa best_isa();

// All that they offer, the best last.
std::span<const Isa> isas_here();

// `wish` is a name, or empty for the environment's AUTOGLM_ISA, or the best where that is unset
// too. A wish that the machine cannot fulfil is an error that names what it has.
Result<Isa> select_isa(std::string_view wish = {});

// Whether the processor has AMX tiles of int8 and bf16, and rounds to bf16 by itself; granted by
// the operating system or not.
bool processor_has_amx();

// What was detected, for logs: "avx2 fma f16c bmi2 avx512f ...".
std::string cpu_features();

// What every kernel is called with.
struct Context {
  ThreadPool& pool;
  Isa isa = Isa::kGeneric;
};

}  // namespace autoglm
