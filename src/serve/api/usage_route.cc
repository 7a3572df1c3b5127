// GET /v1/organization/usage/completions, in OpenAI's shape: a tenant is a project there.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/json_text.h"
#include "serve/api/plans.h"
#include "serve/http/query.h"

namespace autoglm::serve {
namespace {

constexpr int64_t kDefaultBuckets = 7;
constexpr int64_t kMostBuckets = 31;

struct UsageAsked {
  int64_t start = 0;
  std::optional<int64_t> end;
  int64_t n_buckets = kDefaultBuckets;
  std::vector<std::string> projects, keys, models;
  bool by_project = false, by_key = false, by_model = false;
};

Result<int64_t> number(const std::string& name, const std::string& text, int64_t least,
                       int64_t most) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, value);
  if (code == std::errc{} && rest == end && value >= least && value <= most) return value;
  return bad_field(name, "out of range", fmt::format("a whole number from {} to {}", least, most),
                   repair_utf8(utf8_prefix(text, 40)));
}

Result<void> group_by(const std::string& text, UsageAsked& asked) {
  if (text == "project_id") asked.by_project = true;
  if (text == "api_key_id") asked.by_key = true;
  if (text == "model") asked.by_model = true;
  if (text == "project_id" || text == "api_key_id" || text == "model") return {};
  return bad_field("group_by", "usage is not kept by that", "project_id, api_key_id or model",
                   repair_utf8(utf8_prefix(text, 40)));
}

Result<UsageAsked> read_usage_asked(std::string_view query) {
  constexpr int64_t kFar = int64_t{1} << 40;  // seconds: some 35,000 years
  const std::optional<QueryParameters> parameters = query_parameters(query);
  if (!parameters) return bad_field("query", "an escape in the query is broken");
  UsageAsked asked;
  bool has_start = false;
  for (const auto& [written, value] : *parameters) {
    const std::string name =
        written.ends_with("[]") ? written.substr(0, written.size() - 2) : written;
    if (name == "start_time") {
      asked.start = std::max(asked.start, AGLM_TRY(number(name, value, 0, kFar)));
      has_start = true;
    } else if (name == "end_time") {
      asked.end = AGLM_TRY(number(name, value, 0, kFar));
    } else if (name == "limit") {
      asked.n_buckets = AGLM_TRY(number(name, value, 1, kMostBuckets));
    } else if (name == "page") {
      // Where the page before ended.
      asked.start = std::max(asked.start, AGLM_TRY(number(name, value, 0, kFar)));
    } else if (name == "bucket_width") {
      if (value != "1d") {
        return bad_field(name, "usage is kept by the day", "1d",
                         repair_utf8(utf8_prefix(value, 40)));
      }
    } else if (name == "project_ids") {
      asked.projects.push_back(value);
    } else if (name == "api_key_ids") {
      asked.keys.push_back(value);
    } else if (name == "models") {
      asked.models.push_back(value);
    } else if (name == "group_by") {
      AGLM_TRY(group_by(value, asked));
    } else {
      return not_offered(repair_utf8(utf8_prefix(name, 40)), "this parameter is not supported");
    }
  }
  if (!has_start) return bad_field("start_time", "missing", "seconds since the epoch");
  return asked;
}

bool is_among(const std::vector<std::string>& wanted, const std::string& value) {
  return wanted.empty() || std::ranges::find(wanted, value) != wanted.end();
}

json::value or_null(bool told, const std::string& text) {
  return told ? json::value(repair_utf8(text)) : json::value(nullptr);
}

json::array results_of(const std::vector<guard::UsageRow>& rows, const std::string& day,
                       const UsageAsked& asked) {
  std::map<guard::UsageKey, guard::UsageSum> groups;
  for (const guard::UsageRow& row : rows) {
    const guard::UsageKey& of = row.of;
    if (of.day != day || !is_among(asked.projects, of.tenant) || !is_among(asked.keys, of.key) ||
        !is_among(asked.models, of.model)) {
      continue;
    }
    groups[{day, asked.by_project ? of.tenant : "", asked.by_key ? of.key : "",
            asked.by_model ? of.model : ""}]
        .add(row.sum);
  }
  json::array results;
  for (const auto& [of, sum] : groups) {
    results.push_back(json::object{{"object", "organization.usage.completions.result"},
                                   {"input_tokens", sum.input_tokens},
                                   {"output_tokens", sum.output_tokens},
                                   {"input_cached_tokens", sum.cached_tokens},
                                   {"input_audio_tokens", 0},
                                   {"output_audio_tokens", 0},
                                   {"num_model_requests", sum.requests},
                                   {"project_id", or_null(asked.by_project, of.tenant)},
                                   {"user_id", nullptr},
                                   {"api_key_id", or_null(asked.by_key, of.key)},
                                   {"model", or_null(asked.by_model, of.model)},
                                   {"batch", nullptr}});
  }
  return results;
}

}  // namespace

Result<std::string> answer_usage(const ServiceContext& context, std::string_view query) {
  const UsageAsked asked = AGLM_TRY(read_usage_asked(query));
  const guard::DayClock& clock = context.tenancy->clock();
  const int64_t end = std::min(asked.end.value_or(clock.now() + 1), clock.now() + 1);
  json::object page{{"object", "page"}, {"data", json::array()}, {"has_more", false}};
  page["next_page"] = nullptr;
  json::array& data = page["data"].as_array();
  std::vector<guard::DayClock::Day> days;
  int64_t at = asked.start;
  for (; at < end && std::ssize(days) < asked.n_buckets; at = days.back().end) {
    days.push_back(clock.day(at));
  }
  if (days.empty()) return dump(page);
  const auto read =
      context.tenancy->usage({.first_day = days.front().date, .last_day = days.back().date});
  if (!read) {
    logger()->error("usage cannot be read: {}", read.error().message());
    return Error{ErrorCode::kUnavailable, "usage cannot be read now", "", "", ""};
  }
  const std::vector<guard::UsageRow>& rows = *read;
  for (const guard::DayClock::Day& day : days) {
    data.push_back(json::object{{"object", "bucket"},
                                {"start_time", day.begin},
                                {"end_time", day.end},
                                {"results", results_of(rows, day.date, asked)}});
  }
  if (at < end) {
    page["has_more"] = true;
    page["next_page"] = std::to_string(at);
  }
  return dump(page);
}

}  // namespace autoglm::serve
