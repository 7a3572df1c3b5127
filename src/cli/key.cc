// autoglm key: who may ask a server that shares this state folder.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <charconv>
#include <ctime>

#include "base/visible_text.h"
#include "cli/command.h"
#include "guard/key_store.h"
#include "state/state_dir.h"

namespace autoglm {
namespace {

constexpr int64_t kDay = 86'400;

// "90d", "12h", "30m" or "3600s" in seconds.
Result<int64_t> parse_duration(std::string_view text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, code] = std::from_chars(text.data(), end, number);
  const std::string_view unit(rest, static_cast<size_t>(end - rest));
  const int64_t seconds = unit == "d"   ? kDay
                          : unit == "h" ? 3600
                          : unit == "m" ? 60
                          : unit == "s" ? 1
                                        : 0;
  // A thousand years: times stay times.
  if (code == std::errc{} && seconds > 0 && number > 0 && number <= 365'000 * kDay / seconds) {
    return number * seconds;
  }
  return Error{ErrorCode::kInvalidArgument, "not a time", "--expires", "90d, 12h, 30m or 3600s",
               visible(text.substr(0, 100))};
}

std::string day(std::optional<int64_t> seconds) {
  if (!seconds) return "-";
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(static_cast<std::time_t>(*seconds)));
}

struct KeyFlags {
  std::string state_dir;
  guard::KeyWish wish;
  std::string scopes = "inference";
  std::optional<std::string> expires;
  std::string which;
};

// Only what makes keys makes the folder: a wrong path is not an empty list.
Result<std::unique_ptr<guard::KeyStore>> open_store(const KeyFlags& flags) {
  const std::string folder = AGLM_TRY(state::existing_state_dir(flags.state_dir));
  return guard::KeyStore::open(folder);
}

void print_key(const guard::ApiKey& key) {
  fmt::print("{}\n", key.text);
  // On the other channel, so that the first can go into a file.
  fmt::print(stderr,
             "Key {}: it is shown this once. Servers that share the folder take it at once.\n",
             key.id);
}

Result<void> create(KeyFlags flags) {
  flags.wish.scopes = AGLM_TRY(guard::parse_scopes(flags.scopes));
  if (flags.expires) flags.wish.expires_in = AGLM_TRY(parse_duration(*flags.expires));
  const std::string folder = AGLM_TRY(state::open_state_dir(flags.state_dir));
  const auto store = AGLM_TRY(guard::KeyStore::open(folder));
  print_key(AGLM_TRY(store->create(flags.wish)));
  return {};
}

Result<void> list(const KeyFlags& flags) {
  const auto store = AGLM_TRY(open_store(flags));
  const std::vector<guard::KeyRecord> records = AGLM_TRY(store->list());
  fmt::print("{:<9} {:<20} {:<16} {:<28} {:<16} {:<16} {}\n", "id", "name", "tenant", "scopes",
             "created (UTC)", "expires", "state");
  const auto now = static_cast<int64_t>(std::time(nullptr));
  for (const guard::KeyRecord& record : records) {
    const std::string_view state = record.revoked      ? "revoked"
                                   : record.valid(now) ? "valid"
                                                       : "expired";
    fmt::print("{:<9} {:<20} {:<16} {:<28} {:<16} {:<16} {}\n", record.id, visible(record.name),
               record.tenant.empty() ? "-" : visible(record.tenant), record.scopes.text(),
               day(record.created), day(record.expires), state);
  }
  return {};
}

Result<void> revoke(const KeyFlags& flags) {
  const auto store = AGLM_TRY(open_store(flags));
  const guard::KeyRecord record = AGLM_TRY(store->revoke(flags.which));
  fmt::print("key {} ({}) is revoked\n", record.id, visible(record.name));
  return {};
}

Result<void> rotate(const KeyFlags& flags) {
  const auto store = AGLM_TRY(open_store(flags));
  print_key(AGLM_TRY(store->rotate(flags.which)));
  return {};
}

}  // namespace

void add_state_dir_option(CLI::App& command, std::string& state_dir) {
  command
      .add_option("--state-dir", state_dir,
                  "the server's folder [$STATE_DIRECTORY, $XDG_STATE_HOME/autoglm or "
                  "~/.local/state/autoglm]")
      ->envname("AUTOGLM_STATE_DIR");
}

void add_key_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("key", "make, list, revoke and rotate API keys");
  command->require_subcommand(1);
  const auto flags = std::make_shared<KeyFlags>();
  const auto add = [&](const char* name, const char* help, Result<void> (*run)(KeyFlags)) {
    CLI::App* action = command->add_subcommand(name, help);
    add_state_dir_option(*action, flags->state_dir);
    on_chosen(line, action, [flags, run] { return run(*flags); });
    return action;
  };
  CLI::App* made = add("create", "make a key; it is written to standard output, once", create);
  made->add_option("--name", flags->wish.name, "for people")->required();
  made->add_option("--tenant", flags->wish.tenant, "whose work its requests are [none]");
  made->add_option("--scopes", flags->scopes,
                   "what it opens: inference, admin, metrics, audit, gateway [inference]");
  made->add_option("--expires", flags->expires, "after which time it ends: 90d, 12h [never]");
  add("list", "all keys, without their secrets", [](KeyFlags f) { return list(f); });
  for (const auto& [name, help, run] :
       {std::tuple{"revoke", "end a key at once", +[](KeyFlags f) { return revoke(f); }},
        std::tuple{"rotate", "make a key in place of another, which ends",
                   +[](KeyFlags f) { return rotate(f); }}}) {
    add(name, help, run)->add_option("key", flags->which, "its id or its name")->required();
  }
}

}  // namespace autoglm
