// Who is next: classes, the window of batched work, the tenants' shares.
#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "engine/scheduler.h"

namespace autoglm {
namespace {

// From when on batched work may start.
double window_ends(const BatchWindow& window, std::span<const QueuedSequence> queue) {
  int32_t n = 0;
  double oldest = std::numeric_limits<double>::infinity();
  for (const QueuedSequence& s : queue) {
    if (service_class(s.priority) != ServiceClass::kBatched) continue;
    if (s.has_run) return 0;
    oldest = std::min(oldest, s.arrived);
    ++n;
  }
  return n >= window.size ? 0 : oldest + window.seconds;
}

}  // namespace

std::vector<int32_t> admission_order(const BatchWindow& window, double now,
                                     std::span<const QueuedSequence> queue,
                                     std::span<const TenantShare> tenants, int32_t most) {
  const bool window_open = window_ends(window, queue) > now;
  // What each tenant has to offer in each class, its best last.
  std::map<std::pair<ServiceClass, int32_t>, std::vector<int32_t>> offers;
  for (int32_t i = static_cast<int32_t>(queue.size()) - 1; i >= 0; --i) {
    const QueuedSequence& s = queue[static_cast<size_t>(i)];
    const ServiceClass its = service_class(s.priority);
    if (its == ServiceClass::kBatched && window_open) continue;
    offers[{its, s.tenant}].push_back(i);
  }
  for (auto& [key, offer] : offers) {
    std::stable_sort(offer.begin(), offer.end(), [&](int32_t a, int32_t b) {
      return queue[static_cast<size_t>(a)].priority > queue[static_cast<size_t>(b)].priority;
    });
  }
  std::vector<double> paid;
  for (const TenantShare& tenant : tenants) paid.push_back(tenant.paid);
  std::vector<int32_t> order;
  while (std::ssize(order) < most && !offers.empty()) {
    const ServiceClass first = offers.begin()->first.first;
    auto next = offers.begin();
    for (auto offer = offers.begin(); offer != offers.end() && offer->first.first == first;
         ++offer) {
      const auto rank = [&](const auto& o) {
        return std::tuple(paid[static_cast<size_t>(o->first.second)], o->second.back());
      };
      if (rank(offer) < rank(next)) next = offer;
    }
    const int32_t chosen = next->second.back();
    next->second.pop_back();
    const auto tenant = static_cast<size_t>(next->first.second);
    paid[tenant] +=
        static_cast<double>(queue[static_cast<size_t>(chosen)].cost) / tenants[tenant].weight;
    order.push_back(chosen);
    if (next->second.empty()) offers.erase(next);
  }
  return order;
}

double admission_time(const BatchWindow& window, std::span<const QueuedSequence> queue) {
  for (const QueuedSequence& s : queue) {
    if (service_class(s.priority) != ServiceClass::kBatched) return 0;
  }
  return window_ends(window, queue);
}

}  // namespace autoglm
