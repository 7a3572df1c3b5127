// The tenants that have requests, and what each has had of the engine so far.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/scheduler.h"

namespace autoglm {

// Kept while it has any sequence.
struct Tenant {
  TenantShare share;
  int64_t n_sequences = 0;
  int32_t index = 0;  // of the step under way
};

class Tenants {
 public:
  // `weights`: 1 where it names none; must outlive this.
  explicit Tenants(const std::map<std::string, double>& weights) : weights_(weights) {}

  // The tenant of `n_sequences` more, at an address that stays while it has any.
  Tenant* join(const std::string& name, int64_t n_sequences);
  // One sequence has ended. True: the tenant has no other, and is gone.
  bool leave(const std::string& name);
  // Gives each its index in what is returned.
  std::vector<TenantShare> shares();
  void clear() { tenants_.clear(); }

 private:
  const std::map<std::string, double>& weights_;
  std::map<std::string, Tenant> tenants_;
};

}  // namespace autoglm
