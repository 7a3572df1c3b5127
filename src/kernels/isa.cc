#include "kernels/isa.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>

namespace autoglm {

bool processor_has_amx() {
  // Leaf 7 of CPUID, EDX (Intel SDM volume 2A).
  constexpr unsigned kAmxBf16 = 1u << 22;
  constexpr unsigned kAmxTile = 1u << 24;
  constexpr unsigned kAmxInt8 = 1u << 25;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  constexpr unsigned kAll = kAmxBf16 | kAmxTile | kAmxInt8;
  return (edx & kAll) == kAll && __builtin_cpu_supports("avx512bf16") != 0;
}

namespace {

// Asked of the processor itself: clang 14 does not know the name.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

// Linux gives the tile registers' state only to processes that ask
// (Documentation/arch/x86/xstate.rst).
bool kernel_grants_amx() {
  constexpr long kArchRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  return ::syscall(SYS_arch_prctl, kArchRequestPermission, kTileData) == 0;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c() &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vnni");
}

Isa detect() {
  if (!has_avx2()) return Isa::kGeneric;
  if (!has_avx512()) return Isa::kAvx2;
  return processor_has_amx() && kernel_grants_amx() ? Isa::kAmx : Isa::kAvx512;
}

}  // namespace

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return "generic";
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
    case Isa::kAmx: return "amx";
  }
  return "?";
}

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

std::span<const Isa> isas_here() {
  return std::span(kIsas).first(static_cast<size_t>(best_isa()) + 1);
}

Result<Isa> select_isa(std::string_view wish) {
  std::string_view where = "instruction set";
  if (wish.empty()) {
    const char* environment = std::getenv("AUTOGLM_ISA");
    if (environment == nullptr || *environment == '\0') return best_isa();
    wish = environment;
    where = "AUTOGLM_ISA";
  }
  for (const Isa isa : kIsas) {
    if (wish != isa_name(isa)) continue;
    if (isa <= best_isa()) return isa;
    return Error{ErrorCode::kUnsupported, "this machine does not have the instruction set",
                 std::string(where), fmt::format("at most {}", isa_name(best_isa())),
                 fmt::format("{} (the processor has: {})", wish, cpu_features())};
  }
  return Error{ErrorCode::kInvalidArgument, "unknown instruction set", std::string(where),
               "generic, avx2, avx512 or amx", std::string(wish)};
}

std::string cpu_features() {
  std::string text;
  const auto note = [&](bool there, std::string_view name) {
    if (there) text += text.empty() ? std::string(name) : fmt::format(" {}", name);
  };
  note(__builtin_cpu_supports("avx2"), "avx2");
  note(__builtin_cpu_supports("fma"), "fma");
  note(has_f16c(), "f16c");
  note(__builtin_cpu_supports("bmi2"), "bmi2");
  note(__builtin_cpu_supports("avx512f"), "avx512f");
  note(__builtin_cpu_supports("avx512bw"), "avx512bw");
  note(__builtin_cpu_supports("avx512vnni"), "avx512vnni");
  note(__builtin_cpu_supports("avx512bf16"), "avx512bf16");
  note(processor_has_amx(), "amx_int8 amx_bf16");
  return text.empty() ? "no vector extensions" : text;
}

}  // namespace autoglm
