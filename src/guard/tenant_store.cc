#include "guard/tenant_store.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "base/visible_text.h"
#include "guard/schema.h"

namespace autoglm::guard {
namespace {

constexpr size_t kMostNameBytes = 256;                    // as limits::kMaxTenantBytes
constexpr int64_t kMostOfALimit = 1'000'000'000'000'000;  // sums of them stay numbers
constexpr size_t kMostModels = 1000;

// The columns of numbers, in the order of the table.
constexpr std::pair<const char*, std::optional<int64_t> TenantLimits::*> kNumbers[] = {
    {"requests_per_minute", &TenantLimits::requests_per_minute},
    {"tokens_per_minute", &TenantLimits::tokens_per_minute},
    {"requests_per_day", &TenantLimits::requests_per_day},
    {"tokens_per_day", &TenantLimits::tokens_per_day},
    {"concurrent_requests", &TenantLimits::concurrent_requests},
    {"priority", &TenantLimits::priority}};

state::Value maybe(std::optional<int64_t> value) {
  return value ? state::Value(*value) : state::Value();
}

// Of a JSON list; a list that is none is as good as damaged: nobody's models are guessed.
Result<std::vector<std::string>> parse_models(const std::string& text, const std::string& tenant) {
  const auto damaged = [&] {
    return Error{ErrorCode::kCorrupt, "the list of models is damaged", "tenant " + visible(tenant),
                 "a list of names", visible(std::string_view(text).substr(0, 100))};
  };
  const Result<json::value> list = json::parse(text, "models");
  if (!list || !list->is_array()) return damaged();
  std::vector<std::string> models;
  for (const json::value& name : list->get_array()) {
    if (!name.is_string()) return damaged();
    models.emplace_back(name.get_string());
  }
  return models;
}

}  // namespace

Result<void> check_word(std::string_view what, const std::string& word) {
  const bool plain = is_valid_utf8(word) && std::ranges::none_of(word, [](char c) {
                       return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
                     });
  if (plain && word.size() <= kMostNameBytes) return {};
  return Error{ErrorCode::kInvalidArgument, "not a name", std::string(what),
               fmt::format("at most {} bytes of UTF-8 without control characters", kMostNameBytes),
               visible(std::string_view(word).substr(0, 100))};
}

bool TenantStore::exists(const std::string& folder) {
  return ::access(guard_database_path(folder).c_str(), F_OK) == 0;
}

Result<std::unique_ptr<TenantStore>> TenantStore::open(const std::string& folder) {
  state::Database database = AGLM_TRY(open_guard_database(folder));
  return std::unique_ptr<TenantStore>(new TenantStore(std::move(database)));
}

Result<void> TenantStore::set(const std::string& name, const TenantLimits& limits) {
  AGLM_TRY(check_word("tenant", name));
  if (name.empty()) {
    return Error{ErrorCode::kInvalidArgument, "a tenant has a name", "tenant", "", "an empty one"};
  }
  for (const auto& [column, member] : kNumbers) {
    const int64_t limit = (limits.*member).value_or(0);
    if (limit >= 0 && limit <= kMostOfALimit) continue;
    return Error{ErrorCode::kInvalidArgument, "out of range", column,
                 fmt::format("0 to {}", kMostOfALimit), fmt::format("{}", *(limits.*member))};
  }
  if (limits.models.size() > kMostModels) {
    return Error{ErrorCode::kTooLarge, "too many models", "models",
                 fmt::format("at most {}", kMostModels), fmt::format("{}", limits.models.size())};
  }
  json::array models;
  for (const std::string& model : limits.models) {
    AGLM_TRY(check_word("models", model));
    models.emplace_back(model);
  }
  version_.reset();
  AGLM_TRY(database_.run(
      "INSERT OR REPLACE INTO tenants (name, requests_per_minute, tokens_per_minute, "
      "requests_per_day, tokens_per_day, concurrent_requests, priority, models) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      {name, maybe(limits.requests_per_minute), maybe(limits.tokens_per_minute),
       maybe(limits.requests_per_day), maybe(limits.tokens_per_day),
       maybe(limits.concurrent_requests), maybe(limits.priority), boost::json::serialize(models)}));
  return {};
}

Result<bool> TenantStore::remove(const std::string& name) {
  version_.reset();
  const int64_t removed = AGLM_TRY(database_.run("DELETE FROM tenants WHERE name = ?", {name}));
  return removed > 0;
}

Result<const TenantTable*> TenantStore::all() {
  const int64_t version = AGLM_TRY(database_.version());
  if (version_ == version) return &table_;
  TenantTable table;
  std::optional<Error> wrong;
  AGLM_TRY(database_.run(
      "SELECT name, requests_per_minute, tokens_per_minute, requests_per_day, tokens_per_day, "
      "concurrent_requests, priority, models FROM tenants",
      {}, [&](const state::Row& row) {
        TenantLimits limits;
        for (int i = 0; i < static_cast<int>(std::size(kNumbers)); ++i) {
          limits.*kNumbers[i].second = row.maybe_integer(i + 1);
        }
        auto models = parse_models(row.text(7), row.text(0));
        if (!models) {
          wrong = std::move(models).error();
          return;
        }
        limits.models = *std::move(models);
        table.emplace(row.text(0), std::move(limits));
      }));
  if (wrong) return *wrong;
  table_ = std::move(table);
  version_ = version;
  return &table_;
}

}  // namespace autoglm::guard
