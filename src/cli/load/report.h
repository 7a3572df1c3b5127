// How a measured load is written down: a table for people, vLLM's JSON keys for scripts, a page
// with plots. Texts from servers are escaped; prompts and answers are in none of them.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "cli/load/driver.h"
#include "cli/load/summary.h"

namespace autoglm::load {

// One server, measured.
struct Measured {
  std::string url;
  RequestForm form;
  RunOptions options;
  Objective objective;
  RunResult run;
  Summary summary;
};

std::string table(const Measured& measured);
// `requests`: with one object for each request.
enum class Detail { kSummary, kRequests };
json::object to_json(const Measured& measured, Detail detail);
std::string html(const std::vector<Measured>& servers);

// "16 clients, closed loop" and the like.
std::string describe_arrivals(const RunOptions& options);
std::string describe_prompts(const RequestForm& form);

}  // namespace autoglm::load
