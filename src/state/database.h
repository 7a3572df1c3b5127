// A SQLite database, as a value: statements with parameters, rows, transactions. Several processes
// may use one file; each thread has a Database of its own, or a lock around it.
#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "autoglm/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace autoglm::state {

// NULL, an integer, text; bytes are text, too.
using Value = std::variant<std::monostate, int64_t, std::string>;

// The row that a statement stands on; valid until it goes on.
class Row {
 public:
  explicit Row(sqlite3_stmt* statement) : statement_(statement) {}
  int64_t integer(int column) const;
  std::optional<int64_t> maybe_integer(int column) const;
  std::string text(int column) const;

 private:
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // Made where it is missing, mode 0600. Errors name the file: one that is no database, that is
  // damaged, that cannot be written.
  static Result<Database> open(const std::string& path);
  Database(Database&&) noexcept = default;
  Database& operator=(Database&&) noexcept = default;

  // One statement. `on_row` may be empty; it must not use the database. Returns how many rows it
  // has changed.
  Result<int64_t> run(std::string_view sql, std::initializer_list<Value> parameters = {},
                      const std::function<void(const Row&)>& on_row = {});
  // All that `work` does, or, where it fails, nothing.
  Result<void> transaction(const std::function<Result<void>()>& work);
  // Whether its path still names the file that was opened: somebody may have put a copy in its
  // place.
  bool is_at_its_path() const;
  // Changes whenever another connection, of this process or another, has written.
  Result<int64_t> version();

  // Brings a new or older database to `scripts.size()`: script i takes it from version i to i + 1.
  // Refused: one of a newer program.
  Result<void> migrate(const std::vector<std::string_view>& scripts);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  Database(std::string path, sqlite3* database) : path_(std::move(path)), database_(database) {}
  Error failed(std::string_view what) const;

  std::string path_;
  uint64_t device_ = 0, inode_ = 0;  // of the file
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace autoglm::state
