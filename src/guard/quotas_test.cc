// Quotas: what runs side by side, what ends early, what the clocks do; the day's sums across a
// restart.
#include "guard/quotas.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "support/state_folder.h"

namespace autoglm::guard {
namespace {

using testing::HasSubstr;

// 2026-11-30 12:00:00 UTC.
constexpr int64_t kNoon = 1'796'040'000;

class Counted {
 public:
  explicit Counted(const std::string& zone = "UTC")
      : quotas(std::make_shared<Quotas>(
            *DayClock::in(zone, {.system_seconds = [this] { return system; },
                                 .steady_seconds = [this] { return steady; }}))) {}

  Admission admit(const TenantLimits& limits, const std::string& tenant = "law") {
    auto admission = quotas->admit({.tenant = tenant, .key = "k1", .model = "m"}, limits);
    EXPECT_TRUE(admission) << admission.error().message();
    return *std::move(admission);
  }

  int64_t system = kNoon;
  double steady = 1000;
  std::shared_ptr<Quotas> quotas;
};

TEST(DayClock, DaysAreThoseOfTheZone) {
  Counted utc;
  EXPECT_EQ(utc.quotas->clock().day(kNoon).date, "2026-11-30");
  EXPECT_EQ(utc.quotas->clock().day(kNoon).end - kNoon, 12 * 3600);
  Counted shanghai("Asia/Shanghai");
  EXPECT_EQ(shanghai.quotas->clock().day(kNoon + 4 * 3600).date, "2026-12-01");
  // A day of 25 hours, at the end of summer time.
  const auto berlin = DayClock::in("Europe/Berlin");
  ASSERT_TRUE(berlin);
  const DayClock::Day longest = berlin->day(1'792'929'600);
  EXPECT_EQ(longest.date, "2026-10-25");
  EXPECT_EQ(longest.end - longest.begin, 25 * 3600);
  EXPECT_EQ(*berlin->begin_of("2026-10-25"), longest.begin);
  for (const char* wrong : {"", "2026-13-01", "2026-11-30x", "yesterday", "2026-02-30"}) {
    EXPECT_FALSE(berlin->begin_of(wrong)) << wrong;
  }
  const auto none = DayClock::in("Mars/Olympus");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message(), HasSubstr("Asia/Shanghai"));
}

TEST(Quotas, AMinutesRequestsComeBackEvenly) {
  Counted c;
  const TenantLimits limits{.requests_per_minute = 2};
  EXPECT_TRUE(c.admit(limits).ticket);
  const Admission second = c.admit(limits);
  EXPECT_TRUE(second.ticket);
  EXPECT_EQ(second.standing.requests->remaining, 0);
  EXPECT_DOUBLE_EQ(second.standing.requests->reset_seconds, 60);
  const Admission third = c.admit(limits);
  EXPECT_FALSE(third.ticket);
  ASSERT_TRUE(third.refusal);
  EXPECT_EQ(third.refusal->quota, Quota::kRequestsPerMinute);
  EXPECT_DOUBLE_EQ(*third.refusal->seconds, 30);
  c.steady += 30;
  EXPECT_TRUE(c.admit(limits).ticket);
  EXPECT_TRUE(c.admit(limits, "another").ticket);
}

TEST(Quotas, TokensAreReservedAndTheTruthIsSettled) {
  Counted c;
  const TenantLimits limits{.tokens_per_minute = 1000};
  auto first = c.admit(limits).ticket;
  EXPECT_FALSE(first->reserve(100, 500));
  auto second = c.admit(limits).ticket;
  const auto refused = second->reserve(100, 500);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->asked, 600);
  EXPECT_DOUBLE_EQ(*refused->seconds, 200.0 / (1000.0 / 60));
  second.reset();
  // The client left after 20 tokens.
  first->settle({.input_tokens = 100, .output_tokens = 20});
  EXPECT_EQ(first->standing().tokens->remaining, 880);
  first->settle({.input_tokens = 900});
  EXPECT_EQ(first->standing().tokens->remaining, 880) << "settled once";
  // What alone is too much: no waiting helps.
  auto third = c.admit(limits).ticket;
  EXPECT_FALSE(third->reserve(1001, 0)->seconds);
  // More than was reserved: the next one waits longer.
  auto fourth = c.admit(limits).ticket;
  EXPECT_FALSE(fourth->reserve(880, 0));
  fourth->settle({.input_tokens = 880, .output_tokens = 500});
  auto fifth = c.admit(limits).ticket;
  EXPECT_DOUBLE_EQ(*fifth->reserve(1, 0)->seconds, 501.0 / (1000.0 / 60));
  // Of those without work nothing is counted.
  const auto rows = c.quotas->take_usage();
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].of, (UsageKey{"2026-11-30", "law", "k1", "m"}));
  EXPECT_EQ(rows[0].sum, (UsageSum{.requests = 2, .input_tokens = 980, .output_tokens = 520}));
  EXPECT_TRUE(c.quotas->take_usage().empty());
}

