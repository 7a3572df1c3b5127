// Requests that wait, counted by class and tenant, and whether there is room for one more
// (docs/scheduling.md): a class's room is never taken by another class, and a tenant's part of it
// never by other tenants.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "autoglm/result.h"
#include "engine/scheduler.h"

namespace autoglm {

class WaitingRequests {
 public:
  void add(ServiceClass its, const std::string& tenant);

  int64_t total() const;
  int64_t of(ServiceClass its) const { return at(its).total; }
  int64_t of(ServiceClass its, const std::string& tenant) const;
  int64_t tenants(ServiceClass its) const { return std::ssize(at(its).by_tenant); }

  // At most `max_queue` wait in each class. Where they do, a tenant that has less than its share of
  // the class still gets that: as much as each had if all of them had equally much. So no tenant
  // shuts another out, and there are never more than twice as many.
  Result<void> room_for(ServiceClass its, const std::string& tenant, int64_t max_queue) const;

 private:
  struct Class {
    int64_t total = 0;
    std::map<std::string, int64_t> by_tenant;
  };
  const Class& at(ServiceClass its) const { return classes_[static_cast<size_t>(its)]; }

  std::array<Class, 3> classes_;
};

}  // namespace autoglm
