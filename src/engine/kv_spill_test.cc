// The spill's file: round trips, damage, other models' files, disks that fill.
#include "engine/kv_spill.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace autoglm {
namespace {

constexpr int64_t kPageBytes = 10'000;
constexpr int64_t kSlotBytes = 4096 + 12'288;

class KvSpillTest : public testing::Test {
 protected:
  KvSpillTest() { std::filesystem::remove(path_); }
  ~KvSpillTest() override { std::filesystem::remove(path_); }

  SpillOptions options(std::string identity = "model A") const {
    return {.path = path_,
            .size_bytes = 4096 + 4 * kSlotBytes,
            .page_bytes = kPageBytes,
            .page_tokens = 4,
            .identity = std::move(identity)};
  }
  std::unique_ptr<KvSpill> open() const {
    auto spill = KvSpill::open(options());
    EXPECT_TRUE(spill) << spill.error().message();
    return spill ? *std::move(spill) : nullptr;
  }
  std::string refusal(const SpillOptions& wanted) const {
    const auto spill = KvSpill::open(wanted);
    return spill ? "opened" : spill.error().message();
  }
  static SpilledPage page(uint64_t id, uint64_t parent = 0) {
    return {.id = id,
            .parent = parent,
            .used = 10 * id,
            .salt = parent == 0 ? "salt" : "",
            .tokens = {TokenId{1}, TokenId{2}, TokenId{3}, TokenId{static_cast<int32_t>(id)}}};
  }
  static std::vector<std::byte> bytes(uint32_t seed) {
    std::vector<std::byte> bytes(kPageBytes);
    for (auto& b : bytes) b = static_cast<std::byte>((seed = seed * 1103515245 + 12345) >> 16);
    return bytes;
  }
  void overwrite(int64_t offset, const std::string& text) const {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset);
    file << text;
  }

  const std::string path_ =
      testing::TempDir() + "kv_spill_test." + std::to_string(getpid()) + ".kv";
};

TEST_F(KvSpillTest, GivesBackWhatItWasGivenAlsoToTheNextProcess) {
  std::vector<std::byte> found(kPageBytes);
  {
    const auto spill = open();
    EXPECT_EQ(spill->n_slots(), 4);
    EXPECT_TRUE(spill->write(0, page(5), bytes(5)));
    EXPECT_TRUE(spill->write(3, page(6, 5), bytes(6)));
    EXPECT_TRUE(spill->read(3, 6, found));
    EXPECT_EQ(found, bytes(6));
    EXPECT_FALSE(spill->read(3, 5, found)) << "another page than the one asked for";
  }
  const auto spill = open();
  const auto entries = spill->take_entries();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].slot, 0);
  EXPECT_EQ(entries[0].page.salt, "salt");
  EXPECT_EQ(entries[1].page.id, 6U);
  EXPECT_EQ(entries[1].page.parent, 5U);
  EXPECT_EQ(entries[1].page.used, 60U);
  EXPECT_EQ(entries[1].page.tokens, page(6).tokens);
  EXPECT_TRUE(spill->read(0, 5, found));
  EXPECT_EQ(found, bytes(5));
}

TEST_F(KvSpillTest, IsForItsOwnerAlone) {
  const auto spill = open();
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
  EXPECT_NE(refusal(options()).find("another process spills KV pages there"), std::string::npos);
}

