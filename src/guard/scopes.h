// What a key opens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"

namespace autoglm::guard {

enum class Scope : uint8_t {
  kInference,  // ask the model, see which models there are
  kAdmin,      // change what is served
  kMetrics,    // read the metrics
  kAudit,      // read who has asked what
  kGateway,    // say for which tenant one asks (X-Tenant)
  kCount,
};
std::string_view scope_name(Scope scope);

class Scopes {
 public:
  constexpr Scopes() = default;
  constexpr Scopes(std::initializer_list<Scope> all) {
    for (const Scope scope : all) bits_ |= bit(scope);
  }
  static constexpr Scopes all() {
    Scopes scopes;
    scopes.bits_ = bit(Scope::kCount) - 1;
    return scopes;
  }
  constexpr bool has(Scope scope) const { return (bits_ & bit(scope)) != 0; }
  constexpr void add(Scope scope) { bits_ |= bit(scope); }
  constexpr bool empty() const { return bits_ == 0; }
  bool operator==(const Scopes&) const = default;

  // "inference,metrics", in the order of Scope.
  std::string text() const;

 private:
  static constexpr uint32_t bit(Scope scope) { return 1U << static_cast<uint32_t>(scope); }
  uint32_t bits_ = 0;
};

// Of a list separated by commas. The error names the word that is no scope, and those that are.
Result<Scopes> parse_scopes(std::string_view text);

}  // namespace autoglm::guard
