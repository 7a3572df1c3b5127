// autoglm usage: what was asked and answered, by day, tenant, key and model.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/json.h"
#include "base/utf8.h"
#include "base/visible_text.h"
#include "cli/command.h"
#include "guard/day_clock.h"
#include "guard/usage_store.h"
#include "state/state_dir.h"

namespace autoglm {
namespace {

struct UsageFlags {
  std::string state_dir;
  std::optional<std::string> from, to, tenant;
  std::string by = "day,tenant";
  std::string format = "table";
};

// The columns that usage may be summed by, in the order in which they are shown.
struct Column {
  const char* name;
  std::string guard::UsageKey::*member;
};
constexpr Column kColumns[] = {{"day", &guard::UsageKey::day},
                               {"tenant", &guard::UsageKey::tenant},
                               {"key", &guard::UsageKey::key},
                               {"model", &guard::UsageKey::model}};

Result<std::vector<Column>> parse_columns(std::string_view list) {
  std::vector<std::string_view> names;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    const bool known =
        std::ranges::any_of(kColumns, [&](const Column& column) { return column.name == name; });
    if (!known) {
      return Error{ErrorCode::kInvalidArgument, "usage is not kept by that", "--by",
                   "some of day,tenant,key,model", visible(name.substr(0, 100))};
    }
    names.push_back(name);
  }
  std::vector<Column> columns;
  for (const Column& column : kColumns) {
    if (std::ranges::find(names, column.name) != names.end()) columns.push_back(column);
  }
  return columns;
}

Result<void> check_day(const std::optional<std::string>& text, const char* flag) {
  if (!text) return {};
  const guard::DayClock clock = AGLM_TRY(guard::DayClock::in("UTC"));
  const Result<int64_t> begin = clock.begin_of(*text);
  if (begin) return {};
  Error wrong = begin.error();
  wrong.where = flag;
  return wrong;
}

using Sums = std::map<std::vector<std::string>, guard::UsageSum>;

void print_table(const std::vector<Column>& columns, const Sums& sums) {
  for (const Column& column : columns) fmt::print("{:<18} ", column.name);
  fmt::print("{:>10} {:>14} {:>14} {:>14}\n", "requests", "input tokens", "of them cached",
             "output tokens");
  for (const auto& [of, sum] : sums) {
    for (const std::string& value : of) fmt::print("{:<18} ", value.empty() ? "-" : visible(value));
    fmt::print("{:>10} {:>14} {:>14} {:>14}\n", sum.requests, sum.input_tokens, sum.cached_tokens,
               sum.output_tokens);
  }
}

// RFC 4180; what a spreadsheet would take for a formula is text.
std::string csv_field(const std::string& value) {
  const bool formula =
      !value.empty() && std::string_view("=+-@\t\r").find(value[0]) != std::string_view::npos;
  std::string quoted = "\"";
  if (formula) quoted += '\'';
  for (const char c : repair_utf8(value)) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

void print_csv(const std::vector<Column>& columns, const Sums& sums) {
  for (const Column& column : columns) fmt::print("{},", column.name);
  fmt::print("requests,input_tokens,cached_tokens,output_tokens\r\n");
  for (const auto& [of, sum] : sums) {
    for (const std::string& value : of) fmt::print("{},", csv_field(value));
    fmt::print("{},{},{},{}\r\n", sum.requests, sum.input_tokens, sum.cached_tokens,
               sum.output_tokens);
  }
}

void print_json(const std::vector<Column>& columns, const Sums& sums) {
  json::array rows;
  for (const auto& [of, sum] : sums) {
    json::object row;
    for (size_t i = 0; i < columns.size(); ++i) row[columns[i].name] = repair_utf8(of[i]);
    row["requests"] = sum.requests;
    row["input_tokens"] = sum.input_tokens;
    row["cached_tokens"] = sum.cached_tokens;
    row["output_tokens"] = sum.output_tokens;
    rows.push_back(std::move(row));
  }
  fmt::print("{}\n", boost::json::serialize(rows));
}

Result<void> show(const UsageFlags& flags) {
  AGLM_TRY(check_day(flags.from, "--from"));
  AGLM_TRY(check_day(flags.to, "--to"));
  const std::vector<Column> columns = AGLM_TRY(parse_columns(flags.by));
  const std::string folder = AGLM_TRY(state::existing_state_dir(flags.state_dir));
  Sums sums;
  if (guard::UsageStore::exists(folder)) {
    guard::UsageStore store = AGLM_TRY(guard::UsageStore::open(folder));
    const auto rows = AGLM_TRY(
        store.rows({.first_day = flags.from, .last_day = flags.to, .tenant = flags.tenant}));
    for (const guard::UsageRow& row : rows) {
      std::vector<std::string> of;
      for (const Column& column : columns) of.push_back(row.of.*column.member);
      sums[of].add(row.sum);
    }
  }
  if (flags.format == "json") {
    print_json(columns, sums);
  } else if (flags.format == "csv") {
    print_csv(columns, sums);
  } else {
    print_table(columns, sums);
  }
  return {};
}

}  // namespace

void add_usage_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("usage", "show what tenants and keys have used");
  const auto flags = std::make_shared<UsageFlags>();
  add_state_dir_option(*command, flags->state_dir);
  command->add_option("--from", flags->from, "first day, as 2026-11-30 [the first there is]");
  command->add_option("--to", flags->to, "last day, inclusive [the last there is]");
  command->add_option("--tenant", flags->tenant, "of this tenant alone");
  command->add_option("--by", flags->by, "sum by some of day,tenant,key,model [day,tenant]");
  command->add_option("--format", flags->format, "table, json or csv")
      ->check(CLI::IsMember({"table", "json", "csv"}));
  on_chosen(line, command, [flags] { return show(*flags); });
}

}  // namespace autoglm