TEST(Quotas, OnceAnswersAreKnownNoMoreThanTheLongUsualIsReserved) {
  Counted c;
  const TenantLimits limits{.tokens_per_minute = 100'000};
  for (int i = 0; i < 40; ++i) {
    auto ticket = c.admit(limits).ticket;
    ASSERT_FALSE(ticket->reserve(1, 1000)) << i;
    ticket->settle({.input_tokens = 1, .output_tokens = i});
    c.steady += 60;
  }
  auto ticket = c.admit(limits).ticket;
  EXPECT_FALSE(ticket->reserve(1, 1000));
  EXPECT_EQ(ticket->standing().tokens->remaining, 100'000 - 1 - 38);
}

TEST(Quotas, RequestsUnderWayAreCountedUntilTheirEnd) {
  Counted c;
  const TenantLimits limits{.concurrent_requests = 1};
  auto first = c.admit(limits).ticket;
  EXPECT_EQ(c.admit(limits).refusal->quota, Quota::kConcurrentRequests);
  first.reset();  // whatever became of it
  EXPECT_TRUE(c.admit(limits).ticket);
}

TEST(Quotas, NoStepOfTheClockGivesADayBack) {
  Counted c;
  const TenantLimits limits{.requests_per_day = 1, .tokens_per_day = 100};
  auto first = c.admit(limits).ticket;
  EXPECT_FALSE(first->reserve(60, 0));
  first->settle({.input_tokens = 60});
  for (const int64_t step : {86'400, -3 * 86'400, 30 * 86'400}) {
    c.system = kNoon + step;
    const Admission refused = c.admit(limits);
    ASSERT_TRUE(refused.refusal) << step;
    EXPECT_EQ(refused.refusal->quota, Quota::kRequestsPerDay);
    EXPECT_DOUBLE_EQ(*refused.refusal->seconds, 12 * 3600);
  }
  c.steady += 12 * 3600;
  auto next = c.admit(limits).ticket;
  ASSERT_TRUE(next);
  const auto refused = next->reserve(101, 0);
  EXPECT_EQ(refused->quota, Quota::kTokensPerDay);
  EXPECT_FALSE(refused->seconds);
  EXPECT_FALSE(next->reserve(100, 0));
}

TEST(Quotas, ADaysSumsOutliveTheProcess) {
  const StateFolder folder;
  const TenantLimits limits{.tokens_per_day = 100};
  {
    Counted c;
    auto ticket = c.admit(limits).ticket;
    ASSERT_FALSE(ticket->reserve(70, 0));
    ticket->settle({.input_tokens = 70, .cached_tokens = 20});
    ASSERT_TRUE(UsageStore::open(folder.path)->add(c.quotas->take_usage()));
  }
  auto store = UsageStore::open(folder.path);
  ASSERT_TRUE(store);
  Counted c;
  int n_asked = 0;
  c.quotas->remember([&](const std::string& tenant, const std::string& day) -> Result<UsageSum> {
    ++n_asked;
    UsageSum sum;
    const auto rows = store->rows({.first_day = day, .last_day = day, .tenant = tenant});
    for (const UsageRow& row : *rows) sum.add(row.sum);
    return sum;
  });
  for (int i = 0; i < 3; ++i) {
    auto ticket = c.admit(limits).ticket;
    EXPECT_EQ(ticket->reserve(31, 0)->quota, Quota::kTokensPerDay);
    EXPECT_FALSE(ticket->reserve(30, 0));
  }
  EXPECT_EQ(n_asked, 1);
  EXPECT_EQ(store->rows({.tenant = "other"})->size(), 0);
  EXPECT_EQ(store->rows({.last_day = "2026-11-29"})->size(), 0);
}

TEST(Quotas, ADayThatCannotBeReadAdmitsNobody) {
  Counted c;
  c.quotas->remember([](const std::string&, const std::string&) -> Result<UsageSum> {
    return Error{ErrorCode::kCorrupt, "damaged", "usage.db", "", ""};
  });
  const Asker asker{.tenant = "law", .key = "k", .model = "m"};
  EXPECT_FALSE(c.quotas->admit(asker, {.tokens_per_day = 100}));
  EXPECT_FALSE(c.quotas->admit(asker, {.requests_per_day = 100}));
  EXPECT_TRUE(c.quotas->admit(asker, {.tokens_per_minute = 100})) << "no day is asked for";
}

TEST(Quotas, ALimitThatChangesKeepsWhatWasTaken) {
  Counted c;
  auto ticket = c.admit({.tokens_per_minute = 100}).ticket;
  EXPECT_FALSE(ticket->reserve(100, 0));
  EXPECT_EQ(c.admit({.tokens_per_minute = 150}).standing.tokens->remaining, 50);
  EXPECT_EQ(c.admit({.tokens_per_minute = 50}).standing.tokens->remaining, 0);
  EXPECT_FALSE(c.admit({}).standing.tokens);
}

// Threads that admit, reserve and settle: afterwards the sums are those of what was settled.
TEST(Quotas, AreForManyThreads) {
  auto quotas = std::make_shared<Quotas>(*DayClock::in("UTC"));
  constexpr int kThreads = 4, kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        auto ticket = quotas
                          ->admit({.tenant = "law", .key = "k", .model = "m"},
                                  {.tokens_per_minute = 1'000'000'000})
                          ->ticket;
        std::ignore = ticket->reserve(10, 10);
        if (i % 2 == 0) ticket->settle({.input_tokens = 10, .output_tokens = 5});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto rows = quotas->take_usage();
  UsageSum sum;
  for (const UsageRow& row : rows) sum.add(row.sum);
  EXPECT_EQ(sum, (UsageSum{.requests = kThreads * kEach / 2,  // others used nothing
                           .input_tokens = kThreads * kEach / 2 * 10,
                           .output_tokens = kThreads * kEach / 2 * 5}));
}

}  // namespace
}  // namespace autoglm::guard
