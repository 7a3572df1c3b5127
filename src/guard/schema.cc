#include "guard/schema.h"

namespace autoglm::guard {
namespace {

// One statement a version: a change of the tables is one more.
const std::vector<std::string_view> kVersions = {
    R"(
  CREATE TABLE api_keys (
    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, name TEXT NOT NULL, scopes TEXT NOT NULL,
    created INTEGER NOT NULL, expires INTEGER, revoked INTEGER, mac TEXT NOT NULL) STRICT)",
    R"(
  CREATE TABLE tenants (
    name TEXT PRIMARY KEY, requests_per_minute INTEGER, tokens_per_minute INTEGER,
    requests_per_day INTEGER, tokens_per_day INTEGER, concurrent_requests INTEGER,
    priority INTEGER, models TEXT NOT NULL) STRICT)"};

}  // namespace

Result<state::Database> open_guard_database(const std::string& folder) {
  state::Database database = AGLM_TRY(state::Database::open(guard_database_path(folder)));
  AGLM_TRY(database.migrate(kVersions));
  return database;
}

}  // namespace autoglm::guard
