// Any text, in pieces: what leaves must be what the whole text comes to. The first byte chooses the
// form and the operator, the second the length of the pieces. What is masked leaves at most four
// letters or digits in a row.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "guard/redact/redactor.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm::guard::redact;
  if (size < 2 || size > 16384) return 0;
  static const OperatorKeys kKeys{.alias = std::string(32, 'a'), .vault = std::string(32, 'v')};
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const TextForm form = (data[0] & 1) != 0 ? TextForm::kJson : TextForm::kPlain;
  Rules rules;
  rules.operators.fill(static_cast<Operator>(1 + (data[0] >> 1) % 6));
  if ((data[0] & 128) != 0) rules.filter.least.fill(0);
  static const std::shared_ptr<const Aliases> kNames = [] {
    auto names = std::make_shared<Aliases>();
    for (const char* name : {"张伟", "Ann Lee", "Ann", "ab"}) names->add(name, name);
    return names;
  }();
  if ((data[0] & 64) != 0) rules.names = kNames;
  const OperatorScope scope{.keys = &kKeys, .tenant = "t"};
  const std::string whole = redact(text, rules, scope, form);
  StreamRedactor stream(rules, scope, form);
  std::string out;
  const size_t piece = data[1] % 32 + 1;
  for (size_t i = 0; i < text.size(); i += piece) out += stream.push(text.substr(i, piece));
  out += stream.finish();
  if (out != whole) std::abort();
  for (const Finding& finding : find(text, rules.filter, form, rules.names.get())) {
    if (finding.begin >= finding.end || finding.end > text.size()) std::abort();
    size_t row = 0;
    for (const char c : replacement(finding, Operator::kMask, scope)) {
      row = c >= 0 && is_alnum(static_cast<char32_t>(c)) ? row + 1 : 0;
      if (row > 4) std::abort();
    }
  }
  return 0;
}
