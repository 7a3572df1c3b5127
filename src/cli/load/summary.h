// What the observations of one run come to: rates, distributions of times, goodput, errors.
// Definitions are vLLM's, so that figures can be laid side by side.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "autoglm/result.h"
#include "cli/load/driver.h"

namespace autoglm::load {

struct Distribution {
  int64_t n = 0;
  double mean = 0, std = 0, min = 0, max = 0;
  double p50 = 0, p90 = 0, p99 = 0;
  std::vector<double> sorted;

  static Distribution of(std::vector<double> values);
  double percentile(double percent) const;  // between two values: linear, as numpy's default
};

// A request counts as good when it meets each of these; those not given do not count.
struct Objective {
  double ttft_ms = 0;
  double tpot_ms = 0;
  double e2el_ms = 0;
  bool any() const { return ttft_ms > 0 || tpot_ms > 0 || e2el_ms > 0; }
  bool met_by(const Observation& seen) const;
};
// "ttft:500", "tpot:50", "e2el:10000": milliseconds.
Result<Objective> parse_objective(const std::vector<std::string>& words);

struct Summary {
  int64_t completed = 0;
  int64_t failed = 0;
  double duration_s = 0;
  int64_t input_tokens = 0;  // of completed requests, as are the rest
  int64_t output_tokens = 0;
  int64_t cached_tokens = 0;
  int64_t good = 0;
  int64_t structured = 0;
  int64_t valid_json = 0;
  int64_t with_usage = 0;
  int64_t peak_concurrency = 0;
  Distribution ttft_ms;         // from the request's start to the first piece of its answer
  Distribution tpot_ms;         // a token after the first, on the average of one request
  Distribution itl_ms;          // between pieces, over all requests
  Distribution e2el_ms;         // from the request's start to the answer's end
  Distribution client_wait_ms;  // from arrival to start: what waited for a free client
  std::map<std::string, int64_t> errors;              // by kind: "http status 429"
  std::map<std::string, std::string> error_examples;  // what the first of a kind said

  double per_second(int64_t n) const {
    return duration_s > 0 ? static_cast<double>(n) / duration_s : 0;
  }
};

Summary summarize(const RunResult& run, const Objective& objective);

}  // namespace autoglm::load
