#include "guard/quotas.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace autoglm::guard {
namespace {

constexpr std::string_view kNames[] = {"requests_per_minute", "tokens_per_minute",
                                       "requests_per_day", "tokens_per_day", "concurrent_requests"};
// Tenants without limits and work are forgotten beyond so many: names may be a gateway's to choose.
constexpr size_t kMostIdle = 10'000;

void change(std::optional<TokenBucket>& bucket, std::optional<int64_t> limit, double now) {
  if (!limit) {
    bucket.reset();
  } else if (!bucket) {
    bucket.emplace(*limit, now);
  } else if (bucket->per_minute() != *limit) {
    bucket->set_per_minute(*limit, now);
  }
}

std::optional<QuotaRefusal> refusal_of(const std::optional<TokenBucket>& bucket, Quota quota,
                                       int64_t asked, double now) {
  if (!bucket) return std::nullopt;
  const double seconds = bucket->seconds_until(static_cast<double>(asked), now);
  if (seconds <= 0) return std::nullopt;
  QuotaRefusal refusal{.quota = quota, .limit = bucket->per_minute(), .asked = asked};
  if (asked <= bucket->per_minute()) refusal.seconds = seconds;
  return refusal;
}

QuotaStanding::Of of_bucket(const TokenBucket& bucket, double now) {
  return {.limit = bucket.per_minute(),
          .remaining = std::max<int64_t>(0, static_cast<int64_t>(bucket.level(now))),
          .reset_seconds = bucket.seconds_until_full(now)};
}

}  // namespace

std::string_view quota_name(Quota quota) { return kNames[static_cast<size_t>(quota)]; }

QuotaTicket::~QuotaTicket() { settle({}); }

std::optional<QuotaRefusal> QuotaTicket::reserve(int64_t bounded_tokens, int64_t unbounded_tokens) {
  return quotas_->reserve(*this, bounded_tokens, unbounded_tokens);
}

void QuotaTicket::settle(const UsageSum& used) { quotas_->settle(*this, used); }

QuotaStanding QuotaTicket::standing() const { return quotas_->standing(asker_.tenant); }

void Quotas::AnswerLengths::add(int64_t tokens) { last_[n_++ % last_.size()] = tokens; }

std::optional<int64_t> Quotas::AnswerLengths::usual_most() const {
  constexpr size_t kFewest = 20;  // fewer say nothing of the longest
  if (n_ < kFewest) return std::nullopt;
  std::vector<int64_t> sorted(last_.begin(),
                              last_.begin() + static_cast<int64_t>(std::min(n_, last_.size())));
  const auto at = sorted.begin() + static_cast<int64_t>(sorted.size() * 19 / 20);
  std::nth_element(sorted.begin(), at, sorted.end());
  return *at;
}

Quotas::Tenant& Quotas::entry_of(const std::string& name, double now) {
  const auto found = tenants_.find(name);
  if (found != tenants_.end()) return found->second;
  if (tenants_.size() >= kMostIdle) forget_idle(now);
  return tenants_[name];
}

// Those that nothing is known of but what the store knows, too.
void Quotas::forget_idle(double now) {
  std::erase_if(tenants_, [&](const auto& entry) {
    const Tenant& tenant = entry.second;
    const auto is_full = [&](const std::optional<TokenBucket>& bucket) {
      return !bucket || bucket->seconds_until_full(now) <= 0;
    };
    return tenant.running == 0 && is_full(tenant.requests_per_minute) &&
           is_full(tenant.tokens_per_minute) && !tenant.limits.requests_per_day &&
           !tenant.limits.tokens_per_day;
  });
}

void Quotas::take_limits(Tenant& tenant, const TenantLimits& limits, double now) const {
  if (tenant.limits == limits) return;
  tenant.limits = limits;
  change(tenant.requests_per_minute, limits.requests_per_minute, now);
  change(tenant.tokens_per_minute, limits.tokens_per_minute, now);
}

void Quotas::begin_day(Tenant& tenant, const std::string& day) {
  // Days come one after the other: one that has passed does not come again.
  if (tenant.day >= day) return;
  tenant.day = day;
  tenant.of_day = {};
}

Result<void> Quotas::remember_day(const std::string& name, const TenantLimits& limits,
                                  const std::string& day) {
  if (!remembered_ || (!limits.requests_per_day && !limits.tokens_per_day)) return {};
  {
    const std::lock_guard lock(mutex_);
    const auto found = tenants_.find(name);
    if (found != tenants_.end() && found->second.knows_day) return {};
  }
  const UsageSum sum = AGLM_TRY(remembered_(name, day));  // asks for the lock itself
  const std::lock_guard lock(mutex_);
  Tenant& tenant = entry_of(name, clock_.steady());
  tenant.day = day;
  tenant.of_day = sum;
  tenant.knows_day = true;
  return {};
}

double Quotas::seconds_to_next_day() const {
  const int64_t now = clock_.now();
  return static_cast<double>(std::max<int64_t>(1, clock_.day(now).end - now));
}