TEST_F(KvSpillTest, AFileThatOthersCouldReadIsClosedToThem) {
  open()->write(0, page(1), bytes(1));
  ASSERT_EQ(chmod(path_.c_str(), 0666), 0);
  EXPECT_EQ(open()->take_entries().size(), 1U);
  struct stat status {};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST_F(KvSpillTest, ALinkAndAnotherUsersFileAreRefused) {
  const std::string target = path_ + ".target";
  std::filesystem::create_symlink(target, path_);
  EXPECT_NE(refusal(options()).find("a symbolic link"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(target));
  std::filesystem::remove(path_);
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  open();
  ASSERT_EQ(chown(path_.c_str(), 4711, 4711), 0);
  EXPECT_NE(refusal(options()).find("belongs to another user"), std::string::npos);
}

TEST_F(KvSpillTest, AnotherModelsFileIsRefusedAndNamed) {
  open()->write(0, page(1), bytes(1));
  const std::string said = refusal(options("model B"));
  EXPECT_NE(said.find("holds KV pages of another model or program"), std::string::npos) << said;
  EXPECT_NE(said.find("model A"), std::string::npos) << said;
  EXPECT_NE(said.find("model B"), std::string::npos) << said;
  SpillOptions larger = options();
  larger.page_bytes += 1;
  EXPECT_NE(refusal(larger).find("another model or program"), std::string::npos);
  EXPECT_EQ(open()->take_entries().size(), 1U) << "it was left as it was";
}

TEST_F(KvSpillTest, AFileOfSomethingElseIsRefusedAndLeftAlone) {
  std::ofstream(path_) << "my diary";
  EXPECT_NE(refusal(options()).find("is not a file of spilled KV pages"), std::string::npos);
  std::string text;
  std::getline(std::ifstream(path_), text);
  EXPECT_EQ(text, "my diary");
  SpillOptions folder = options();
  folder.path = testing::TempDir();
  EXPECT_NE(refusal(folder), "opened");
}

TEST_F(KvSpillTest, ADamagedHeaderIsRefused) {
  open();
  overwrite(100, "x");
  EXPECT_NE(refusal(options()).find("the header is damaged"), std::string::npos);
}

TEST_F(KvSpillTest, DamagedPagesAreNotUsed) {
  {
    const auto spill = open();
    for (int32_t slot = 0; slot < 4; ++slot) {
      spill->write(slot, page(static_cast<uint64_t>(slot) + 1), bytes(static_cast<uint32_t>(slot)));
    }
  }
  overwrite(4096 + 20, "damage");                                     // the header of slot 0
  overwrite(4096 + kSlotBytes + 4096 + 9'990, "damage");              // the page of slot 1
  std::filesystem::resize_file(path_, 4096 + 3 * kSlotBytes + 5000);  // slot 3 ends too early
  const auto spill = open();
  EXPECT_EQ(spill->take_entries().size(), 3U);
  std::vector<std::byte> found(kPageBytes);
  EXPECT_FALSE(spill->read(1, 2, found));
  EXPECT_TRUE(spill->read(2, 3, found));
  EXPECT_FALSE(spill->read(3, 4, found));
  EXPECT_EQ(spill->n_failed(), 2);
}

TEST_F(KvSpillTest, AFileTooSmallForOnePageIsRefused) {
  SpillOptions small = options();
  small.size_bytes = kSlotBytes;
  EXPECT_NE(refusal(small).find("would not hold one"), std::string::npos);
}

TEST_F(KvSpillTest, TheProcesssFileSizeLimitIsKept) {
  const auto spill = open();
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit limit = before;
  limit.rlim_cur = 4096 + 2 * kSlotBytes;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const bool second = spill->write(1, page(1), bytes(1));
  const bool third = spill->write(2, page(2), bytes(2));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_TRUE(second);
  EXPECT_FALSE(third);
}

// In a child with a file system of its own, of 40 KiB.
TEST_F(KvSpillTest, ADiskThatFillsCostsPagesAndNothingElse) {
  const std::string folder = testing::TempDir() + "kv_spill_disk." + std::to_string(getpid());
  std::filesystem::create_directory(folder);
  constexpr int kSkipped = 77;
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("disk", folder.c_str(), "tmpfs", 0, "size=40k") != 0) {
      _exit(kSkipped);
    }
    SpillOptions there = options();
    there.path = folder + "/kv";
    auto spill = KvSpill::open(there);
    if (!spill) _exit(1);
    std::vector<std::byte> found(kPageBytes);
    int n_written = 0;
    for (int32_t slot = 0; slot < 4; ++slot) {
      n_written += (*spill)->write(slot, page(static_cast<uint64_t>(slot) + 1),
                                   bytes(static_cast<uint32_t>(slot)));
    }
    const bool first_is_there = (*spill)->read(0, 1, found) && found == bytes(0);
    const bool last_is_not = !(*spill)->read(3, 4, found);
    _exit(n_written >= 1 && n_written < 4 && first_is_there && last_is_not ? 0 : 2);
  }
  int status = 0;
  waitpid(child, &status, 0);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kSkipped) GTEST_SKIP() << "file systems cannot be mounted here";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace autoglm
