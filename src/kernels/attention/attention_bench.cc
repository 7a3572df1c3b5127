// Speed of attention(): GB/s of keys and values for decoding, GFLOP/s for prompts, and beside them
// the machine's own f32 rate and read bandwidth (linear_bench prints the latter by threads). Each
// case walks many layers' pages, so that decoding finds them in memory and not in a cache. What is
// measured is first checked against the generic variant.
#include "kernels/attention/attention.h"

#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/thread_pool.h"

namespace autoglm {
namespace {

struct Heads {
  int64_t q = 0;
  int64_t kv = 0;
  int64_t dim = 0;
};

class Fixture {
 public:
  // `n` sequences that have `depth` tokens before this step, which brings `rows` to each.
  Fixture(Heads heads, DType dtype, int64_t n, int64_t depth, int64_t rows, int threads)
      : pool_(threads),
        context_{.pool = pool_, .isa = *select_isa()},
        heads_(heads),
        rows_(n * rows) {
    const int64_t pages = (depth + rows + KvCache::kPageTokens - 1) / KvCache::kPageTokens;
    const int64_t page_bytes = KvCache::page_bytes(dtype, heads.kv, heads.dim);
    layer_bytes_ = n * pages * page_bytes;
    const int64_t layers =
        rows == 1 ? std::max<int64_t>(1, (int64_t{256} << 20) / layer_bytes_) : 1;
    memory_ = std::move(*AlignedBuffer::allocate(static_cast<size_t>(layer_bytes_ * layers)));
    for (int64_t i = 0; i < layers; ++i) {
      layers_.push_back({.data = memory_.data() + i * page_bytes,
                         .page_stride_bytes = page_bytes * layers,
                         .dtype = dtype,
                         .n_kv_heads = heads.kv,
                         .head_dim = heads.dim});
    }
    tables_.resize(static_cast<size_t>(n));
    for (int64_t s = 0; s < n; ++s) {
      for (int64_t i = 0; i < pages; ++i)
        tables_[static_cast<size_t>(s)].push_back(static_cast<int32_t>(s + i * n));
      sequences_.push_back({.first_row = s * rows,
                            .n_rows = rows,
                            .start_position = depth,
                            .pages = tables_[static_cast<size_t>(s)]});
    }
    fill(n, depth + rows);
    q_.resize(static_cast<size_t>(rows_ * heads.q * heads.dim));
    for (size_t i = 0; i < q_.size(); ++i) q_[i] = std::sin(static_cast<float>(i));
    y_.resize(q_.size());
    scratch_ = std::move(
        *AlignedBuffer::allocate(static_cast<size_t>(attention_scratch_bytes(threads, heads.dim))));
  }

  void step(size_t layer) { step(layer, context_); }

  bool verified() {
    const bool long_prompt = rows_ > 512 && sequences_.size() == 1;
    const KvSequence whole = sequences_[0];
    if (long_prompt) {  // its last rows are enough, and the generic variant is slow
      sequences_[0].start_position += rows_ - 2;
      sequences_[0].n_rows = 2;
    }
    step(0, {.pool = pool_, .isa = Isa::kGeneric});
    const std::vector<float> expected(y_);
    step(0);
    sequences_[0] = whole;
    // On AMX the sums of bf16 have another order, and their factors 16 bits.
    const bool same_order = context_.isa != Isa::kAmx || layers_[0].dtype != DType::kBF16;
    const float tolerance = same_order ? 0.0f : 1e-3f;
    for (size_t i = 0; i < y_.size(); ++i) {
      if (!(std::abs(y_[i] - expected[i]) <= tolerance)) return false;
    }
    return true;
  }

  size_t n_layers() const { return layers_.size(); }
  double layer_bytes() const { return static_cast<double>(layer_bytes_); }
  // Multiplications and additions of the scores and of the outputs that causality asks for.
  double flops() const {
    double keys = 0;
    for (const KvSequence& s : sequences_) {
      for (int64_t r = 0; r < s.n_rows; ++r) keys += static_cast<double>(s.start_position + r + 1);
    }
    return 4 * keys * static_cast<double>(heads_.q * heads_.dim);
  }

 private:
  // The first layer's keys and values; the others hold copies of them.
  void fill(int64_t n, int64_t length) {
    const int64_t width = heads_.kv * heads_.dim;
    constexpr int64_t kRows = 64;
    std::vector<float> rows(static_cast<size_t>(kRows * width));
    for (int64_t s = 0; s < n; ++s) {
      for (int64_t at = 0; at < length; at += kRows) {
        for (size_t i = 0; i < rows.size(); ++i) {
          rows[i] = std::sin(static_cast<float>(i % 997) + static_cast<float>(at % 61 + s));
        }
        const KvSequence part{.n_rows = std::min(kRows, length - at),
                              .start_position = at,
                              .pages = tables_[static_cast<size_t>(s)]};
        kv_write(context_, {.sequences = {&part, 1},
                            .k = rows.data(),
                            .k_stride = width,
                            .v = rows.data(),
                            .v_stride = width,
                            .cache = layers_[0]});
      }
    }
    const int64_t bytes = layers_[0].page_stride_bytes / static_cast<int64_t>(layers_.size());
    for (int64_t page = 0; page * bytes < layer_bytes_; ++page) {
      std::byte* first = layers_[0].data + page * layers_[0].page_stride_bytes;
      for (size_t i = 1; i < layers_.size(); ++i)
        std::memcpy(first + static_cast<int64_t>(i) * bytes, first, static_cast<size_t>(bytes));
    }
  }

