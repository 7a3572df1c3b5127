// A policy: what is done about each entity, for each tenant. Read from YAML (docs/guard.md):
//
//   default: tag
//   threshold: 0.5
//   entities:
//     CN_MOBILE: mask
//     EMAIL_ADDRESS: {operator: pseudonym, threshold: 0.6}
//   names: [Ann Lee, 张伟]
//   tenants:
//     law:
//       entities: {PERSON: off}
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "autoglm/result.h"
#include "guard/redact/redactor.h"

namespace autoglm::guard::redact {

class Policy {
 public:
  // What there is without a file.
  Policy() = default;
  // Errors name line and column: an entity or operator that does not exist, an unknown key.
  static Result<Policy> parse(const std::string& text, const std::string& where);
  static Result<Policy> read(const std::string& path);

  const Rules& of(const std::string& tenant) const {
    const auto found = tenants_.find(tenant);
    return found == tenants_.end() ? rules_ : found->second;
  }
  // Whether some rule needs OperatorKeys.
  bool needs_keys() const;

 private:
  Rules rules_;
  std::map<std::string, Rules> tenants_;
};

// The keys of a state folder, made where they are missing: `redact.alias` and `redact.vault`.
Result<OperatorKeys> operator_keys(const std::string& folder);

}  // namespace autoglm::guard::redact
