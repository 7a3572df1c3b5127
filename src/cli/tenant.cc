// autoglm tenant: how much each tenant of a state folder may have.
#include <fmt/format.h>

#include <charconv>
#include <tuple>

#include "base/visible_text.h"
#include "cli/command.h"
#include "guard/tenant_store.h"
#include "state/state_dir.h"

namespace autoglm {
namespace {

using guard::TenantLimits;

// Every number of the limits, by its flag.
struct NumberFlag {
  const char* name;
  const char* help;
  std::optional<int64_t> TenantLimits::*member;
};
constexpr NumberFlag kNumbers[] = {
    {"requests-per-minute", "requests in a minute", &TenantLimits::requests_per_minute},
    {"tokens-per-minute", "tokens of prompts and answers in a minute",
     &TenantLimits::tokens_per_minute},
    {"requests-per-day", "requests in a day", &TenantLimits::requests_per_day},
    {"tokens-per-day", "tokens of prompts and answers in a day", &TenantLimits::tokens_per_day},
    {"concurrent-requests", "requests under way at once", &TenantLimits::concurrent_requests},
    {"priority", "the most urgent priority: 0 interactive, 1 batched, 2 offline",
     &TenantLimits::priority},
};
constexpr const char* kNone = "none";

struct TenantFlags {
  std::string state_dir;
  std::string name;
  std::array<std::optional<std::string>, std::size(kNumbers)> numbers;  // nothing: as it is
  std::optional<std::string> models;
};

// Only what sets limits makes the folder: a wrong path is not an empty list.
Result<std::unique_ptr<guard::TenantStore>> open_store(const TenantFlags& flags) {
  const std::string folder = AGLM_TRY(state::existing_state_dir(flags.state_dir));
  return guard::TenantStore::open(folder);
}

Result<std::optional<int64_t>> parse_limit(const std::string& text, const std::string& flag) {
  if (text == kNone) return std::optional<int64_t>();
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  if (code == std::errc{} && rest == end && number >= 0) return std::optional(number);
  return Error{ErrorCode::kInvalidArgument, "not a limit", "--" + flag,
               "a whole number from 0 on, or none", visible(text.substr(0, 100))};
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::string_view name = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), name.size() + 1));
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

std::string shown(const std::optional<int64_t>& limit) {
  return limit ? fmt::to_string(*limit) : "-";
}

void print_table(const guard::TenantTable& table) {
  fmt::print("{:<20} {:>9} {:>10} {:>9} {:>11} {:>10} {:>8}  {}\n", "tenant", "req/min", "tok/min",
             "req/day", "tok/day", "concurrent", "priority", "models");
  for (const auto& [name, limits] : table) {
    std::string models;
    for (const std::string& model : limits.models) {
      models += (models.empty() ? "" : ",") + visible(model);
    }
    fmt::print("{:<20} {:>9} {:>10} {:>9} {:>11} {:>10} {:>8}  {}\n", visible(name),
               shown(limits.requests_per_minute), shown(limits.tokens_per_minute),
               shown(limits.requests_per_day), shown(limits.tokens_per_day),
               shown(limits.concurrent_requests), shown(limits.priority),
               models.empty() ? "all" : models);
  }
}

// Changes what is given, and leaves the rest.
Result<void> set(const TenantFlags& flags) {
  const std::string folder = AGLM_TRY(state::open_state_dir(flags.state_dir));
  const auto store = AGLM_TRY(guard::TenantStore::open(folder));
  const guard::TenantTable* table = AGLM_TRY(store->all());
  const auto found = table->find(flags.name);
  TenantLimits limits = found == table->end() ? TenantLimits{} : found->second;
  for (size_t i = 0; i < flags.numbers.size(); ++i) {
    if (!flags.numbers[i]) continue;
    limits.*kNumbers[i].member = AGLM_TRY(parse_limit(*flags.numbers[i], kNumbers[i].name));
  }
  if (flags.models) {
    limits.models = split(*flags.models == "all" ? "" : *flags.models);
    if (limits.models.empty() && *flags.models != "all") {
      return Error{ErrorCode::kInvalidArgument, "no model is named", "--models",
                   "names, separated by commas, or all", visible(flags.models->substr(0, 100))};
    }
  }
  AGLM_TRY(store->set(flags.name, limits));
  print_table({{flags.name, limits}});
  return {};
}

Result<void> list(const TenantFlags& flags) {
  const auto store = AGLM_TRY(open_store(flags));
  const guard::TenantTable* table = AGLM_TRY(store->all());
  print_table(*table);
  return {};
}

Result<void> remove(const TenantFlags& flags) {
  const auto store = AGLM_TRY(open_store(flags));
  if (AGLM_TRY(store->remove(flags.name))) {
    fmt::print("tenant {} has no limits of its own any more\n", visible(flags.name));
    return {};
  }
  return Error{ErrorCode::kNotFound, "no such tenant", "tenant", "one of `autoglm tenant list`",
               visible(flags.name)};
}

}  // namespace

void add_tenant_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("tenant", "set, list and remove limits of tenants");
  command->require_subcommand(1);
  const auto flags = std::make_shared<TenantFlags>();
  const auto add = [&](const char* name, const char* help,
                       Result<void> (*run)(const TenantFlags&)) {
    CLI::App* action = command->add_subcommand(name, help);
    add_state_dir_option(*action, flags->state_dir);
    on_chosen(line, action, [flags, run] { return run(*flags); });
    return action;
  };
  CLI::App* changed = add("set", "change limits; what is not given stays", set);
  changed
      ->add_option("tenant", flags->name, "its name; \"*\": every tenant without limits of its own")
      ->required();
  for (size_t i = 0; i < std::size(kNumbers); ++i) {
    changed->add_option(fmt::format("--{}", kNumbers[i].name), flags->numbers[i],
                        fmt::format("{}; \"none\": no limit", kNumbers[i].help));
  }
  changed->add_option("--models", flags->models,
                      "models that it may use, by the names they are served under; \"all\"");
  add("list", "all limits", list);
  add("remove", "take a tenant's limits away", remove)
      ->add_option("tenant", flags->name, "its name")
      ->required();
}

}  // namespace autoglm
