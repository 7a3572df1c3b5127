// How much each tenant may still have, and what it has had. A request is admitted, then reserves
// what it may need once that is known, and settles the truth at its end, whatever end that is; so
// what runs side by side cannot together pass a limit that each alone would keep. From any thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "guard/day_clock.h"
#include "guard/tenant_store.h"
#include "guard/token_bucket.h"
#include "guard/usage_store.h"

namespace autoglm::guard {

enum class Quota : uint8_t {
  kRequestsPerMinute,
  kTokensPerMinute,
  kRequestsPerDay,
  kTokensPerDay,
  kConcurrentRequests,
};
std::string_view quota_name(Quota quota);  // as TenantLimits has it: "requests_per_minute"

struct QuotaRefusal {
  Quota quota;
  int64_t limit = 0;
  int64_t asked = 0;              // requests or tokens
  std::optional<double> seconds;  // until it may be taken; nothing: not by waiting
};

// As OpenAI's headers tell it. The minute's limits, else the day's; nothing: there is none.
struct QuotaStanding {
  struct Of {
    int64_t limit = 0;
    int64_t remaining = 0;
    double reset_seconds = 0;  // until all of it is there again
  };
  std::optional<Of> requests;
  std::optional<Of> tokens;
};

class Quotas;

// Whose request it is, and under what model its usage is counted.
struct Asker {
  std::string tenant;
  std::string key;
  std::string model;
};

// One request under way. Its end settles it, with what it was told before.
class QuotaTicket {
 public:
  ~QuotaTicket();
  QuotaTicket(const QuotaTicket&) = delete;
  QuotaTicket& operator=(const QuotaTicket&) = delete;

  // Once, before there is work: the tokens of all prompts and of answers whose length the client
  // bounds; and the most that its other answers may have, of which what is usual is reserved.
  std::optional<QuotaRefusal> reserve(int64_t bounded_tokens, int64_t unbounded_tokens);
  // What was used: once, and nothing afterwards counts.
  void settle(const UsageSum& used);
  QuotaStanding standing() const;
  const TenantLimits& limits() const { return limits_; }  // as they were when it was admitted

 private:
  friend class Quotas;
  QuotaTicket(std::shared_ptr<Quotas> quotas, Asker asker, TenantLimits limits)
      : quotas_(std::move(quotas)), asker_(std::move(asker)), limits_(std::move(limits)) {}

  const std::shared_ptr<Quotas> quotas_;
  const Asker asker_;
  const TenantLimits limits_;
  // Under the quotas' lock.
  int64_t reserved_ = 0;
  bool worked_ = false;  // asked the model
  bool settled_ = false;
};

struct Admission {
  std::shared_ptr<QuotaTicket> ticket;  // empty where it was refused
  std::optional<QuotaRefusal> refusal;
  QuotaStanding standing;
};

class Quotas : public std::enable_shared_from_this<Quotas> {
 public:
  explicit Quotas(DayClock clock) : clock_(std::move(clock)) {}

  // What the tenant has had on a day, as the store has it; asked where a limit of a day needs it,
  // once. May call take_usage(). Its error is admit()'s: what is not known admits nobody.
  using Remembered =
      std::function<Result<UsageSum>(const std::string& tenant, const std::string& day)>;
  void remember(Remembered remembered) { remembered_ = std::move(remembered); }

  Result<Admission> admit(const Asker& asker, const TenantLimits& limits);
  // The sums since the last call.
  std::vector<UsageRow> take_usage();

  const DayClock& clock() const { return clock_; }

 private:
  friend class QuotaTicket;
  // Of the answers of late, so that a reservation need not take the most that was asked for.
  class AnswerLengths {
   public:
    void add(int64_t tokens);
    std::optional<int64_t> usual_most() const;  // 19 of 20 are no longer

   private:
    std::array<int64_t, 64> last_{};
    size_t n_ = 0;
  };
  struct Tenant {
    TenantLimits limits;
    std::optional<TokenBucket> requests_per_minute;
    std::optional<TokenBucket> tokens_per_minute;
    std::string day;
    UsageSum of_day;         // settled
    bool knows_day = false;  // of_day has what was used before the program began
    int64_t reserved = 0;    // tokens of requests under way
    int64_t running = 0;     // requests
    AnswerLengths answers;
  };

  Tenant& entry_of(const std::string& name, double now);
  void take_limits(Tenant& tenant, const TenantLimits& limits, double now) const;
  static void begin_day(Tenant& tenant, const std::string& day);
  Result<void> remember_day(const std::string& name, const TenantLimits& limits,
                            const std::string& day);
  QuotaStanding standing_of(const Tenant& tenant, double now) const;
  double seconds_to_next_day() const;
  std::optional<QuotaRefusal> reserve(QuotaTicket& ticket, int64_t bounded, int64_t unbounded);
  void settle(QuotaTicket& ticket, const UsageSum& used);
  QuotaStanding standing(const std::string& name);
  void forget_idle(double now);

  const DayClock clock_;
  Remembered remembered_;
  std::mutex mutex_;
  std::map<std::string, Tenant, std::less<>> tenants_;
  std::map<UsageKey, UsageSum> usage_;
};

}  // namespace autoglm::guard
