#include "state/database.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <tuple>

#include "state/state_dir.h"

namespace autoglm::state {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Folder {
 public:
  Folder()
      : path((fs::temp_directory_path() /
              ("state_test." + std::to_string(::getpid()) + "." + std::to_string(++n_folders)))
                 .string()) {}
  ~Folder() { fs::remove_all(path); }
  const std::string path;

 private:
  static inline int n_folders = 0;
};

// Another process, begun before this one has any connection, that writes into `path` and ends when
// it is told to. It knows nothing of our connections but what the system tells.
class OtherWriter {
 public:
  explicit OtherWriter(const std::string& path) {
    EXPECT_EQ(::pipe(pipe_), 0);
    child_ = ::fork();
    if (child_ != 0) return;
    char byte = 0;
    std::ignore = ::read(pipe_[0], &byte, 1);
    bool done = false;
    if (auto theirs = Database::open(path)) {
      done = theirs->run("INSERT INTO t VALUES (1)").has_value();
    }
    ::_exit(done ? 0 : 1);
  }
  ~OtherWriter() {
    ::close(pipe_[0]);
    ::close(pipe_[1]);
  }
  bool writes_and_ends() {
    int status = 1;
    return ::write(pipe_[1], "x", 1) == 1 && ::waitpid(child_, &status, 0) == child_ && status == 0;
  }

 private:
  int pipe_[2] = {-1, -1};
  pid_t child_ = -1;
};

// Two connections of one process, and others that come and go: the last user of a file takes its
// log away, and must not think that it is the last.
TEST(Database, AnotherProcessThatComesAndGoesIsSeen) {
  const Folder folder;
  ASSERT_TRUE(open_state_dir(folder.path));
  const std::string path = folder.path + "/a.db";
  OtherWriter others[] = {OtherWriter(path), OtherWriter(path), OtherWriter(path)};
  Database first = *Database::open(path);
  ASSERT_TRUE(first.migrate({"CREATE TABLE t (n INTEGER) STRICT"}));
  const auto sum = [&] {
    int64_t n = 0;
    EXPECT_TRUE(first.run("SELECT n FROM t", {}, [&](const Row& row) { n += row.integer(0); }));
    return n;
  };
  EXPECT_EQ(sum(), 0);
  for (int64_t round = 1; round <= 3; ++round) {
    const Database second = *Database::open(path);
    const int64_t version = *first.version();
    ASSERT_TRUE(others[round - 1].writes_and_ends()) << round;
    EXPECT_NE(*first.version(), version) << round;
    EXPECT_EQ(sum(), round);
  }
}

TEST(Database, KeepsRowsAndTellsOthersOfThem) {
  const Folder folder;
  ASSERT_TRUE(open_state_dir(folder.path));
  const std::string path = folder.path + "/a.db";
  Database mine = *Database::open(path);
  ASSERT_TRUE(mine.migrate({"CREATE TABLE t (n INTEGER, s TEXT) STRICT"}));
  Database theirs = *Database::open(path);
  const int64_t before = *theirs.version();
  EXPECT_EQ(
      *mine.run("INSERT INTO t VALUES (?, ?), (NULL, 'b')", {int64_t{7}, std::string("a\0c", 3)}),
      2);
  EXPECT_NE(*theirs.version(), before);
  std::vector<std::string> seen;
  ASSERT_TRUE(theirs.run("SELECT n, s FROM t ORDER BY n DESC", {}, [&](const Row& row) {
    seen.push_back(std::to_string(row.maybe_integer(0).value_or(-1)) + row.text(1));
  }));
  EXPECT_EQ(seen, (std::vector<std::string>{std::string("7a\0c", 4), "-1b"}));
}

TEST(Database, ATransactionIsWholeOrNothing) {
  const Folder folder;
  ASSERT_TRUE(open_state_dir(folder.path));
  Database database = *Database::open(folder.path + "/a.db");
  ASSERT_TRUE(database.migrate({"CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT"}));
  const auto failed = database.transaction([&]() -> Result<void> {
    AGLM_TRY(database.run("INSERT INTO t VALUES (1)"));
    AGLM_TRY(database.run("INSERT INTO t VALUES (1)"));
    return {};
  });
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message(), HasSubstr("UNIQUE"));
  int64_t n = -1;
  ASSERT_TRUE(
      database.run("SELECT count(*) FROM t", {}, [&](const Row& row) { n = row.integer(0); }));
  EXPECT_EQ(n, 0);
}

