#include "cli/line_editor.h"

#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdio>
#include <cwchar>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>

namespace autoglm {
namespace {

// What a terminal puts around a paste when it is asked to ("bracketed paste" of xterm).
constexpr const char* kAskForBrackets = "\033[?2004h";
constexpr const char* kNoBrackets = "\033[?2004l";
constexpr const char* kPasteBegins = "\033[200~";
constexpr std::wstring_view kPasteEnds = L"\033[201~";
// What ends a program from outside. libedit gives the terminal its modes back and lets them through
// (EL_SIGNAL); what it knows nothing of is put back here.
constexpr int kEnds[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
constexpr size_t kMaxPaste = size_t{16} << 20;  // letters; what comes after them is dropped
constexpr int kHistorySize = 1000;              // messages, of this conversation alone

}  // namespace

struct LineEditor::State {
  EditLine* editor = nullptr;
  History* history = nullptr;
  const char* prompt = "";
  bool interrupted = false;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (editor != nullptr) el_end(editor);
    if (history != nullptr) history_end(history);
  }
};

namespace {

LineEditor::State& state_of(EditLine* editor) {
  void* data = nullptr;
  el_get(editor, EL_CLIENTDATA, &data);
  return *static_cast<LineEditor::State*>(data);
}

// Takes letters up to the end of the paste into the line; line ends are letters here.
unsigned char paste(EditLine* editor, int /*key*/) {
  std::wstring text;
  wchar_t letter = 0;
  while (el_wgetc(editor, &letter) == 1) {
    text += letter;
    if (text.ends_with(kPasteEnds)) {
      text.resize(text.size() - kPasteEnds.size());
      break;
    }
    if (text.size() > kMaxPaste) text.erase(kMaxPaste - kPasteEnds.size(), 1);
  }
  std::wstring lines;
  for (const wchar_t c : text) {
    if (c == L'\r' || c == L'\n') {  // terminals send line ends as the Enter key does
      lines += L'\n';
    } else if (c == L'\t' || c >= L' ') {
      lines += c;
    }
  }
  if (!lines.empty() && el_winsertstr(editor, lines.c_str()) != 0) return CC_ERROR;
  return CC_REFRESH;
}

// Async-signal-safe.
void leave_terminal(int signal) {
  std::ignore = ::write(STDOUT_FILENO, kNoBrackets, std::char_traits<char>::length(kNoBrackets));
  ::signal(signal, SIG_DFL);
  ::raise(signal);
}

// While it lives, the ending signals leave the terminal as it was.
class EndsCleanly {
 public:
  EndsCleanly() {
    struct sigaction action {};
    action.sa_handler = leave_terminal;
    for (size_t i = 0; i < std::size(kEnds); ++i) ::sigaction(kEnds[i], &action, &before_[i]);
  }
  ~EndsCleanly() {
    for (size_t i = 0; i < std::size(kEnds); ++i) ::sigaction(kEnds[i], &before_[i], nullptr);
  }
  EndsCleanly(const EndsCleanly&) = delete;
  EndsCleanly& operator=(const EndsCleanly&) = delete;

 private:
  struct sigaction before_[std::size(kEnds)]{};
};

unsigned char interrupt(EditLine* editor, int /*key*/) {
  state_of(editor).interrupted = true;
  return CC_NEWLINE;
}

}  // namespace

LineEditor::LineEditor(const char* prompt) : state_(std::make_unique<State>()) {
  // What is typed is UTF-8, also where no locale is set; C.UTF-8 is a part of glibc.
  if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) std::setlocale(LC_CTYPE, "");
  State& s = *state_;
  s.prompt = prompt;
  s.editor = el_init("autoglm", stdin, stdout, stderr);
  s.history = history_init();
  if (s.editor == nullptr) return;
  el_set(s.editor, EL_CLIENTDATA, &s);
  el_set(
      s.editor, EL_PROMPT, +[](EditLine* editor) -> char* {
        return const_cast<char*>(state_of(editor).prompt);  // libedit only reads it
      });
  el_set(s.editor, EL_EDITOR, "emacs");
  el_set(s.editor, EL_SIGNAL, 1);
  HistEvent event;
  if (s.history != nullptr) {
    history(s.history, &event, H_SETSIZE, kHistorySize);
    el_set(s.editor, EL_HIST, history, s.history);
  }
  el_set(s.editor, EL_ADDFN, "paste", "takes a paste as it is", paste);
  el_set(s.editor, EL_BIND, kPasteBegins, "paste", nullptr);
  // Ctrl-C is a key while a line is being edited, and a signal while an answer is being made.
  el_set(s.editor, EL_SETTY, "-d", "-isig", nullptr);
  el_set(s.editor, EL_ADDFN, "interrupt", "forgets the line", interrupt);
  el_set(s.editor, EL_BIND, "^C", "interrupt", nullptr);
  for (const auto& [keys, action] :
       {std::pair("\033[H", "ed-move-to-beg"), std::pair("\033[F", "ed-move-to-end"),
        std::pair("\033[1~", "ed-move-to-beg"), std::pair("\033[4~", "ed-move-to-end"),
        std::pair("\033[3~", "ed-delete-next-char"), std::pair("\033[1;5D", "ed-prev-word"),
        std::pair("\033[1;5C", "em-next-word"), std::pair("^R", "em-inc-search-prev")}) {
    el_set(s.editor, EL_BIND, keys, action, nullptr);
  }
}

LineEditor::~LineEditor() = default;

std::optional<std::string> LineEditor::read() {
  State& s = *state_;
  if (s.editor == nullptr) return std::nullopt;
  while (true) {
    s.interrupted = false;
    std::fputs(kAskForBrackets, stdout);
    std::fflush(stdout);
    int length = 0;
    const char* line = nullptr;
    {
      const EndsCleanly ends;
      line = el_gets(s.editor, &length);
    }
    std::fputs(kNoBrackets, stdout);
    if (s.interrupted) {
      std::fputs("^C\n", stdout);
      std::fflush(stdout);
      if (line == nullptr || length <= 0) return std::nullopt;
      continue;
    }
    std::fflush(stdout);
    if (line == nullptr || length <= 0) return std::nullopt;
    std::string message(line, static_cast<size_t>(length));
    if (message.ends_with('\n')) message.pop_back();
    HistEvent event;
    if (!message.empty() && s.history != nullptr) {
      history(s.history, &event, H_ENTER, message.c_str());
    }
    return message;
  }
}

}  // namespace autoglm
