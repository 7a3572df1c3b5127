// What the tenants of a state folder may have: `autoglm tenant` writes it, servers read it, each
// change at the next request. One thread at a time; several processes may use one folder.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "state/database.h"

namespace autoglm::guard {

// What is not set is not limited.
struct TenantLimits {
  std::optional<int64_t> requests_per_minute{};
  std::optional<int64_t> tokens_per_minute{};  // of prompts and answers together
  std::optional<int64_t> requests_per_day{};
  std::optional<int64_t> tokens_per_day{};
  std::optional<int64_t> concurrent_requests{};
  std::optional<int64_t> priority{};  // the most urgent that its requests may have
  std::vector<std::string> models{};  // by the names that are served; empty: all

  bool operator==(const TenantLimits&) const = default;
};

// The limits of every tenant that has none of its own.
inline constexpr const char* kEveryTenant = "*";

using TenantTable = std::map<std::string, TenantLimits, std::less<>>;

class TenantStore {
 public:
  // Whether somebody has made a database in `folder`.
  static bool exists(const std::string& folder);
  // `folder` is open_state_dir()'s.
  static Result<std::unique_ptr<TenantStore>> open(const std::string& folder);

  // False: another database lies in its place, or none; to be opened anew.
  bool is_current() const { return database_.is_at_its_path(); }
  // Replaces what the tenant had. Errors: a name that is none, limits below 0, names of models with
  // control characters.
  Result<void> set(const std::string& name, const TenantLimits& limits);
  // False: there was none.
  Result<bool> remove(const std::string& name);
  // All of them, read again only after a change; valid until the next call.
  Result<const TenantTable*> all();

 private:
  explicit TenantStore(state::Database database) : database_(std::move(database)) {}

  state::Database database_;
  TenantTable table_;               // what the database held at version_
  std::optional<int64_t> version_;  // nothing: to be read
};

// Errors name what is wrong as `what`: more than 256 bytes, no UTF-8, control characters.
Result<void> check_word(std::string_view what, const std::string& word);

}  // namespace autoglm::guard
