#include "guard/redact/redactor.h"

#include <algorithm>

#include "base/json_escape.h"

namespace autoglm::guard::redact {

Rules::Rules() {
  operators.fill(Operator::kTag);
  filter.least.fill(kThreshold);
}

std::string StreamRedactor::push(std::string_view text) {
  held_.append(text);
  std::vector<Finding> findings;
  scanner_.push(text, findings);
  return give(findings);
}

std::string StreamRedactor::finish() {
  std::vector<Finding> findings;
  scanner_.finish(findings);
  return give(findings);
}

std::string StreamRedactor::give(const std::vector<Finding>& findings) {
  std::string out;
  const uint64_t base = given_;
  const auto copy_to = [&](uint64_t end) {
    if (end > given_) out.append(held_, given_ - base, end - given_);
    given_ = std::max(given_, end);
  };
  for (const Finding& finding : findings) {
    copy_to(finding.begin);
    if (finding.alias) {
      const std::string& value = aliases_->value(*finding.alias);
      if (form_ == TextForm::kJson) {
        json::append_escaped(out, value);
      } else {
        out += value;
      }
    } else if (!finding.more) {
      out += replacement(finding, rules_->of(finding.entity), scope_);
    }
    given_ = std::max(given_, finding.end);
  }
  copy_to(std::max(given_, scanner_.decided()));
  held_.erase(0, given_ - base);
  return out;
}

std::string redact(std::string_view text, const Rules& rules, const OperatorScope& scope,
                   TextForm form) {
  std::string out;
  uint64_t given = 0;
  for (const Finding& finding : find(text, rules.filter, form, rules.names.get())) {
    if (finding.begin > given) out += text.substr(given, finding.begin - given);
    out += replacement(finding, rules.of(finding.entity), scope);
    given = std::max(given, finding.end);
  }
  if (given < text.size()) out += text.substr(given);
  return out;
}

}  // namespace autoglm::guard::redact
