#include "state/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace autoglm::state {
namespace {

constexpr int kBusyMilliseconds = 5000;  // for another process to finish what it writes

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { ::sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

int bind(sqlite3_stmt* statement, int place, const Value& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) {
    return ::sqlite3_bind_int64(statement, place, *number);
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return ::sqlite3_bind_text64(statement, place, text->data(), text->size(), SQLITE_TRANSIENT,
                                 SQLITE_UTF8);
  }
  return ::sqlite3_bind_null(statement, place);
}

}  // namespace

int64_t Row::integer(int column) const { return ::sqlite3_column_int64(statement_, column); }

std::optional<int64_t> Row::maybe_integer(int column) const {
  if (::sqlite3_column_type(statement_, column) == SQLITE_NULL) return std::nullopt;
  return integer(column);
}

std::string Row::text(int column) const {
  const void* bytes = ::sqlite3_column_blob(statement_, column);
  const int size = ::sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

void Database::Close::operator()(sqlite3* database) const { ::sqlite3_close_v2(database); }

Error Database::failed(std::string_view what) const {
  const int code = ::sqlite3_errcode(database_.get());
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  const bool busy = code == SQLITE_BUSY || code == SQLITE_LOCKED || code == SQLITE_FULL;
  return Error{damaged ? ErrorCode::kCorrupt
                       : (busy ? ErrorCode::kUnavailable : ErrorCode::kInvalidArgument),
               fmt::format("the database cannot be {}", what), path_, "",
               ::sqlite3_errmsg(database_.get())};
}

Result<Database> Database::open(const std::string& path) {
  // SQLite would make it as the umask says. A file that is there is not opened here: to close it
  // again would drop the locks of every connection that this process has to it (POSIX), and others
  // would take its log away.
  const int made = ::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (made >= 0) {
    ::close(made);
  } else if (errno != EEXIST) {
    return Error{ErrorCode::kInvalidArgument, "the database cannot be opened", path, "",
                 std::strerror(errno)};
  }
  sqlite3* raw = nullptr;
  const int code = ::sqlite3_open_v2(
      path.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
      nullptr);
  Database database(path, raw);
  if (code != SQLITE_OK) return database.failed("opened");
  ::sqlite3_busy_timeout(raw, kBusyMilliseconds);
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return database.failed("looked at");
  database.device_ = file.st_dev;
  database.inode_ = file.st_ino;
  // What is in the file is not trusted with functions and virtual tables of the library's.
  ::sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  ::sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  AGLM_TRY(database.run("PRAGMA journal_mode = WAL"));
  AGLM_TRY(database.run("PRAGMA synchronous = FULL"));
  AGLM_TRY(database.run("PRAGMA foreign_keys = ON"));
  return database;
}

Result<int64_t> Database::run(std::string_view sql, std::initializer_list<Value> parameters,
                              const std::function<void(const Row&)>& on_row) {
  sqlite3_stmt* raw = nullptr;
  if (::sqlite3_prepare_v2(database_.get(), sql.data(), static_cast<int>(sql.size()), &raw,
                           nullptr) != SQLITE_OK) {
    return failed("asked");
  }
  const Statement statement(raw);
  int place = 0;
  for (const Value& value : parameters) {
    if (bind(raw, ++place, value) != SQLITE_OK) return failed("asked");
  }
  while (true) {
    const int code = ::sqlite3_step(raw);
    if (code == SQLITE_DONE) return ::sqlite3_changes64(database_.get());
    if (code != SQLITE_ROW) return failed("used");
    if (on_row) on_row(Row(raw));
  }
}

Result<void> Database::transaction(const std::function<Result<void>()>& work) {
  AGLM_TRY(run("BEGIN IMMEDIATE"));
  Result<void> done = work();
  if (done) {
    if (const auto committed = run("COMMIT")) return {};
    done = failed("written");
  }
  static_cast<void>(run("ROLLBACK"));  // its own failure says nothing that `done` does not
  return done;
}

bool Database::is_at_its_path() const {
  struct stat file {};
  return ::stat(path_.c_str(), &file) == 0 && file.st_dev == device_ && file.st_ino == inode_;
}

Result<int64_t> Database::version() {
  int64_t version = 0;
  AGLM_TRY(run("PRAGMA data_version", {}, [&](const Row& row) { version = row.integer(0); }));
  return version;
}

Result<void> Database::migrate(const std::vector<std::string_view>& scripts) {
  return transaction([&]() -> Result<void> {
    int64_t found = 0;
    AGLM_TRY(run("PRAGMA user_version", {}, [&](const Row& row) { found = row.integer(0); }));
    const auto known = std::ssize(scripts);
    if (found > known) {
      return Error{ErrorCode::kUnsupported, "the database was made by a newer program", path_,
                   fmt::format("version {} or less", known), fmt::format("{}", found)};
    }
    for (int64_t i = found; i < known; ++i) {
      AGLM_TRY(run(scripts[static_cast<size_t>(i)]));
    }
    if (found != known) AGLM_TRY(run(fmt::format("PRAGMA user_version = {}", known)));
    return {};
  });
}

}  // namespace autoglm::state
