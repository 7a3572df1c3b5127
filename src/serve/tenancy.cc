#include "serve/tenancy.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

#include "base/log.h"
#include "serve/guarded.h"
#include "state/state_dir.h"

namespace autoglm::serve {
namespace {

// What a crash may lose.
constexpr std::chrono::seconds kWriteUsageEvery(1);

// "6m0s", "1.5s", "20ms": Go's form of a duration, as OpenAI's headers have it.
std::string go_duration(double seconds) {
  const auto ms = static_cast<int64_t>(std::ceil(seconds * 1000));
  if (ms < 1000) return fmt::format("{}ms", ms);
  const int64_t whole = ms / 1000;
  const std::string rest = ms % 1000 == 0
                               ? fmt::format("{}s", whole % 60)
                               : fmt::format("{}s", static_cast<double>(ms % 60'000) / 1000);
  if (whole < 60) return rest;
  if (whole < 3600) return fmt::format("{}m{}", whole / 60, rest);
  return fmt::format("{}h{}m{}", whole / 3600, whole / 60 % 60, rest);
}

}  // namespace

Tenancy::Tenancy(std::string folder, guard::DayClock clock)
    : folder_(std::move(folder)), quotas_(std::make_shared<guard::Quotas>(std::move(clock))) {
  quotas_->remember(
      [this](const std::string& tenant, const std::string& day) -> Result<guard::UsageSum> {
        guard::UsageSum sum;
        const auto rows = AGLM_TRY(usage({.first_day = day, .last_day = day, .tenant = tenant}));
        for (const guard::UsageRow& row : rows) sum.add(row.sum);
        return sum;
      });
  if (!folder_.empty()) writer_ = std::thread([this] { write_now_and_then(); });
}

Result<std::unique_ptr<Tenancy>> Tenancy::over(std::string folder, const std::string& timezone) {
  guard::DayClock clock = AGLM_TRY(guard::DayClock::in(timezone));
  return std::unique_ptr<Tenancy>(new Tenancy(std::move(folder), std::move(clock)));
}

Tenancy::~Tenancy() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  end_.notify_all();
  if (writer_.joinable()) writer_.join();
}

Result<guard::TenantLimits> Tenancy::limits_of(const std::string& tenant) {
  if (folder_.empty()) return guard::TenantLimits{};
  if (tenants_ != nullptr && !tenants_->is_current()) tenants_.reset();
  if (tenants_ == nullptr) {
    if (!guard::TenantStore::exists(folder_)) return guard::TenantLimits{};
    const std::string folder = AGLM_TRY(state::open_state_dir(folder_));
    tenants_ = AGLM_TRY(guard::TenantStore::open(folder));
  }
  const guard::TenantTable* all = AGLM_TRY(tenants_->all());
  const guard::TenantTable& table = *all;
  auto found = table.find(tenant);
  if (found == table.end()) found = table.find(guard::kEveryTenant);
  return found == table.end() ? guard::TenantLimits{} : found->second;
}

Result<guard::Admission> Tenancy::admit(const observe::RequestContext& request,
                                        const std::string& model) {
  const guard::TenantLimits limits = AGLM_TRY(limits_of(request.tenant));
  return quotas_->admit({.tenant = request.tenant, .key = request.key_id, .model = model}, limits);
}

Result<guard::UsageStore*> Tenancy::usage_store() {
  if (usage_ && !usage_->is_current()) usage_.reset();
  if (!usage_) {
    const std::string folder = AGLM_TRY(state::open_state_dir(folder_));
    usage_ = AGLM_TRY(guard::UsageStore::open(folder));
  }
  return &*usage_;
}

// Precondition: the lock is held.
Result<void> Tenancy::write_usage() {
  for (const auto& [of, sum] : quotas_->take_usage()) unwritten_[of].add(sum);
  if (unwritten_.empty()) return {};
  std::vector<guard::UsageRow> rows;
  for (const auto& [of, sum] : unwritten_) rows.push_back({of, sum});
  guard::UsageStore* store = AGLM_TRY(usage_store());
  AGLM_TRY(store->add(rows));
  unwritten_.clear();
  return {};
}

void Tenancy::write_now_and_then() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    end_.wait_for(lock, kWriteUsageEvery, [this] { return ending_; });
    const Result<void> written = guarded([this] { return write_usage(); });
    std::string message = written ? "" : written.error().message();
    if (!message.empty() && message != told_) {
      logger()->error("usage cannot be written, and is kept until it can: {}", message);
    }
    told_ = std::move(message);
  }
}

Result<std::vector<guard::UsageRow>> Tenancy::usage(const guard::UsageQuestion& question) {
  if (folder_.empty()) return std::vector<guard::UsageRow>{};
  const std::lock_guard lock(mutex_);
  AGLM_TRY(write_usage());
  if (!usage_ && !guard::UsageStore::exists(folder_)) return std::vector<guard::UsageRow>{};
  guard::UsageStore* store = AGLM_TRY(usage_store());
  return store->rows(question);
}

std::vector<Header> ratelimit_headers(const guard::QuotaStanding& standing) {
  std::vector<Header> headers;
  for (const auto& [of, name] :
       {std::pair{&standing.requests, "requests"}, std::pair{&standing.tokens, "tokens"}}) {
    if (!*of) continue;
    headers.push_back({fmt::format("x-ratelimit-limit-{}", name), fmt::to_string((*of)->limit)});
    headers.push_back(
        {fmt::format("x-ratelimit-remaining-{}", name), fmt::to_string((*of)->remaining)});
    headers.push_back(
        {fmt::format("x-ratelimit-reset-{}", name), go_duration((*of)->reset_seconds)});
  }
  return headers;
}

Response quota_response(const guard::QuotaRefusal& refusal, ErrorForm form) {
  const std::string_view name = guard::quota_name(refusal.quota);
  std::string message = fmt::format("Rate limit reached for {}: limit {}, requested {}.", name,
                                    refusal.limit, refusal.asked);
  if (refusal.quota == guard::Quota::kConcurrentRequests) {
    message = fmt::format("Rate limit reached for {}: {} are under way.", name, refusal.limit);
  }
  Response response{.status = 429};
  if (refusal.seconds) {
    const double seconds = std::max(1.0, std::ceil(*refusal.seconds));
    message += fmt::format(" Please try again in {}.", go_duration(*refusal.seconds));
    response.headers.push_back({"Retry-After", fmt::format("{:.0f}", seconds)});
  } else {
    message += " No waiting helps: the request alone is more than the limit.";
  }
  response.body = error_body(
      ApiError{.status = 429, .message = std::move(message), .code = "rate_limit_exceeded"}, form);
  return response;
}

}  // namespace autoglm::serve
