// The table of other programs' flags: ours are there, theirs are not.
#include "cli/foreign_flags.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <set>

#include "cli/command.h"

namespace autoglm {
namespace {

TEST(ForeignFlags, NameFlagsThatExistAndAreNoneThemselves) {
  CommandLine line;
  add_serve_command(line);
  add_generate_command(line);
  add_chat_command(line);
  const auto known = [&](std::string_view flag) {
    for (const char* command : {"serve", "generate", "chat"}) {
      const CLI::App* app = line.app.get_subcommand(command);
      if (app->get_option_no_throw(std::string(flag)) != nullptr) return true;
    }
    return false;
  };
  std::set<std::string> seen;
  for (const ForeignFlag& foreign : foreign_flags()) {
    if (!foreign.ours.empty()) {
      EXPECT_TRUE(known(foreign.ours)) << foreign.ours;
    }
    EXPECT_FALSE(foreign.ours.empty() && foreign.more.empty()) << foreign.names;
    for (std::string_view rest = foreign.names; !rest.empty();) {
      const std::string name(rest.substr(0, rest.find(' ')));
      rest.remove_prefix(std::min(name.size() + 1, rest.size()));
      EXPECT_TRUE(name.starts_with('-')) << name;
      EXPECT_TRUE(seen.insert(name).second) << name << " stands twice";
      EXPECT_FALSE(known(name)) << name << " is a flag of ours";
      EXPECT_EQ(find_foreign_flag(name), &foreign) << name;
    }
  }
  EXPECT_EQ(find_foreign_flag("--port"), nullptr);
  EXPECT_EQ(find_foreign_flag(""), nullptr);
  EXPECT_EQ(find_foreign_flag("-"), nullptr);
}

}  // namespace
}  // namespace autoglm
