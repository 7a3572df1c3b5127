#include "cli/bench_roof.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/thread_pool.h"

namespace autoglm {
namespace {

constexpr int64_t kKiB = 1024;
constexpr int64_t kMiB = 1024 * kKiB;
// Far larger than the caches of most machines, and read in a fraction of a second.
constexpr int64_t kMemoryBytes = 512 * kMiB;
constexpr int kSamples = 5;

// "int4", "codes4-minimum" and "nested4" hold 4 bits a code; "f32", "f16" and "bf16" no codes.
RoofUnit unit_of(std::string_view weight_format) {
  if (weight_format == "bf16") return RoofUnit::kMatrixBF16;
  if (weight_format.starts_with("f")) return RoofUnit::kFloat;
  return weight_format.find('4') != weight_format.npos ? RoofUnit::kInt4 : RoofUnit::kInteger;
}

struct FullRoof {
  Isa isa;
  std::vector<ReadLimit> read;
  std::vector<ComputeLimit> compute;
};

// One thread, then all of them.
Result<FullRoof> measure_all(int threads) {
  const Isa isa = AGLM_TRY(select_isa());
  FullRoof roof{.isa = isa, .read = {}, .compute = {}};
  for (const int n : {1, threads}) {
    ThreadPool pool(n);
    const Context context{.pool = pool, .isa = roof.isa};
    for (const int64_t bytes :
         {32 * kKiB, 256 * kKiB, 4 * kMiB, 16 * kMiB, 64 * kMiB, kMemoryBytes}) {
      roof.read.push_back(
          AGLM_TRY(measure_read(context, bytes * (bytes < kMiB ? pool.size() : 1), kSamples)));
    }
    const std::vector<ComputeLimit> compute = measure_compute(context, kSamples);
    roof.compute.insert(roof.compute.end(), compute.begin(), compute.end());
    if (pool.size() == 1 && threads == 1) break;
  }
  return roof;
}

std::string bytes_text(int64_t bytes) {
  return bytes < kMiB ? fmt::format("{} KiB", bytes / kKiB) : fmt::format("{} MiB", bytes / kMiB);
}

struct IsaState {
  std::string_view name;
  std::string_view state;  // "used", "there", "not in this processor", ...
};

// What the machine has, and why the program takes no more of it.
std::vector<IsaState> isa_states(Isa used) {
  std::vector<IsaState> states;
  for (const Isa isa : kIsas) {
    std::string_view state = "there, and surpassed by the one used";
    if (isa == used) {
      state = "used";
    } else if (isa > best_isa()) {
      state = isa == Isa::kAmx && processor_has_amx() && best_isa() == Isa::kAvx512
                  ? "in the processor, but the operating system does not grant it"
                  : "not in this processor";
    } else if (isa > used) {
      state = "there, but AUTOGLM_ISA asks for less";
    }
    states.push_back({isa_name(isa), state});
  }
  return states;
}

void print_table(const FullRoof& roof) {
  fmt::print("processor: {}\n\ninstruction sets\n", cpu_features());
  for (const IsaState& isa : isa_states(roof.isa)) {
    fmt::print("  {:<10} {}\n", isa.name, isa.state);
  }
  fmt::print("\n{:<36} {:>8} {:>12}\n", "reading, median of 5", "threads", "GB/s");
  for (const ReadLimit& limit : roof.read) {
    fmt::print("  {:<34} {:>8} {:>12.1f}\n", bytes_text(limit.bytes), limit.threads,
               limit.bytes_per_second / 1e9);
  }
  fmt::print("\n{:<36} {:>8} {:>12}\n", "computing, median of 5", "threads", "GOP/s");
  for (const ComputeLimit& limit : roof.compute) {
    fmt::print("  {:<34} {:>8} {:>12.0f}\n", limit.name, limit.threads,
               limit.operations_per_second / 1e9);
  }
}

void print_json(const FullRoof& roof) {
  json::array isas, read, compute;
  for (const IsaState& isa : isa_states(roof.isa)) {
    isas.push_back({{"name", isa.name}, {"state", isa.state}});
  }
  for (const ReadLimit& limit : roof.read) {
    read.push_back({{"threads", limit.threads},
                    {"bytes", limit.bytes},
                    {"bytes_per_second", limit.bytes_per_second}});
  }
  for (const ComputeLimit& limit : roof.compute) {
    compute.push_back({{"unit", limit.name},
                       {"instruction_set", isa_name(limit.isa)},
                       {"threads", limit.threads},
                       {"operations_per_second", limit.operations_per_second}});
  }
  const json::object out{{"processor", cpu_features()},
                         {"instruction_sets", std::move(isas)},
                         {"read", std::move(read)},
                         {"compute", std::move(compute)}};
  fmt::print("{}\n", boost::json::serialize(out));
}

}  // namespace

RoofShare Roof::share(const ModelInfo& info, double steps_per_second,
                      double rows_per_second) const {
  const double read_share =
      steps_per_second * static_cast<double>(info.step_weight_bytes) / read.bytes_per_second;
  const ComputeLimit* limit = limit_for(compute, unit_of(info.weight_format), isa);
  const double compute_share = rows_per_second * static_cast<double>(info.operations_per_token) /
                               limit->operations_per_second;
  if (read_share >= compute_share) {
    return {read_share, fmt::format("{:.1f} GB/s read", read.bytes_per_second / 1e9)};
  }
  return {compute_share,
          fmt::format("{:.0f} GOP/s {}", limit->operations_per_second / 1e9, limit->name)};
}

Result<Roof> measure_roof(int threads) {
  ThreadPool pool(threads);
  const Isa isa = AGLM_TRY(select_isa());
  const Context context{.pool = pool, .isa = isa};
  const ReadLimit read = AGLM_TRY(measure_read(context, kMemoryBytes, kSamples));
  return Roof{.isa = context.isa, .read = read, .compute = measure_compute(context, kSamples)};
}

Result<void> print_roof(int threads, bool as_json) {
  const FullRoof roof = AGLM_TRY(measure_all(ThreadPool(threads).size()));
  as_json ? print_json(roof) : print_table(roof);
  return {};
}

}  // namespace autoglm
