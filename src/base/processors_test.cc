#include "base/processors.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace autoglm {
namespace {

// A folder as the kernel describes nodes in, until the test ends.
class FakedNodes : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() / ("autoglm-nodes-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    cpu_set_t set;
    CPU_ZERO(&set);
    ASSERT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
    for (int i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &set)) allowed_.push_back(i);
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void add_node(const std::string& name, const std::string& list) const {
    std::filesystem::create_directories(folder_ / name);
    std::ofstream(folder_ / name / "cpulist") << list << "\n";
  }
  ProcessorsByNode found() const { return usable_processors(folder_.string()); }

  std::filesystem::path folder_;
  std::vector<int> allowed_;
};

TEST_F(FakedNodes, WithoutDescriptionThereIsOneNode) {
  EXPECT_EQ(found(), (ProcessorsByNode{allowed_}));
  EXPECT_EQ(usable_processors("/nowhere"), (ProcessorsByNode{allowed_}));
}

TEST_F(FakedNodes, HoldOnlyProcessorsThatTheProcessMayUse) {
  add_node("node0", "1020-1023");
  add_node("node1", "0-1023");
  add_node("node2", "");
  EXPECT_EQ(found(), (ProcessorsByNode{allowed_}));
}

TEST_F(FakedNodes, AreOrderedByTheirNumber) {
  if (allowed_.size() < 2) GTEST_SKIP() << "one processor";
  const std::string first = std::to_string(allowed_.front());
  const std::string second = std::to_string(allowed_[1]);
  add_node("node10", first);
  add_node("node9", second);
  add_node("node_of_another_kind", "0-3");
  const ProcessorsByNode nodes = found();
  ASSERT_GE(nodes.size(), 2U);
  EXPECT_EQ(nodes[0], std::vector<int>{allowed_[1]});
  EXPECT_EQ(nodes[1], std::vector<int>{allowed_[0]});
}

TEST_F(FakedNodes, KeepWhatABrokenListNamesFirst) {
  if (allowed_.size() < 2) GTEST_SKIP() << "one processor";
  add_node("node0", std::to_string(allowed_.front()) + ",x," + std::to_string(allowed_[1]));
  EXPECT_EQ(found()[0], std::vector<int>{allowed_.front()});
  EXPECT_EQ(found().size(), 2U);
}

TEST_F(FakedNodes, LoseNoProcessorToABrokenList) {
  const std::string first = std::to_string(allowed_.front());
  const std::vector<std::string> broken{first + ",x", first + "-", first + " 7", "-3", "9-1", ",,"};
  for (const std::string& list : broken) {
    add_node("node0", list);
    size_t n = 0;
    for (const std::vector<int>& node : found()) n += node.size();
    EXPECT_EQ(n, allowed_.size()) << list;
  }
}

}  // namespace
}  // namespace autoglm
