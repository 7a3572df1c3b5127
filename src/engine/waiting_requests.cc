#include "engine/waiting_requests.h"

#include <fmt/format.h>

namespace autoglm {
namespace {

std::string_view name_of(ServiceClass its) {
  switch (its) {
    case ServiceClass::kInteractive: return "interactive";
    case ServiceClass::kBatched: return "batched";
    case ServiceClass::kOffline: return "offline";
  }
  return "";
}

}  // namespace

void WaitingRequests::add(ServiceClass its, const std::string& tenant) {
  Class& one = classes_[static_cast<size_t>(its)];
  ++one.total;
  ++one.by_tenant[tenant];
}

int64_t WaitingRequests::total() const {
  int64_t sum = 0;
  for (const Class& one : classes_) sum += one.total;
  return sum;
}

int64_t WaitingRequests::of(ServiceClass its, const std::string& tenant) const {
  const auto found = at(its).by_tenant.find(tenant);
  return found == at(its).by_tenant.end() ? 0 : found->second;
}

Result<void> WaitingRequests::room_for(ServiceClass its, const std::string& tenant,
                                       int64_t max_queue) const {
  const int64_t waiting = of(its);
  if (waiting < max_queue) return {};
  const int64_t own = of(its, tenant);
  const int64_t others = tenants(its) - (own > 0 ? 1 : 0);
  if (own < max_queue / (others + 1) && waiting < 2 * max_queue) return {};
  return Error{.code = ErrorCode::kResourceExhausted,
               .what = "the queue is full",
               .where = "engine",
               .expected = fmt::format("at most {} waiting {} requests", max_queue, name_of(its)),
               .found = fmt::format("{}, {} of them this tenant's", waiting, own),
               .reason = ErrorReason::kQueueFull};
}

}  // namespace autoglm
