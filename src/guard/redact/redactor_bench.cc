// What redaction costs a token: texts in pieces of about four bytes (two Han characters), as tokens
// are.
//   AUTOGLM_BENCH_TEXTS=FILE[:FILE...] guard_bench
// `ns_token` is the mean; `us_p99` and `us_max` are of single tokens; `held_p99` is how many bytes
// wait.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/utf8.h"
#include "guard/redact/redactor.h"

namespace autoglm::guard::redact {
namespace {

std::vector<std::string_view> tokens_of(std::string_view text) {
  std::vector<std::string_view> tokens;
  for (size_t at = 0; at < text.size();) {
    const size_t end = character_end(text, std::min(at + 4, text.size()));
    tokens.push_back(text.substr(at, end - at));
    at = end;
  }
  return tokens;
}

void stream(benchmark::State& state) {
  const char* paths = std::getenv("AUTOGLM_BENCH_TEXTS");
  if (paths == nullptr) return state.SkipWithError("set AUTOGLM_BENCH_TEXTS");
  std::string text;
  for (std::string_view rest = paths; !rest.empty();) {
    const std::string path(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
    const auto read = read_file(path, size_t{64} << 20);
    if (!read) return state.SkipWithError(read.error().message().c_str());
    text += *read;
  }
  const Rules rules;
  const std::vector<std::string_view> tokens = tokens_of(text);
  std::vector<double> each;
  std::vector<double> held;
  for ([[maybe_unused]] auto _ : state) {
    StreamRedactor redactor(rules, {});
    for (const std::string_view token : tokens) {
      const auto begin = std::chrono::steady_clock::now();
      benchmark::DoNotOptimize(redactor.push(token));
      each.push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() * 1e6);
      held.push_back(static_cast<double>(redactor.held()));
    }
    benchmark::DoNotOptimize(redactor.finish());
  }
  double sum = 0;
  for (const double us : each) sum += us;
  const auto at = [](std::vector<double>& values, double share) {
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1))];
  };
  state.counters["tokens"] = static_cast<double>(tokens.size());
  state.counters["ns_token"] = sum * 1e3 / static_cast<double>(each.size());
  state.counters["us_p99"] = at(each, 0.99);
  state.counters["us_max"] = at(each, 1);
  state.counters["held_p50"] = at(held, 0.5);
  state.counters["held_p99"] = at(held, 0.99);
  state.counters["held_max"] = at(held, 1);
}
BENCHMARK(stream)->Iterations(1)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace autoglm::guard::redact
