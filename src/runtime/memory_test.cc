#include "runtime/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace autoglm {
namespace {

class FakeRoot {
 public:
  FakeRoot() : root_(testing::TempDir() + "autoglm-memory-" + std::to_string(::getpid())) {
    std::filesystem::remove_all(root_);
  }
  ~FakeRoot() { std::filesystem::remove_all(root_); }
  FakeRoot& put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
    return *this;
  }
  Result<int64_t> available() const { return available_memory_bytes(root_); }

 private:
  std::string root_;
};

TEST(AvailableMemory, IsWhatTheSystemSaysWithoutLimits) {
  FakeRoot root;
  root.put("/proc/meminfo", "MemTotal:  900 kB\nMemAvailable:    500 kB\n")
      .put("/proc/self/cgroup", "0::/a/b\n")
      .put("/sys/fs/cgroup/a/b/memory.max", "max\n")
      .put("/sys/fs/cgroup/a/b/memory.current", "100\n");
  EXPECT_EQ(*root.available(), 500 * 1024);
}

TEST(AvailableMemory, IsWhatTheTightestGroupAroundUsLeaves) {
  FakeRoot root;
  root.put("/proc/meminfo", "MemAvailable:    500 kB\n")
      .put("/proc/self/cgroup", "0::/a/b\n")
      .put("/sys/fs/cgroup/a/b/memory.max", "300000\n")
      .put("/sys/fs/cgroup/a/b/memory.current", "100000\n")
      .put("/sys/fs/cgroup/a/memory.max", "200000\n")
      .put("/sys/fs/cgroup/a/memory.current", "120000\n")
      .put("/sys/fs/cgroup/a/memory.stat", "anon 5\ninactive_file 20000\n");
  EXPECT_EQ(*root.available(), 100000);
}

TEST(AvailableMemory, ReadsGroupsOfVersionOneAndTheMountOfAContainer) {
  FakeRoot root;
  root.put("/proc/meminfo", "MemAvailable:    500 kB\n")
      .put("/proc/self/cgroup", "4:memory:/docker/1234\n3:cpu:/\n")
      .put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "250000\n")
      .put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "50000\n")
      .put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 10000\n");
  EXPECT_EQ(*root.available(), 210000);
}

TEST(AvailableMemory, IsAnErrorWhenTheSystemDoesNotSay) {
  FakeRoot root;
  EXPECT_FALSE(root.available());
}

const ExecutorPlan kModel{.max_context = 1000,
                          .weight_bytes = 50'000,
                          .step_bytes = 10'000,
                          .page_tokens = 16,
                          .page_bytes = 160};

TEST(KvPool, TakesHalfOfWhatIsLeftAndCutsTheContextToIt) {
  const auto plan = plan_pool(kModel, {.available_bytes = 64'000, .max_batch_size = 4}, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_pages, 12);
  EXPECT_EQ(plan->max_model_len, 192);
  EXPECT_TRUE(plan->was_cut);
}

TEST(KvPool, IsNoLargerThanAFullBatchCanFill) {
  const auto plan = plan_pool(kModel, {.available_bytes = 10'000'000, .max_batch_size = 4}, {});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->n_pages, 4 * 63);
  EXPECT_EQ(plan->max_model_len, 1000);
  EXPECT_FALSE(plan->was_cut);
}

TEST(KvPool, TakesMoreThanItsShareForAContextThatWasAskedFor) {
  const auto plan =
      plan_pool(kModel, {.available_bytes = 64'000, .max_model_len = 390, .max_batch_size = 4}, {});
  ASSERT_TRUE(plan) << plan.error().message();
  EXPECT_EQ(plan->n_pages, 25);
  EXPECT_EQ(plan->max_model_len, 390);
}

TEST(KvPool, RefusesAndNamesWhatWouldFit) {
  const std::vector<SmallerWeights> smaller{{"int8", 26'000}, {"int4", 14'000}};
  const auto message = [&](const PoolRequest& request) {
    const auto plan = plan_pool(kModel, request, smaller);
    EXPECT_FALSE(plan);
    return plan ? std::string() : plan.error().message();
  };
  EXPECT_THAT(message({.available_bytes = 40'000}), testing::HasSubstr("--quantize int8 needs"));
  EXPECT_THAT(message({.available_bytes = 30'000}), testing::HasSubstr("--quantize int4 needs"));
  EXPECT_THAT(message({.available_bytes = 20'000}), testing::HasSubstr("no --quantize"));
  EXPECT_THAT(message({.available_bytes = 64'000, .kv_cache_memory_bytes = 8'000}),
              testing::HasSubstr("for 400 tokens"));
  EXPECT_THAT(message({.available_bytes = 64'000, .max_model_len = 800}),
              testing::HasSubstr("--max-model-len 400"));
  EXPECT_THAT(message({.available_bytes = 64'000, .max_model_len = 1001}),
              testing::HasSubstr("at most 1000"));
  EXPECT_THAT(message({.available_bytes = 64'000, .kv_cache_memory_bytes = 100}),
              testing::HasSubstr("smaller than one page"));
}

}  // namespace
}  // namespace autoglm