  void step(size_t layer, const Context& context) {
    const int64_t width = heads_.q * heads_.dim;
    attention(context,
              {.sequences = sequences_,
               .n_heads = heads_.q,
               .q = q_.data(),
               .q_stride = width,
               .scale = 1.0f / std::sqrt(static_cast<float>(heads_.dim)),
               .cache = layers_[layer],
               .y = y_.data(),
               .y_stride = width},
              {scratch_.data(), scratch_.size()});
  }

  ThreadPool pool_;
  Context context_;
  Heads heads_;
  int64_t rows_;
  int64_t layer_bytes_ = 0;
  AlignedBuffer memory_, scratch_;
  std::vector<KvCache> layers_;
  std::vector<std::vector<int32_t>> tables_;
  std::vector<KvSequence> sequences_;
  std::vector<float> q_, y_;
};

void attention_speed(benchmark::State& state, DType dtype) {
  Fixture f({state.range(0), state.range(1), state.range(2)}, dtype, state.range(3), state.range(4),
            state.range(5), static_cast<int>(state.range(6)));
  if (!f.verified()) return state.SkipWithError("differs from the generic variant");
  size_t layer = 0;
  for (auto _ : state) {
    f.step(layer);
    layer = (layer + 1) % f.n_layers();
  }
  const auto steps = static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(steps * f.layer_bytes() * 1e-9, Counter::kIsRate);
  state.counters["GFLOP/s"] = Counter(steps * f.flops() * 1e-9, Counter::kIsRate);
}

// The roof of prompts without a matrix unit: twelve independent chains of fused multiply-adds a
// thread, which is more than latency times rate of any processor with AVX2.
__attribute__((target("avx2,fma"))) void multiply_add(int64_t n, float* out) {
  const __m256 a = _mm256_set1_ps(0.999f);
  const __m256 b = _mm256_set1_ps(0.001f);

  __m256 s0 = _mm256_set1_ps(0.0f), s1 = _mm256_set1_ps(1.0f), s2 = _mm256_set1_ps(2.0f),
         s3 = _mm256_set1_ps(3.0f), s4 = _mm256_set1_ps(4.0f), s5 = _mm256_set1_ps(5.0f);
  __m256 s6 = _mm256_set1_ps(6.0f), s7 = _mm256_set1_ps(7.0f), s8 = _mm256_set1_ps(8.0f),
         s9 = _mm256_set1_ps(9.0f), s10 = _mm256_set1_ps(10.0f);
  __m256 s11 = _mm256_set1_ps(11.0f);
  for (int64_t i = 0; i < n; ++i) {
    s0 = _mm256_fmadd_ps(s0, a, b), s1 = _mm256_fmadd_ps(s1, a, b);
    s2 = _mm256_fmadd_ps(s2, a, b), s3 = _mm256_fmadd_ps(s3, a, b);
    s4 = _mm256_fmadd_ps(s4, a, b), s5 = _mm256_fmadd_ps(s5, a, b);
    s6 = _mm256_fmadd_ps(s6, a, b), s7 = _mm256_fmadd_ps(s7, a, b);
    s8 = _mm256_fmadd_ps(s8, a, b), s9 = _mm256_fmadd_ps(s9, a, b);
    s10 = _mm256_fmadd_ps(s10, a, b), s11 = _mm256_fmadd_ps(s11, a, b);
  }
  for (const __m256& s : {s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11}) {
    _mm256_storeu_ps(out, _mm256_add_ps(_mm256_loadu_ps(out), s));
  }
}

void f32_roof(benchmark::State& state) {
  if (best_isa() < Isa::kAvx2) return state.SkipWithError("no AVX2");
  ThreadPool pool(static_cast<int>(state.range(0)));
  constexpr int64_t kSteps = 100'000;
  for (auto _ : state) {
    pool.run([](int) {
      float out[8] = {};
      multiply_add(kSteps, out);
      benchmark::DoNotOptimize(out);
    });
  }
  state.counters["GFLOP/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) *
                             static_cast<double>(pool.size()) * 12 * 16 * kSteps * 1e-9,
                         benchmark::Counter::kIsRate);
}

void shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"heads", "kv", "dim", "n", "depth", "rows", "threads"});
  const std::vector<Heads> models{{32, 2, 128}, {32, 8, 128}, {16, 16, 64}};
  for (const Heads& h : models) {
    for (const int64_t depth : {511, 4095, 32767}) b->Args({h.q, h.kv, h.dim, 1, depth, 1, 2});
    b->Args({h.q, h.kv, h.dim, 1, 4095, 1, 1});
    b->Args({h.q, h.kv, h.dim, 16, 1023, 1, 2});
    for (const int64_t rows : {512, 4096}) b->Args({h.q, h.kv, h.dim, 1, 0, rows, 2});
  }
  b->UseRealTime()->Unit(benchmark::kMicrosecond)->MinTime(0.2);
}

BENCHMARK(f32_roof)->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(attention_speed, bf16, DType::kBF16)->Apply(shapes);
BENCHMARK_CAPTURE(attention_speed, int8, DType::kI8)->Apply(shapes);

}  // namespace
}  // namespace autoglm
