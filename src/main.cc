// The program: parses the command line, runs one command, turns its error into one line and a
// status. Status 0: done; 1: the command failed; 2: the command line is wrong.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "autoglm/version.h"
#include "base/log.h"
#include "base/visible_text.h"
#include "cli/command.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of write(), not a death
  autoglm::CommandLine line;
  line.app.set_version_flag("--version", fmt::format("autoglm {}", autoglm::kVersion));
  line.app.require_subcommand(1);
  autoglm::add_serve_command(line);
  autoglm::add_chat_command(line);
  autoglm::add_generate_command(line);
  autoglm::add_info_command(line);
  autoglm::add_graph_command(line);
  autoglm::add_tokenize_command(line);
  autoglm::add_template_command(line);
  autoglm::add_bench_command(line);
  autoglm::add_synthetic_command(line);
  autoglm::add_pack_command(line);
  autoglm::add_quantize_command(line);
  autoglm::add_perplexity_command(line);
  // Last: commands inherit a footer that stands when they are added.
  line.app.footer("autoglm COMMAND --help tells more of a command. Start with: autoglm chat");
  try {
    (void)autoglm::configure_log("warn", "text");  // until settings say otherwise
    line.app.parse(argc, argv);
    const autoglm::Result<void> done = line.chosen();
    if (done) return 0;
    fmt::print(stderr, "autoglm: {}\n", autoglm::visible(done.error().message()));
    return 1;
  } catch (const CLI::ParseError& problem) {  // CLI11 reports --help and wrong flags by throwing
    if (problem.get_exit_code() == 0) return line.app.exit(problem);
    fmt::print(stderr, "autoglm: {}\n",
               autoglm::visible_lines(autoglm::explain_wrong_line(line.app, problem)));
    return 2;
  } catch (const std::exception& problem) {  // out of memory, mostly
    fmt::print(stderr, "autoglm: {}\n", autoglm::visible(problem.what()));
    return 1;
  }
}
