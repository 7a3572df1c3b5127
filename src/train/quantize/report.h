// What quantizing did, for people, for programs, and as one page with plots that needs no network.
#pragma once

#include <string>

#include "autoglm/result.h"
#include "base/json.h"
#include "train/quantize/quantize.h"

namespace autoglm {

std::string to_text(const QuantizeReport& report);
json::object to_json(const QuantizeReport& report);
std::string to_html(const QuantizeReport& report);

// report.txt, report.json and report.html in `folder`, which is made if need be.
Result<void> write_report(const QuantizeReport& report, const std::string& folder);

}  // namespace autoglm
