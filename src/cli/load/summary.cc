#include "cli/load/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace autoglm::load {

Distribution Distribution::of(std::vector<double> values) {
  Distribution d;
  d.sorted = std::move(values);
  d.n = std::ssize(d.sorted);
  if (d.n == 0) return d;
  std::sort(d.sorted.begin(), d.sorted.end());
  const auto n = static_cast<double>(d.n);
  d.mean = std::accumulate(d.sorted.begin(), d.sorted.end(), 0.0) / n;
  double squares = 0;
  for (const double value : d.sorted) squares += (value - d.mean) * (value - d.mean);
  d.std = std::sqrt(squares / n);
  d.min = d.sorted.front();
  d.max = d.sorted.back();
  d.p50 = d.percentile(50);
  d.p90 = d.percentile(90);
  d.p99 = d.percentile(99);
  return d;
}

double Distribution::percentile(double percent) const {
  if (sorted.empty()) return 0;
  const double place = percent / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - std::floor(place);
  return sorted[below] * (1 - part) + sorted[above] * part;
}

bool Objective::met_by(const Observation& seen) const {
  return (ttft_ms <= 0 || seen.ttft_ms() <= ttft_ms) &&
         (tpot_ms <= 0 || seen.tpot_ms() <= tpot_ms) && (e2el_ms <= 0 || seen.e2el_ms() <= e2el_ms);
}

Result<Objective> parse_objective(const std::vector<std::string>& words) {
  Objective objective;
  for (const std::string& word : words) {
    const Error wrong{ErrorCode::kInvalidArgument, "not an objective", "--goodput",
                      "ttft:MS, tpot:MS or e2el:MS, as in ttft:500 tpot:50", "\"" + word + "\""};
    const size_t colon = word.find(':');
    if (colon == std::string::npos) return wrong;
    double limit = 0;
    const char* const end = word.data() + word.size();
    const auto [stop, code] = std::from_chars(word.data() + colon + 1, end, limit);
    if (code != std::errc{} || stop != end || !(limit > 0)) return wrong;
    const std::string key = word.substr(0, colon);
    if (key == "ttft") {
      objective.ttft_ms = limit;
    } else if (key == "tpot") {
      objective.tpot_ms = limit;
    } else if (key == "e2el") {
      objective.e2el_ms = limit;
    } else {
      return wrong;
    }
  }
  return objective;
}

namespace {

// The most requests that ran at one moment.
int64_t peak_of(const std::vector<Observation>& observations) {
  std::vector<std::pair<double, int>> steps;
  for (const Observation& seen : observations) {
    steps.emplace_back(seen.start_s, 1);
    steps.emplace_back(seen.end_s, -1);
  }
  std::sort(steps.begin(), steps.end());  // at the same moment the end comes first
  int64_t running = 0;
  int64_t peak = 0;
  for (const auto& [time, step] : steps) peak = std::max(peak, running += step);
  return peak;
}

std::string kind_of(const Observation& seen) {
  return seen.failure == Failure::kStatus ? fmt::format("http status {}", seen.status)
                                          : std::string(failure_name(seen.failure));
}

}  // namespace

Summary summarize(const RunResult& run, const Objective& objective) {
  Summary s{.duration_s = run.duration_s};
  std::vector<double> ttft, tpot, itl, e2el, wait;
  for (const Observation& seen : run.observations) {
    if (seen.failure != Failure::kNone) {
      ++s.failed;
      const std::string kind = kind_of(seen);
      if (++s.errors[kind] == 1) s.error_examples[kind] = seen.detail;
      continue;
    }
    ++s.completed;
    s.input_tokens += seen.input_tokens;
    s.output_tokens += seen.output_tokens;
    s.cached_tokens += seen.cached_tokens;
    s.with_usage += seen.has_usage ? 1 : 0;
    s.structured += seen.structured ? 1 : 0;
    s.valid_json += seen.valid_json ? 1 : 0;
    s.good += objective.any() && objective.met_by(seen) ? 1 : 0;
    ttft.push_back(seen.ttft_ms());
    if (seen.output_tokens > 1) tpot.push_back(seen.tpot_ms());
    itl.insert(itl.end(), seen.gaps_ms.begin(), seen.gaps_ms.end());
    e2el.push_back(seen.e2el_ms());
    wait.push_back((seen.start_s - seen.arrival_s) * 1e3);
  }
  s.peak_concurrency = peak_of(run.observations);
  s.ttft_ms = Distribution::of(std::move(ttft));
  s.tpot_ms = Distribution::of(std::move(tpot));
  s.itl_ms = Distribution::of(std::move(itl));
  s.e2el_ms = Distribution::of(std::move(e2el));
  s.client_wait_ms = Distribution::of(std::move(wait));
  return s;
}

}  // namespace autoglm::load
