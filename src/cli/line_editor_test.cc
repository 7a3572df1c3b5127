// Keys as a terminal sends them, through a real pseudo-terminal, and the messages they make.
#include "cli/line_editor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <csignal>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

namespace autoglm {
namespace {

// What is read from `file` up to `end`, or all of it within 30 seconds.
std::string read_to(int file, std::string_view end) {
  std::string text;
  pollfd wait{.fd = file, .events = POLLIN, .revents = 0};
  while (text.find(end) == std::string::npos && poll(&wait, 1, 30'000) == 1) {
    char block[512];
    const ssize_t n = ::read(file, block, sizeof block);
    if (n <= 0) break;
    text.append(block, static_cast<size_t>(n));
  }
  return text;
}

// A child process with an editor on a terminal of its own, which writes each message to a pipe.
class Typist {
 public:
  Typist() {
    EXPECT_EQ(pipe(messages_), 0);
    const winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
    child_ = forkpty(&terminal_, nullptr, nullptr, &size);
    if (child_ != 0) return;
    setenv("TERM", "xterm", 1);
    signal(SIGHUP, SIG_IGN);  // the terminal closes before the end is written
    unsetenv("LC_ALL");
    unsetenv("LANG");
    LineEditor editor("> ");
    while (const auto message = editor.read()) {
      const std::string text = *message + '\0';
      if (::write(messages_[1], text.data(), text.size()) < 0) break;
    }
    _exit(::write(messages_[1], "END\0", 4) == 4 ? 0 : 1);
  }
  Typist(const Typist&) = delete;
  Typist& operator=(const Typist&) = delete;
  ~Typist() {
    int status = 0;
    close(terminal_);
    waitpid(child_, &status, 0);
    // Closing the terminal hangs up; whether the child ends by itself before that is chance.
    const bool hung_up = WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP;
    EXPECT_TRUE(status == 0 || hung_up) << status;
    close(messages_[0]);
    close(messages_[1]);
  }

  void type(std::string_view keys) {
    // Between two messages the terminal edits lines itself, and would take the keys. The prompt
    // alone does not tell: it is drawn anew with every change of a line.
    termios mode{};
    while (tcgetattr(terminal_, &mode) == 0 && (mode.c_lflag & ICANON) != 0) {
      pollfd wait{.fd = terminal_, .events = POLLIN, .revents = 0};
      char drawn[512];
      if (poll(&wait, 1, 1) == 1 && ::read(terminal_, drawn, sizeof drawn) <= 0) break;
    }
    EXPECT_EQ(::write(terminal_, keys.data(), keys.size()), std::ssize(keys));
  }
  std::string message() {
    const std::string text = read_to(messages_[0], std::string_view("\0", 1));
    return text.substr(0, text.find('\0'));
  }

 private:
  int terminal_ = -1;
  int messages_[2] = {-1, -1};
  pid_t child_ = -1;
};

TEST(LineEditor, KeysMakeTheMessagesThatPeopleMean) {
  struct Line {
    std::string_view keys, message;
  };
  const Line lines[] = {
      {"hello\r", "hello"},
      {"helo\033[Dl\r", "hello"},              // left
      {"helo\033OD\033OD\033OCl\r", "hello"},  // the same keys of an application
      {"ello\033[Hh\033[F!\r", "hello!"},      // to the beginning, to the end
      {"智谱\x7f脑\r", "智脑"},                // backspace takes a letter, not a byte
      {"智谱清言\033[D\033[D\x7f\r", "智清言"},
      {"é🎉\x7f\x7fx\r", "x"},
      {"\033[200~one\rtwo\rthree\nfour\033[201~\r", "one\ntwo\nthree\nfour"},
      {"a \033[200~b\r\rc\033[201~ d\r", "a b\n\nc d"},
      {"\033[200~\033[31mred\x03\x04\033[201~\r", "[31mred"},  // keys in a paste do nothing
      {"\033[200~tab\there\033[201~\r", "tab\there"},
      {"\033[A\r", "tab\there"},  // the message before
      {"\033[A\033[A\033[B\r", "tab\there"},
      {"one two\x17three\r", "one three"},  // Ctrl-W
      {"\r", ""},
  };
  Typist typist;
  for (const Line& line : lines) {
    typist.type(line.keys);
    EXPECT_EQ(typist.message(), line.message);
  }
  typist.type("not this\x03");
  typist.type("but this\r");
  EXPECT_EQ(typist.message(), "but this");
  typist.type("\x04");
  EXPECT_EQ(typist.message(), "END");
}

TEST(LineEditor, CtrlCOnAnEmptyLineEnds) {
  Typist typist;
  typist.type("\x03");
  EXPECT_EQ(typist.message(), "END");
}

}  // namespace
}  // namespace autoglm
