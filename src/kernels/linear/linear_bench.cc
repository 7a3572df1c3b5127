// Speed of linear() on the shapes of a 0.5 B model: GB/s of weights for few rows, GOP/s for many.
// Each case is first checked against the generic variant.
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/linear/code_testing.h"
#include "kernels/linear/linear.h"

namespace autoglm {
namespace {

struct Fixture {
  ThreadPool pool;
  Context context;
  std::vector<PackedWeight>
      weights;  // enough of them that a decode step does not find them in a cache
  std::vector<float> x, y;
  AlignedBuffer scratch;
  int64_t m, n, k;

  Fixture(WeightFormat format, int64_t rows, int64_t n_out, int64_t columns, int threads)
      : pool(threads), context{.pool = pool, .isa = *select_isa()}, m(rows), n(n_out), k(columns) {
    const int64_t bytes = PackedWeight::bytes(format, n, k);
    const int64_t copies = m <= 32 ? std::max<int64_t>(1, (int64_t{768} << 20) / bytes) : 1;
    for (int64_t i = 0; i < copies; ++i) {
      if (holds_codes(format)) {
        weights.push_back(i == 0 ? random_code_weight(format, n, k)
                                 : std::move(*PackedWeight::allocate(format, n, k)));
      } else {
        weights.push_back(std::move(*PackedWeight::allocate(format, n, k)));
      }
      // A cheap pattern: only the first copy is checked, and speed does not depend on values.
      const auto fill = [&](int64_t row, std::span<float> out) {
        for (size_t j = 0; j < out.size(); ++j) {
          out[j] = static_cast<float>((row * 31 + static_cast<int64_t>(j) * 17) % 61 - 30) * 0.01f;
        }
      };
      if (i == 0 && holds_codes(format)) continue;
      if (i == 0) {
        pool.parallel_for(weights[0].n_panels(), 1, [&](int64_t begin, int64_t end) {
          weights[0].pack_panels(begin, end, row_by_row(fill));
        });
      } else {
        std::memcpy(const_cast<std::byte*>(weights.back().panel(0)), weights[0].panel(0),
                    static_cast<size_t>(weights[0].size_bytes()));
      }
    }
    x.resize(static_cast<size_t>(m * k));
    for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i));
    y.resize(static_cast<size_t>(m * n));
    scratch = std::move(*AlignedBuffer::allocate(
        static_cast<size_t>(linear_scratch_bytes(context, weights[0], m))));
  }

  void step(size_t i, const Context& with) {
    linear(
        with,
        {.weight = &weights[i], .m = m, .x = x.data(), .x_stride = k, .y = y.data(), .y_stride = n},
        {scratch.data(), scratch.size()});
  }

  // The first row, against the generic variant.
  bool verified() {
    step(0, context);
    const std::vector<float> fast(y.begin(), y.begin() + n);
    const int64_t rows = std::exchange(m, 1);
    step(0, {.pool = pool, .isa = Isa::kGeneric});
    m = rows;
    return std::memcmp(fast.data(), y.data(), fast.size() * sizeof(float)) == 0;
  }
};

void linear_speed(benchmark::State& state, WeightFormat format) {
  Fixture f(format, state.range(0), state.range(1), state.range(2),
            static_cast<int>(state.range(3)));
  if (!f.verified()) return state.SkipWithError("differs from the generic variant");
  size_t i = 0;
  for (auto _ : state) {
    f.step(i, f.context);
    i = (i + 1) % f.weights.size();
  }
  const auto steps = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["GB/s"] =
      Counter(steps * static_cast<double>(f.weights[0].size_bytes()) * 1e-9, Counter::kIsRate);
  state.counters["GOP/s"] =
      Counter(steps * 2e-9 * static_cast<double>(f.m * f.n * f.k), Counter::kIsRate);
}

// The roof of decoding: reading 256 MB, each thread its own part.
void read_memory(benchmark::State& state) {
  ThreadPool pool(static_cast<int>(state.range(0)));
  constexpr int64_t kBytes = int64_t{256} << 20;
  AlignedBuffer memory = std::move(*AlignedBuffer::allocate(kBytes));
  std::memset(memory.data(), 1, kBytes);
  for (auto _ : state) {
    pool.parallel_for(kBytes / 64, 1024, [&](int64_t begin, int64_t end) {
      const auto* p = memory.as<uint64_t>();
      uint64_t sum[8] = {};
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < 8; ++j) sum[j] += p[i * 8 + j];
      }
      for (uint64_t& s : sum) benchmark::DoNotOptimize(s);
    });
  }
  state.counters["GB/s"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * kBytes * 1e-9, benchmark::Counter::kIsRate);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "threads"});
  for (const int64_t m : {1, 2, 4, 8, 16, 32, 512}) {
    b->Args({m, 9728, 896, 2});
    b->Args({m, 896, 4864, 2});
  }
  for (const int64_t m : {1, 16, 32, 64}) b->Args({m, 8192, 2048, 2});
  b->Args({1, 9728, 896, 1});
  b->Args({512, 9728, 896, 1});
  b->UseRealTime()->Unit(benchmark::kMicrosecond)->MinTime(0.1);
}

// Widths in whole blocks of 256.
void code_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"m", "n", "k", "threads"});
  for (const int64_t m : {1, 2, 4, 8, 512}) b->Args({m, 9728, 1024, 2});
  b->UseRealTime()->Unit(benchmark::kMicrosecond)->MinTime(0.1);
}

BENCHMARK(read_memory)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(linear_speed, int8, WeightFormat::kInt8)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int5, WeightFormat::kInt5)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int4, WeightFormat::kInt4)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int4_g64, WeightFormat::kInt4Group64)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int4_g128, WeightFormat::kInt4Group128)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int3, WeightFormat::kInt3)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int3_g64, WeightFormat::kInt3Group64)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int2, WeightFormat::kInt2)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, int2_g64, WeightFormat::kInt2Group64)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, codes4, WeightFormat::kSimple4)->Apply(code_shapes);
BENCHMARK_CAPTURE(linear_speed, codes8, WeightFormat::kSimple8)->Apply(code_shapes);
BENCHMARK_CAPTURE(linear_speed, nested4, WeightFormat::kNested4)->Apply(code_shapes);
BENCHMARK_CAPTURE(linear_speed, nested6, WeightFormat::kNested6)->Apply(code_shapes);
BENCHMARK_CAPTURE(linear_speed, bf16, WeightFormat::kBF16)->Apply(shapes);
BENCHMARK_CAPTURE(linear_speed, f32, WeightFormat::kF32)->Apply(shapes);

}  // namespace
}  // namespace autoglm
