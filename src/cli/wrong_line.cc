// What a user reads whose command line does not parse: the word that is not known, the nearest one
// that is, and what could stand there. CLI11 alone says of a wrong command that one is required.
#include <fmt/format.h>

#include <algorithm>

#include "base/visible_text.h"
#include "cli/command.h"
#include "cli/foreign_flags.h"

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

bool has_flag(const CLI::App& app, std::string_view flag) {
  return app.get_option_no_throw(std::string(flag)) != nullptr;
}

// What says here what `flag` says to another server's program; empty where nothing is known of it.
std::string counterpart(const CLI::App& app, const CLI::App& owner, std::string_view flag) {
  const ForeignFlag* const foreign = find_foreign_flag(flag);
  if (foreign == nullptr) return {};
  if (foreign->ours.empty()) return std::string(foreign->more);
  std::string expected(foreign->ours);
  if (!has_flag(owner, foreign->ours)) {
    for (const char* name : {"serve", "generate"}) {
      if (!has_flag(*app.get_subcommand(name), foreign->ours)) continue;
      expected += fmt::format(" of autoglm {}", name);
      break;
    }
  }
  if (!foreign->more.empty()) expected += fmt::format(", {}", foreign->more);
  return expected;
}

// "none: it is a flag of autoglm generate"; empty where neither of the two that are used most has
// it.
std::string other_command(const CLI::App& app, std::string_view flag) {
  for (const char* name : {"serve", "generate"}) {
    if (has_flag(*app.get_subcommand(name), flag)) {
      return fmt::format("none: it is a flag of autoglm {}", name);
    }
  }
  return {};
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
    std::string expected = counterpart(app, owner, flag);
    if (expected.empty()) expected = other_command(app, flag);
    if (expected.empty()) expected = perhaps(nearest_of(flag, long_flags(owner)));
    return text(flag, "unknown flag of " + full_name(owner), std::move(expected), help);
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

// "-ngl 9" reads as -n with the value "gl" where there is a -n: the first word that is another
// program's flag of several letters, and none of ours.
std::string_view foreign_word(const CLI::App& command, const std::vector<std::string>& line) {
  for (const std::string& word : line) {
    const std::string_view flag = flag_of(word);
    if (flag == "--") break;
    if (flag.size() > 2 && flag[0] == '-' && flag[1] != '-' && !has_flag(command, flag) &&
        find_foreign_flag(flag) != nullptr) {
      return flag;
    }
  }
  return {};
}

// "--port" of CLI11's "--port: At Most 1 required but received 2".
std::string explain_repeated(std::string_view told, std::string_view help) {
  const std::string_view name = told.substr(0, told.find(':'));
  return text(name, "given more than once", "one value", help);
}

}  // namespace

std::string explain_wrong_line(const CLI::App& app, const std::vector<std::string>& line,
                               const CLI::ParseError& problem) {
  std::vector<std::string> names;
  for (const CLI::App* command : commands_of(app)) names.push_back(command->get_name());
  const std::string commands = fmt::format("commands: {}", fmt::join(names, ", "));
  const CLI::App* const command = named_command(app);
  const std::string help = command == nullptr ? commands
                                              : fmt::format("autoglm {} --help tells what it takes",
                                                            full_name(*command));

  if (command != nullptr) {
    const std::string_view foreign = foreign_word(*command, line);
    if (!foreign.empty()) return explain_flag(app, *command, foreign, help);
  }
  const int code = problem.get_exit_code();
  const std::string_view told = problem.what();
  if (code == static_cast<int>(CLI::ExitCodes::ArgumentMismatch) && told.ends_with(" missing")) {
    return text(told.substr(0, told.find(':')), "nothing stands behind it", "its value", help);
  }
  if (code == static_cast<int>(CLI::ExitCodes::ArgumentMismatch) &&
      told.find(": At Most 1 ") != std::string_view::npos) {
    return explain_repeated(told, help);
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
  // The one command whose word is no text although texts are what it is for.
  const bool has_text = has_flag(*command, "--text") && has_flag(*command, "--decode");
  return text(words[0], full_name(*command) + " takes no further word",
              has_text ? "a text behind --text, in quotes" : "text with spaces in quotes", help);
}

}  // namespace autoglm