Result<Admission> Quotas::admit(const Asker& asker, const TenantLimits& limits) {
  const double now = clock_.steady();
  const std::string day = clock_.day(clock_.now()).date;
  AGLM_TRY(remember_day(asker.tenant, limits, day));
  const std::lock_guard lock(mutex_);
  Tenant& tenant = entry_of(asker.tenant, now);
  take_limits(tenant, limits, now);
  begin_day(tenant, day);
  Admission admission;
  const auto refuse = [&](Quota quota, int64_t limit, std::optional<double> seconds) {
    admission.refusal = {.quota = quota, .limit = limit, .asked = 1, .seconds = seconds};
  };
  if (limits.concurrent_requests && tenant.running >= *limits.concurrent_requests) {
    refuse(Quota::kConcurrentRequests, *limits.concurrent_requests, 1.0);
  } else if (limits.requests_per_day && tenant.of_day.requests >= *limits.requests_per_day) {
    refuse(Quota::kRequestsPerDay, *limits.requests_per_day, seconds_to_next_day());
  } else {
    admission.refusal = refusal_of(tenant.requests_per_minute, Quota::kRequestsPerMinute, 1, now);
  }
  if (!admission.refusal) {
    if (tenant.requests_per_minute) tenant.requests_per_minute->take(1, now);
    ++tenant.of_day.requests;
    ++tenant.running;
    admission.ticket.reset(new QuotaTicket(shared_from_this(), asker, limits));
  }
  admission.standing = standing_of(tenant, now);
  return admission;
}

std::optional<QuotaRefusal> Quotas::reserve(QuotaTicket& ticket, int64_t bounded,
                                            int64_t unbounded) {
  const double now = clock_.steady();
  const std::lock_guard lock(mutex_);
  Tenant& tenant = entry_of(ticket.asker_.tenant, now);
  const int64_t wanted =
      bounded + std::min(unbounded, tenant.answers.usual_most().value_or(unbounded));
  const std::optional<int64_t>& of_day = tenant.limits.tokens_per_day;
  const int64_t taken = tenant.of_day.input_tokens + tenant.of_day.output_tokens + tenant.reserved;
  if (of_day && taken + wanted > *of_day) {
    QuotaRefusal refusal{.quota = Quota::kTokensPerDay, .limit = *of_day, .asked = wanted};
    if (wanted <= *of_day) refusal.seconds = seconds_to_next_day();
    return refusal;
  }
  if (auto refusal = refusal_of(tenant.tokens_per_minute, Quota::kTokensPerMinute, wanted, now)) {
    return refusal;
  }
  if (tenant.tokens_per_minute) tenant.tokens_per_minute->take(static_cast<double>(wanted), now);
  tenant.reserved += wanted;
  ticket.reserved_ = wanted;
  ticket.worked_ = true;
  return std::nullopt;
}

void Quotas::settle(QuotaTicket& ticket, const UsageSum& used) {
  const double now = clock_.steady();
  const std::string day = clock_.day(clock_.now()).date;
  const std::lock_guard lock(mutex_);
  if (std::exchange(ticket.settled_, true)) return;
  Tenant& tenant = entry_of(ticket.asker_.tenant, now);
  begin_day(tenant, day);
  --tenant.running;
  if (!ticket.worked_) return;
  tenant.reserved -= ticket.reserved_;
  const int64_t tokens = used.input_tokens + used.output_tokens;
  if (tenant.tokens_per_minute) {
    tenant.tokens_per_minute->take(static_cast<double>(tokens - ticket.reserved_), now);
  }
  if (tokens == 0) return;  // refused by the engine, or gone before it began
  tenant.answers.add(used.output_tokens);
  UsageSum sum = used;
  sum.requests = 0;  // counted when it was admitted
  tenant.of_day.add(sum);
  sum.requests = 1;
  usage_[{day, ticket.asker_.tenant, ticket.asker_.key, ticket.asker_.model}].add(sum);
}

QuotaStanding Quotas::standing(const std::string& name) {
  const double now = clock_.steady();
  const std::lock_guard lock(mutex_);
  return standing_of(entry_of(name, now), now);
}

QuotaStanding Quotas::standing_of(const Tenant& tenant, double now) const {
  QuotaStanding standing;
  const auto of_day = [&](int64_t limit, int64_t taken) {
    return QuotaStanding::Of{.limit = limit,
                             .remaining = std::max<int64_t>(0, limit - taken),
                             .reset_seconds = seconds_to_next_day()};
  };
  const TenantLimits& limits = tenant.limits;
  if (tenant.requests_per_minute) {
    standing.requests = of_bucket(*tenant.requests_per_minute, now);
  } else if (limits.requests_per_day) {
    standing.requests = of_day(*limits.requests_per_day, tenant.of_day.requests);
  }
  if (tenant.tokens_per_minute) {
    standing.tokens = of_bucket(*tenant.tokens_per_minute, now);
  } else if (limits.tokens_per_day) {
    const UsageSum& sum = tenant.of_day;
    standing.tokens =
        of_day(*limits.tokens_per_day, sum.input_tokens + sum.output_tokens + tenant.reserved);
  }
  return standing;
}

std::vector<UsageRow> Quotas::take_usage() {
  const std::lock_guard lock(mutex_);
  std::vector<UsageRow> rows;
  for (auto& [of, sum] : usage_) rows.push_back({of, sum});
  usage_.clear();
  return rows;
}

}  // namespace autoglm::guard
