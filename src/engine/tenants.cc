#include "engine/tenants.h"

#include <algorithm>
#include <limits>

namespace autoglm {

Tenant* Tenants::join(const std::string& name, int64_t n_sequences) {
  const auto [place, is_new] = tenants_.try_emplace(name);
  Tenant& tenant = place->second;
  if (is_new) {
    // It begins where the others are: who was away has saved nothing up.
    const auto weight = weights_.find(name);
    if (weight != weights_.end()) tenant.share.weight = weight->second;
    tenant.share.paid = std::numeric_limits<double>::infinity();
    for (const auto& [other_name, other] : tenants_) {
      tenant.share.paid = std::min(tenant.share.paid, other.share.paid);
    }
    if (tenants_.size() == 1) tenant.share.paid = 0;
  }
  tenant.n_sequences += n_sequences;
  return &tenant;
}

bool Tenants::leave(const std::string& name) {
  const auto place = tenants_.find(name);
  if (--place->second.n_sequences > 0) return false;
  tenants_.erase(place);
  return true;
}

std::vector<TenantShare> Tenants::shares() {
  std::vector<TenantShare> shares;
  for (auto& [name, tenant] : tenants_) {
    tenant.index = static_cast<int32_t>(shares.size());
    shares.push_back(tenant.share);
  }
  return shares;
}

}  // namespace autoglm
