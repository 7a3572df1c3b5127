// Floods: who has room left, whoever floods which class.
#include "engine/waiting_requests.h"

#include <gtest/gtest.h>

namespace autoglm {
namespace {

constexpr std::array kClasses = {ServiceClass::kInteractive, ServiceClass::kBatched,
                                 ServiceClass::kOffline};

// Adds what is let in, and says how much that was.
int flood(WaitingRequests& waiting, ServiceClass its, const std::string& tenant, int64_t max_queue,
          int n) {
  int taken = 0;
  for (int i = 0; i < n; ++i) {
    if (!waiting.room_for(its, tenant, max_queue)) continue;
    waiting.add(its, tenant);
    ++taken;
  }
  return taken;
}

TEST(WaitingRequests, NoClassTakesTheRoomOfAnother) {
  for (const ServiceClass floods : kClasses) {
    for (const ServiceClass asks : kClasses) {
      WaitingRequests waiting;
      EXPECT_EQ(flood(waiting, floods, "", 256, 1000), 256);
      EXPECT_EQ(flood(waiting, asks, "", 256, 1000), floods == asks ? 0 : 256);
    }
  }
}

TEST(WaitingRequests, NoTenantTakesAllOfAClass) {
  for (const ServiceClass its : kClasses) {
    WaitingRequests waiting;
    EXPECT_EQ(flood(waiting, its, "a", 100, 1000), 100);
    EXPECT_EQ(flood(waiting, its, "b", 100, 1000), 50);
    EXPECT_EQ(flood(waiting, its, "c", 100, 1000), 33);
    EXPECT_EQ(flood(waiting, its, "a", 100, 1000), 0) << "it has its share, and more";
    EXPECT_EQ(waiting.total(), 183);
  }
}

TEST(WaitingRequests, ThereAreNeverMoreThanTwiceAsMany) {
  WaitingRequests waiting;
  for (int i = 0; i < 10'000; ++i) {
    flood(waiting, ServiceClass::kOffline, "tenant " + std::to_string(i), 10, 3);
  }
  EXPECT_LE(waiting.of(ServiceClass::kOffline), 20);
  EXPECT_GE(waiting.of(ServiceClass::kOffline), 10);
}

TEST(WaitingRequests, ARefusalSaysHowManyWaitAndOfWhichClass) {
  WaitingRequests waiting;
  flood(waiting, ServiceClass::kOffline, "a", 2, 2);
  const auto refused = waiting.room_for(ServiceClass::kOffline, "a", 2);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(refused.error().message(),
            "engine: the queue is full (expected at most 2 waiting offline requests, found 2, 2 of "
            "them this tenant's)");
  EXPECT_FALSE(WaitingRequests().room_for(ServiceClass::kInteractive, "", 0)) << "no queue at all";
}

}  // namespace
}  // namespace autoglm
