// Time to compile schemas and to make masks, over the instances of a folder of schemas (MaskBench's
// form) and a real vocabulary:
//   AUTOGLM_BENCH_TOKENIZER=DIR AUTOGLM_BENCH_SCHEMAS=DIR text_bench
// Each schema is compiled afresh, as for its first request, and each token of its valid instances
// asks for a mask; what is common to all JSON is known to the vocabulary, as in a server that has
// answered before.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "text/grammar/compile.h"
#include "text/tokenizer.h"

namespace autoglm::grammar {
namespace {

struct Times {
  std::vector<double> compile_ms, mask_us;

  static double at(std::vector<double>& times, double share) {
    if (times.empty()) return 0;
    std::sort(times.begin(), times.end());
    return times[static_cast<size_t>(share * static_cast<double>(times.size() - 1))];
  }
  void report(benchmark::State& state) {
    state.counters["schemas"] = static_cast<double>(compile_ms.size());
    state.counters["compile_ms_median"] = at(compile_ms, 0.5);
    state.counters["compile_ms_p99"] = at(compile_ms, 0.99);
    state.counters["masks"] = static_cast<double>(mask_us.size());
    state.counters["mask_us_median"] = at(mask_us, 0.5);
    state.counters["mask_us_p99"] = at(mask_us, 0.99);
    state.counters["mask_us_max"] = at(mask_us, 1);
  }
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void follow(const Tokenizer& tokenizer, const std::shared_ptr<CompiledGrammar>& grammar,
            const std::string& text, Times& times) {
  const auto ids = tokenizer.encode(text, {.add_special_tokens = false, .parse_special = false});
  GrammarMatcher matcher(grammar);
  for (const TokenId id : *ids) {
    const auto begin = std::chrono::steady_clock::now();
    const auto mask = matcher.mask();
    times.mask_us.push_back(seconds_since(begin) * 1e6);
    if (!mask || !matcher.accept(id)) return;
  }
}

void maskbench(benchmark::State& state) {
  const char* tokenizer_path = std::getenv("AUTOGLM_BENCH_TOKENIZER");
  const char* folder = std::getenv("AUTOGLM_BENCH_SCHEMAS");
  if (tokenizer_path == nullptr || folder == nullptr) {
    return state.SkipWithError("set AUTOGLM_BENCH_TOKENIZER and AUTOGLM_BENCH_SCHEMAS");
  }
  const auto tokenizer = Tokenizer::from_directory(tokenizer_path);
  if (!tokenizer) return state.SkipWithError(tokenizer.error().message().c_str());
  const auto vocabulary = Vocabulary::of(**tokenizer, (*tokenizer)->vocab_size());
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  Times times;
  for (auto _ : state) {
    // The first round is the one that learns what is common to all JSON.
    for (const bool counted : {false, true}) {
      times = {};
      for (const std::string& path : paths) {
        const auto document = json::parse_file(path);
        if (!document || !document->is_object()) continue;
        const std::string schema = boost::json::serialize(document->at("schema"));
        const auto begin = std::chrono::steady_clock::now();
        const auto grammar =
            compile({.kind = StructuredOutput::Kind::kJson, .text = schema}, vocabulary);
        if (!grammar) continue;
        times.compile_ms.push_back(seconds_since(begin) * 1e3);
        for (const json::value& test : document->at("tests").as_array()) {
          if (!test.at("valid").as_bool()) continue;
          follow(**tokenizer, *grammar, boost::json::serialize(test.at("data")), times);
        }
      }
      benchmark::DoNotOptimize(counted);
    }
  }
  times.report(state);
}

void build_vocabulary(benchmark::State& state) {
  const char* tokenizer_path = std::getenv("AUTOGLM_BENCH_TOKENIZER");
  if (tokenizer_path == nullptr) return state.SkipWithError("set AUTOGLM_BENCH_TOKENIZER");
  const auto tokenizer = Tokenizer::from_directory(tokenizer_path);
  if (!tokenizer) return state.SkipWithError(tokenizer.error().message().c_str());
  for (auto _ : state) {
    benchmark::DoNotOptimize(Vocabulary::of(**tokenizer, (*tokenizer)->vocab_size()));
  }
}

BENCHMARK(maskbench)->Unit(benchmark::kMillisecond)->Iterations(1);
BENCHMARK(build_vocabulary)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace autoglm::grammar
