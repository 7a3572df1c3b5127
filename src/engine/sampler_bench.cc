// Time to sample one token from 151,552 logits, which is GLM-4's vocabulary.
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "engine/sampler.h"

namespace autoglm {
namespace {

std::vector<float> made_up_logits() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> logits(151'552);
  for (float& x : logits) x = normal(random);
  // A language model's answer: a few likely tokens far above the rest.
  for (size_t i = 0; i < 40; ++i) logits[i * 3701] += 14 - 0.2f * static_cast<float>(i);
  return logits;
}

void sample(benchmark::State& state, SamplingParams params) {
  const std::vector<float> logits = made_up_logits();
  Sampler sampler(params, 1, 0, {}, {});
  SamplerScratch scratch;
  for (auto _ : state) benchmark::DoNotOptimize(sampler.next(logits, scratch));
}

void logprobs(benchmark::State& state) {
  const std::vector<float> logits = made_up_logits();
  SamplerScratch scratch;
  for (auto _ : state)
    benchmark::DoNotOptimize(position_logprobs(logits, TokenId{3701}, 20, scratch));
}

BENCHMARK_CAPTURE(sample, greedy, {.temperature = 0})->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, temperature, {.temperature = 0.7})->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_p, {.temperature = 0.7, .top_p = 0.9})->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(sample, top_k_50, {.temperature = 0.7, .top_k = 50})
    ->Unit(benchmark::kMicrosecond);
BENCHMARK(logprobs)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace autoglm
