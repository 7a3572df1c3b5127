// The program: parses the command line, runs one command, turns its error into one line and a
// status. Status 0: done; 1: the command failed; 2: the command line is wrong.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "autoglm/version.h"
#include "base/log.h"
#include "base/visible_text.h"
#include "cli/command.h"

namespace {

// The line that ends a command which failed. Not fmt::print, which throws where nobody can read it
// (a pipe whose reader has left, a full disk): the status must be told all the same.
void tell(const std::string& text) {
  const std::string line = "autoglm: " + text + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

// Whether all that the command wrote has arrived. A pipe whose reader has left (`| head`) is told
// by the status alone.
int status_of_output() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
  if (errno != EPIPE) {
    tell(std::string("standard output: cannot write") +
         (errno != 0 ? std::string(" (found ") + std::strerror(errno) + ")" : std::string()));
  }
  return 1;
}

// "help", "help serve", "help bench serve": --help by another name.
void read_help_word(std::vector<std::string>& words) {
  if (words.empty() || words.front() != "help") return;
  words.erase(words.begin());
  words.emplace_back("--help");
}

// Other users of the machine see the words of every process; not those that are secrets, from here
// on. (Nobody can hide them before; a file or a variable is the better place.)
void hide_secrets(int argc, char** argv) {
  constexpr std::string_view kFlag = "--api-key";
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    char* secret = nullptr;
    if (word == kFlag && i + 1 < argc) secret = argv[i + 1];
    if (word.starts_with(std::string(kFlag) + "=")) secret = argv[i] + kFlag.size() + 1;
    if (secret != nullptr) std::memset(secret, '*', std::strlen(secret));
  }
}

}  // namespace

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
  autoglm::add_key_command(line);
  autoglm::add_tenant_command(line);
  autoglm::add_usage_command(line);
  autoglm::add_redact_command(line);
  autoglm::add_quantize_command(line);
  autoglm::add_perplexity_command(line);
  // Last: commands inherit a footer that stands when they are added.
  line.app.footer("autoglm COMMAND --help tells more of a command. Start with: autoglm chat");
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  hide_secrets(argc, argv);  // `words` has copies
  read_help_word(words);
  try {
    (void)autoglm::configure_log("warn", "text");  // until settings say otherwise
    line.app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11's order
    const autoglm::Result<void> done = line.chosen();
    if (done) return status_of_output();
    tell(autoglm::visible(done.error().message()));
    return 1;
  } catch (const CLI::ParseError& problem) {  // CLI11 reports --help and wrong flags by throwing
    if (problem.get_exit_code() == 0) {
      const int status = line.app.exit(problem);
      return status != 0 ? status : status_of_output();
    }
    tell(autoglm::visible_lines(autoglm::explain_wrong_line(line.app, words, problem)));
    return 2;
  } catch (const std::system_error& problem) {  // fmt cannot write
    if (problem.code().value() != EPIPE) tell(autoglm::visible(problem.what()));
    return 1;
  } catch (const std::exception& problem) {  // out of memory, mostly
    tell(autoglm::visible(problem.what()));
    return 1;
  }
}
