// What a user reads whose command line does not parse: the word that is not known, the nearest one
// that is, and what could stand there. CLI11 alone says of a wrong command that one is required.
#include <fmt/format.h>

#include <algorithm>

#include "base/visible_text.h"
#include "cli/command.h"

namespace autoglm {
namespace {

// "--port" of "--port=80".
std::string_view flag_of(std::string_view word) { return word.substr(0, word.find('=')); }

std::vector<std::string> long_flags(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) flags.push_back("--" + name);
  }
  return flags;
}

std::string nearest_of(std::string_view word, const std::vector<std::string>& known) {
  return nearest(word, {known.begin(), known.end()});
}

std::string perhaps(const std::string& near) { return near.empty() ? "" : "perhaps " + near; }

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// The command that was named last: "serve" of "bench serve"; null where none was.
const CLI::App* named_command(const CLI::App& app) {
  const CLI::App* command = nullptr;
  for (auto parsed = app.get_subcommands(); !parsed.empty(); parsed = command->get_subcommands()) {
    command = parsed[0];
  }
  return command;
}

// "bench serve"
std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  const bool nested = parent != nullptr && parent->get_parent() != nullptr;
  return nested ? full_name(*parent) + " " + command.get_name() : command.get_name();
}

std::string text(std::string_view word, std::string what, std::string expected,
                 std::string_view more) {
  const Error error{ErrorCode::kInvalidArgument, std::move(what), visible(word),
                    std::move(expected), ""};
  return fmt::format("{}\n{}", error.message(), more);
}

std::string explain_flag(const CLI::App& app, const CLI::App& owner, std::string_view flag,
                         std::string_view help) {
  if (&owner != &app) {
    return text(flag, "unknown flag of " + full_name(owner),
                perhaps(nearest_of(flag, long_flags(owner))), help);
  }
  for (const CLI::App* command : commands_of(app)) {
    const std::vector<std::string> flags = long_flags(*command);
    if (std::find(flags.begin(), flags.end(), flag) != flags.end()) {
      return text(flag, "flag stands before the command",
                  fmt::format("it behind one, as in autoglm {} {}", command->get_name(), flag),
                  help);
    }
  }
  return text(flag, "unknown flag", perhaps(nearest_of(flag, long_flags(app))), help);
}

}  // namespace

std::string explain_wrong_line(const CLI::App& app, const CLI::ParseError& problem) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  const std::string commands = fmt::format("commands: {}", fmt::join(names, ", "));
  const CLI::App* const command = named_command(app);
  const std::string help = command == nullptr ? commands
                                              : fmt::format("autoglm {} --help tells what it takes",
                                                            full_name(*command));

  const int code = problem.get_exit_code();
  const std::string_view told = problem.what();
  if (code == static_cast<int>(CLI::ExitCodes::ArgumentMismatch) && told.ends_with(" missing")) {
    return text(told.substr(0, told.find(':')), "nothing stands behind it", "its value", help);
  }
  if (code != static_cast<int>(CLI::ExitCodes::ExtrasError) &&
      code != static_cast<int>(CLI::ExitCodes::RequiredError)) {
    return fmt::format("{}\n{}", problem.what(), help);
  }
  // Words that nothing took: of the program where it has any, else of the command.
  const CLI::App& owner = app.remaining_size() > 0 || command == nullptr ? app : *command;
  const std::vector<std::string> words = owner.remaining();
  if (words.empty()) {
    return fmt::format("{}\n{}", command == nullptr ? "no command is given" : problem.what(), help);
  }
  const auto flag = std::find_if(words.begin(), words.end(),
                                 [](const std::string& word) { return word.starts_with('-'); });
  // Behind an unknown command all words are unknown: the command is the one to name.
  if (command == nullptr && flag != words.begin()) {
    return text(words[0], "unknown command", perhaps(nearest_of(words[0], names)), help);
  }
  if (flag != words.end()) return explain_flag(app, owner, flag_of(*flag), help);
  return text(words[0], full_name(*command) + " takes no further word",
              "text with spaces in quotes", help);
}

}  // namespace autoglm
