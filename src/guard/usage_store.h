// What was asked and answered, summed by day, tenant, key and model, in the state folder's
// `usage.db`. One thread at a time.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "state/database.h"

namespace autoglm::guard {

// Whose sum it is.
struct UsageKey {
  std::string day;  // "2026-11-30", in the server's time zone
  std::string tenant;
  std::string key;  // its id; empty: a key in clear
  std::string model;
  auto operator<=>(const UsageKey&) const = default;
};

struct UsageSum {
  int64_t requests = 0;
  int64_t input_tokens = 0;  // cached ones among them
  int64_t cached_tokens = 0;
  int64_t output_tokens = 0;

  void add(const UsageSum& other);
  bool operator==(const UsageSum&) const = default;
};

struct UsageRow {
  UsageKey of;
  UsageSum sum;
};

// Which rows; what is not set is not asked for.
struct UsageQuestion {
  std::optional<std::string> first_day{};
  std::optional<std::string> last_day{};  // inclusive
  std::optional<std::string> tenant{};
};

class UsageStore {
 public:
  // Whether somebody has kept usage in `folder`.
  static bool exists(const std::string& folder);
  // `folder` is open_state_dir()'s.
  static Result<UsageStore> open(const std::string& folder);

  // False: another database lies in its place, or none; to be opened anew.
  bool is_current() const { return database_.is_at_its_path(); }
  // All of them, or, where it fails, none.
  Result<void> add(const std::vector<UsageRow>& rows);
  // By day, tenant, key and model.
  Result<std::vector<UsageRow>> rows(const UsageQuestion& question);

 private:
  explicit UsageStore(state::Database database) : database_(std::move(database)) {}
  state::Database database_;
};

}  // namespace autoglm::guard
