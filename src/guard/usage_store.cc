#include "guard/usage_store.h"

#include <unistd.h>

#include <utility>

namespace autoglm::guard {
namespace {

constexpr std::string_view kFirstVersion = R"(
  CREATE TABLE usage (
    day TEXT NOT NULL, tenant TEXT NOT NULL, key TEXT NOT NULL, model TEXT NOT NULL,
    requests INTEGER NOT NULL, input_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL, PRIMARY KEY (day, tenant, key, model)) STRICT)";

state::Value or_null(const std::optional<std::string>& text) {
  return text ? state::Value(*text) : state::Value();
}

}  // namespace

void UsageSum::add(const UsageSum& other) {
  requests += other.requests;
  input_tokens += other.input_tokens;
  cached_tokens += other.cached_tokens;
  output_tokens += other.output_tokens;
}

bool UsageStore::exists(const std::string& folder) {
  return ::access((folder + "/usage.db").c_str(), F_OK) == 0;
}

Result<UsageStore> UsageStore::open(const std::string& folder) {
  state::Database database = AGLM_TRY(state::Database::open(folder + "/usage.db"));
  AGLM_TRY(database.migrate({kFirstVersion}));
  return UsageStore(std::move(database));
}

Result<void> UsageStore::add(const std::vector<UsageRow>& rows) {
  return database_.transaction([&]() -> Result<void> {
    for (const auto& [of, sum] : rows) {
      AGLM_TRY(database_.run(
          "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
          "requests = requests + excluded.requests, "
          "input_tokens = input_tokens + excluded.input_tokens, "
          "cached_tokens = cached_tokens + excluded.cached_tokens, "
          "output_tokens = output_tokens + excluded.output_tokens",
          {of.day, of.tenant, of.key, of.model, sum.requests, sum.input_tokens, sum.cached_tokens,
           sum.output_tokens}));
    }
    return {};
  });
}

Result<std::vector<UsageRow>> UsageStore::rows(const UsageQuestion& question) {
  std::vector<UsageRow> rows;
  AGLM_TRY(database_.run(
      "SELECT day, tenant, key, model, requests, input_tokens, cached_tokens, output_tokens "
      "FROM usage WHERE (?1 IS NULL OR day >= ?1) AND (?2 IS NULL OR day <= ?2) AND "
      "(?3 IS NULL OR tenant = ?3) ORDER BY day, tenant, key, model",
      {or_null(question.first_day), or_null(question.last_day), or_null(question.tenant)},
      [&](const state::Row& row) {
        rows.push_back({{row.text(0), row.text(1), row.text(2), row.text(3)},
                        {row.integer(4), row.integer(5), row.integer(6), row.integer(7)}});
      }));
  return rows;
}

}  // namespace autoglm::guard
