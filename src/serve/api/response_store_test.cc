#include "serve/api/response_store.h"

#include <gtest/gtest.h>

#include <string>

namespace autoglm::serve {
namespace {

using Clock = ResponseStore::Clock;

StoredResponse of_size(size_t n) { return {.response = std::string(n, 'x')}; }

TEST(ResponseStore, IsEachOwnersOwn) {
  ResponseStore store;
  store.put("a", "1", {.response = "r", .input = "i", .output = "o"});
  EXPECT_EQ(store.get("a", "1")->input, "i");
  EXPECT_FALSE(store.get("b", "1"));
  EXPECT_FALSE(store.get("a", "2"));
  EXPECT_FALSE(store.erase("b", "1"));
  EXPECT_TRUE(store.erase("a", "1"));
  EXPECT_FALSE(store.get("a", "1"));
  EXPECT_EQ(store.bytes(), 0U);
}

TEST(ResponseStore, ForgetsAfterATime) {
  Clock::time_point now{};
  ResponseStore store({.lifetime = std::chrono::hours(1)}, [&] { return now; });
  store.put("a", "1", of_size(10));
  now += std::chrono::minutes(59);
  EXPECT_TRUE(store.get("a", "1"));
  store.put("a", "2", of_size(10));
  now += std::chrono::minutes(1);
  EXPECT_FALSE(store.get("a", "1"));
  now += std::chrono::hours(1);
  store.put("a", "3", of_size(10));
  EXPECT_FALSE(store.get("a", "2"));
  EXPECT_TRUE(store.get("a", "3"));
  EXPECT_LT(store.bytes(), 1000U);
}

TEST(ResponseStore, WhoHasMostMakesRoom) {
  ResponseStore store({.bytes = 10'000});
  store.put("modest", "m", of_size(100));
  for (int i = 0; i < 100; ++i) {
    store.put("greedy", std::to_string(i), of_size(1000));
    EXPECT_LE(store.bytes(), 10'000U);
  }
  EXPECT_TRUE(store.get("modest", "m"));
  EXPECT_TRUE(store.get("greedy", "99"));
  EXPECT_FALSE(store.get("greedy", "0"));
  store.put("greedy", "huge", of_size(20'000));
  EXPECT_FALSE(store.get("greedy", "huge"));
  EXPECT_TRUE(store.get("modest", "m"));
}

}  // namespace
}  // namespace autoglm::serve
