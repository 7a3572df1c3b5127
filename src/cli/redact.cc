// autoglm redact: a text without what identifies people and opens doors; also what is recognized,
// and the way back from the vault.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "guard/redact/policy.h"
#include "state/state_dir.h"

namespace autoglm {
namespace {

using namespace guard::redact;

struct RedactFlags {
  std::string file;
  std::string policy;
  std::string tenant;
  std::string state_dir;
  std::string key_file;
  bool list = false;
  bool as_json = false;
  bool reveal = false;
};

constexpr size_t kMostBytes = size_t{1} << 30;

void list_entities() {
  fmt::print("{:<20} {:<7} {:>7}  {}\n", "entity", "checked", "longest", "what");
  for (const EntityInfo& row : entities()) {
    fmt::print("{:<20} {:<7} {:>7}  {}\n", row.name, row.checked ? "yes" : "-", row.longest,
               row.what);
  }
}

Result<std::string> read_input(const RedactFlags& flags) {
  if (flags.file.empty() || flags.file == "-") return read_standard_input();
  return read_file(flags.file, kMostBytes);
}

Result<void> print_findings(const RedactFlags& flags, const Rules& rules) {
  const std::string text = AGLM_TRY(read_input(flags));
  json::array findings;
  for (const Finding& finding : find(text, rules.filter, TextForm::kPlain, rules.names.get())) {
    findings.push_back(json::object{
        {"entity", info(finding.entity).name},
        {"begin", finding.begin},
        {"end", finding.end},
        {"score", static_cast<int>(finding.score * 100 + 0.5F) / 100.0},
        {"operator", operator_name(rules.of(finding.entity))},
    });
  }
  fmt::print("{}\n", boost::json::serialize(findings));
  return {};
}

Result<void> reveal_text(const RedactFlags& flags) {
  if (flags.key_file.empty()) {
    return Error{ErrorCode::kInvalidArgument, "no key", "--key-file",
                 "the file redact.vault of the state folder that the text comes from", ""};
  }
  constexpr size_t kKeyBytes = 32;
  OperatorKeys keys;
  keys.vault = AGLM_TRY(read_file(flags.key_file, 4096));
  if (keys.vault.size() != kKeyBytes) {
    return Error{ErrorCode::kInvalidArgument, "not a key of the vault", flags.key_file,
                 fmt::format("{} bytes", kKeyBytes), fmt::format("{}", keys.vault.size())};
  }
  const std::string text = AGLM_TRY(read_input(flags));
  const std::string revealed = AGLM_TRY(reveal(text, {.keys = &keys, .tenant = flags.tenant}));
  fmt::print("{}", revealed);
  return {};
}

// As it comes: a pipe sees each line when it is certain.
Result<void> stream_input(const Rules& rules, const OperatorScope& scope) {
  StreamRedactor stream(rules, scope);
  std::array<char, 65536> bytes;
  for (;;) {
    const ssize_t n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error{ErrorCode::kIo, "cannot read", "standard input", "", ""};
    if (n == 0) break;
    fmt::print("{}", stream.push({bytes.data(), static_cast<size_t>(n)}));
    std::fflush(stdout);
  }
  fmt::print("{}", stream.finish());
  return {};
}

Result<void> run(const RedactFlags& flags) {
  if (flags.list) {
    list_entities();
    return {};
  }
  if (flags.reveal) return reveal_text(flags);
  Policy policy;
  if (!flags.policy.empty()) policy = AGLM_TRY(Policy::read(flags.policy));
  const Rules& rules = policy.of(flags.tenant);
  if (flags.as_json) return print_findings(flags, rules);
  OperatorKeys keys;
  if (policy.needs_keys()) {
    const std::string folder = AGLM_TRY(state::open_state_dir(flags.state_dir));
    keys = AGLM_TRY(operator_keys(folder));
  }
  const OperatorScope scope{.keys = &keys, .tenant = flags.tenant};
  if (flags.file.empty() || flags.file == "-") return stream_input(rules, scope);
  const std::string text = AGLM_TRY(read_input(flags));
  fmt::print("{}", redact(text, rules, scope));
  return {};
}

}  // namespace

void add_redact_command(CommandLine& line) {
  CLI::App* command =
      line.app.add_subcommand("redact", "a text without personal data and secrets, by a policy");
  const auto flags = std::make_shared<RedactFlags>();
  command->add_option("file", flags->file, "text; none or -: standard input");
  command->add_option("--policy", flags->policy, "YAML file; without it all becomes a tag");
  command->add_option("--tenant", flags->tenant, "by the policy's rules for this tenant");
  command->add_flag("--list", flags->list, "show what is recognized");
  command->add_flag("--json", flags->as_json, "show what was found, and where, in bytes");
  command->add_flag("--reveal", flags->reveal, "turn what the vault has made of values back");
  command->add_option("--key-file", flags->key_file, "the vault's key, for --reveal");
  add_state_dir_option(*command, flags->state_dir);
  command->footer("Example: autoglm redact --policy policy.yaml < letter.txt");
  on_chosen(line, command, [flags] { return run(*flags); });
}

}  // namespace autoglm