TEST(Database, MigratesAndRefusesWhatANewerProgramMade) {
  const Folder folder;
  ASSERT_TRUE(open_state_dir(folder.path));
  const std::string path = folder.path + "/a.db";
  constexpr std::string_view kFirst = "CREATE TABLE t (n INTEGER) STRICT";
  constexpr std::string_view kSecond = "ALTER TABLE t ADD COLUMN s TEXT";
  ASSERT_TRUE(Database::open(path)->migrate({kFirst}));
  ASSERT_TRUE(Database::open(path)->migrate({kFirst, kSecond}));
  ASSERT_TRUE(Database::open(path)->migrate({kFirst, kSecond}));
  ASSERT_TRUE(Database::open(path)->run("SELECT s FROM t"));
  const auto older = Database::open(path)->migrate({kFirst});
  ASSERT_FALSE(older);
  EXPECT_THAT(older.error().message(), HasSubstr("newer program"));
}

TEST(Database, RefusesOtherFiles) {
  const Folder folder;
  ASSERT_TRUE(open_state_dir(folder.path));
  const std::string path = folder.path + "/a.db";
  std::ofstream(path) << std::string(4096, 'x');
  const auto opened = Database::open(path);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(opened.error().message(), HasSubstr(path));
  fs::create_symlink(path, folder.path + "/link.db");
  EXPECT_FALSE(Database::open(folder.path + "/link.db"));
  EXPECT_FALSE(Database::open(folder.path + "/none/a.db"));
}

TEST(StateDir, IsWhereTheEnvironmentSays) {
  const auto with = [](const char* state, const char* xdg, const char* home) {
    const auto set = [](const char* name, const char* value) {
      value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1);
    };
    set("STATE_DIRECTORY", state);
    set("XDG_STATE_HOME", xdg);
    set("HOME", home);
    const auto path = state_dir_path("");
    return path ? *path : path.error().message();
  };
  EXPECT_EQ(with("/var/lib/a:/var/lib/b", "/x", "/h"), "/var/lib/a");
  EXPECT_EQ(with(nullptr, "/x", "/h"), "/x/autoglm");
  EXPECT_EQ(with("", "", "/h"), "/h/.local/state/autoglm");
  EXPECT_THAT(with(nullptr, nullptr, nullptr), HasSubstr("no place to keep state"));
  EXPECT_EQ(*state_dir_path("/asked"), "/asked");
}

TEST(StateDir, IsMadeForItsOwnerAlone) {
  const Folder folder;
  const std::string path = folder.path + "/deep/state";
  ASSERT_TRUE(open_state_dir(path));
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0700U);
  const std::string file = folder.path + "/file";
  std::ofstream(file) << "x";
  EXPECT_THAT(open_state_dir(file).error().message(), HasSubstr("no folder"));
  EXPECT_FALSE(open_state_dir(file + "/below"));
}

TEST(SecretFile, IsMadeOnceAndNotReplaced) {
  const Folder folder;
  ASSERT_TRUE(open_state_dir(folder.path));
  const std::string path = folder.path + "/secret";
  const std::string first = *secret_file(path, 32);
  EXPECT_EQ(first.size(), 32U);
  EXPECT_EQ(*secret_file(path, 32), first);
  struct stat found {};
  ASSERT_EQ(::stat(path.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0600U);
  EXPECT_THAT(secret_file(path, 16).error().message(), HasSubstr("damaged"));
  ASSERT_TRUE(write_private_file(path, "other"));
  EXPECT_FALSE(secret_file(path, 32));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()), 1)
      << "nothing is left beside it";
}

}  // namespace
}  // namespace autoglm::state
