#include "kernels/roof/roof.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/roof/loops.h"

namespace autoglm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_of(const auto& work) {
  const Clock::time_point start = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Runs `pass(n)` with n grown until it takes long enough to be timed; passes a second, the median.
double passes_per_second(int samples, const auto& pass) {
  constexpr double kEnough = 0.02;
  int64_t n = 1;
  double seconds = seconds_of([&] { pass(n); });
  while (seconds < kEnough) {
    n = seconds < kEnough / 20 ? n * 10 : n * 2;
    seconds = seconds_of([&] { pass(n); });
  }
  std::vector<double> rates;
  for (int i = 0; i < samples; ++i) {
    rates.push_back(static_cast<double>(n) / seconds_of([&] { pass(n); }));
  }
  return median(std::move(rates));
}

ReadLoop read_loop(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return read_generic;
    case Isa::kAvx2: return read_avx2;
    case Isa::kAvx512:
    case Isa::kAmx: return read_avx512;
  }
  return read_generic;
}

}  // namespace

Result<ReadLimit> measure_read(const Context& context, int64_t bytes, int samples) {
  constexpr int64_t kGrain = 4096;
  const int threads = context.pool.size();
  const int64_t part = std::max(bytes / threads / kGrain, int64_t{1}) * kGrain;
  const int64_t total = part * threads;
  // The prefetch of the loop reaches past the end.
  const AlignedBuffer memory =
      AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(total + kGrain)));
  std::vector<uint64_t> sums(static_cast<size_t>(threads));
  context.pool.run([&](int index) {
    std::memset(const_cast<std::byte*>(memory.data()) + index * part, index + 1,
                static_cast<size_t>(part));
  });
  const ReadLoop read = read_loop(context.isa);
  const double rate = passes_per_second(samples, [&](int64_t n) {
    context.pool.run([&](int index) {
      uint64_t sum = 0;
      for (int64_t i = 0; i < n; ++i) {
        const std::byte* data = memory.data() + index * part;
        asm volatile("" : "+r"(data)::"memory");  // each pass reads anew
        sum += read(data, part);
      }
      sums[static_cast<size_t>(index)] += sum;
    });
  });
  asm volatile("" ::"r"(sums.data()) : "memory");
  return ReadLimit{threads, total, rate * static_cast<double>(total)};
}

std::vector<ComputeLimit> measure_compute(const Context& context, int samples) {
  std::vector<ComputeLimit> limits;
  for (const auto& loops : {kRoofGeneric, kRoofAvx2, kRoofAvx512, kRoofAmx}) {
    for (const RoofLoop& loop : loops) {
      if (loop.isa > context.isa) continue;
      const double rate = passes_per_second(
          samples, [&](int64_t n) { context.pool.run([&](int) { loop.run(n * 1000); }); });
      limits.push_back({loop.unit, loop.isa, loop.name, context.pool.size(),
                        rate * 1000 * loop.operations * context.pool.size()});
    }
  }
  return limits;
}

const ComputeLimit* limit_for(const std::vector<ComputeLimit>& limits, RoofUnit unit, Isa isa) {
  const auto last_of = [&](RoofUnit wanted) {
    const ComputeLimit* found = nullptr;
    for (const ComputeLimit& limit : limits) {
      if (limit.unit == wanted && limit.isa <= isa) found = &limit;
    }
    return found;
  };
  if (unit == RoofUnit::kFloat) return last_of(unit);
  if (unit == RoofUnit::kMatrixBF16) {
    const ComputeLimit* tiles = last_of(unit);
    return tiles != nullptr ? tiles : last_of(RoofUnit::kFloat);
  }
  if (const ComputeLimit* tiles = last_of(RoofUnit::kMatrixInt8)) return tiles;
  const ComputeLimit* own = last_of(unit);
  const ComputeLimit* common = last_of(RoofUnit::kInteger);
  // VNNI is no slower for 4-bit codes than for bytes: there the newer unit counts.
  return own != nullptr && own->isa >= common->isa ? own : common;
}

}  // namespace autoglm
