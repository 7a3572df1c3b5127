// Formats in which an answer that calls begins with the tool's name on a line of its own: GLM-4 and
// GLM-4-0414 (JSON behind it) and ChatGLM3 (Python behind it). Nothing else marks a call, so only
// the names of the request's tools are ones.
#include <cctype>
#include <optional>
#include <string>

#include "text/tools/call_object.h"
#include "text/tools/call_reader.h"
#include "text/tools/marked_text.h"
#include "text/tools/python_literal.h"

namespace autoglm::tools {
namespace {

using Step = JsonScanner::Step;

// tool_call(name='value', ...) to a JSON object, argument by argument.
class PythonArguments {
 public:
  explicit PythonArguments(DeltaSink& sink) : sink_(sink) {}

  // kDone with the closing bracket. After kBad the arguments are closed before the bad one, of
  // which pending() is what was read.
  Step feed(char c) {
    if (in_string_ != '\0') {
      value_ += c;
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == in_string_) {
        in_string_ = '\0';
      }
      return Step::kMore;
    }
    return in_value_ ? value_byte(c) : name_byte(c);
  }
  void close() { sink_.arguments(first_ ? "{}" : "}"); }
  std::string pending() const { return in_value_ ? name_ + "=" + value_ : name_; }

 private:
  static constexpr size_t kMaxName = 128;

  Step name_byte(char c) {
    if (is_space(c)) return Step::kMore;
    if (c == ')' && name_.empty()) {
      close();
      return Step::kDone;
    }
    if (c == '=' && !name_.empty()) {
      in_value_ = true;
      value_.clear();
      depth_ = 0;
      return Step::kMore;
    }
    const bool of_names = std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
                          (static_cast<unsigned char>(c) & 0x80) != 0;
    if (!of_names || name_.size() >= kMaxName) return Step::kBad;
    name_ += c;
    return Step::kMore;
  }

  Step value_byte(char c) {
    if (depth_ == 0 && (c == ',' || c == ')')) {
      const std::optional<std::string> value = python_literal_to_json(value_);
      if (!value) return Step::kBad;
      sink_.arguments((first_ ? "{\"" : ", \"") + json_escaped(name_) + "\": " + *value);
      first_ = false;
      name_.clear();
      in_value_ = false;
      return c == ')' ? name_byte(c) : Step::kMore;
    }
    if (c == '(' || c == '[' || c == '{') ++depth_;
    if (c == ')' || c == ']' || c == '}') --depth_;
    if (depth_ < 0) return Step::kBad;
    if (c == '\'' || c == '"') in_string_ = c;
    value_ += c;
    return Step::kMore;
  }

  DeltaSink& sink_;
  std::string name_, value_;
  bool in_value_ = false;
  bool first_ = true;
  char in_string_ = '\0';
  bool escaped_ = false;
  int depth_ = 0;
};

class NamedReader : public CallReader {
 public:
  NamedReader(CallFormat format, const ToolCatalog& catalog, DeltaSink& sink)
      : python_(format == CallFormat::kChatGlm3), catalog_(catalog), sink_(sink) {}

  void byte(char c) override {
    switch (state_) {
      case State::kLine: in_line(c); return;
      case State::kOpening: in_opening(c); return;
      case State::kArguments: in_arguments(c); return;
      case State::kAfter: in_after(c); return;
      case State::kText: sink_.content({&c, 1}); return;
    }
  }

  void finish() override {
    // White space behind a call is not an answer.
    const bool blank = raw_.find_first_not_of(" \t\r\n`") == std::string::npos;
    if (!(blank && sink_.n_calls() > 0)) sink_.content(raw_);
    raw_.clear();
  }

 private:
  enum class State { kLine, kOpening, kArguments, kAfter, kText };
  static constexpr std::string_view kPython = "```python\ntool_call(";
  static constexpr std::string_view kFence = "```";
  static constexpr std::string_view kTurn = "<|assistant|>";  // between calls of one answer

  // Held as long as the line may still be a tool's name.
  void in_line(char c) {
    raw_ += c;
    if (name_.empty() && is_space(c)) {
      // A name stands at the very beginning; behind a call there may be space before the next.
      if (sink_.n_calls() == 0) give_up();
      return;
    }
    if (c == '\n') {
      while (!name_.empty() && is_space(name_.back())) name_.pop_back();
      if (!catalog_.knows(name_)) return give_up();
      opening_.clear();
      state_ = State::kOpening;
      return;
    }
    name_ += c;
    std::string_view name = name_;
    while (!name.empty() && is_space(name.back())) name.remove_suffix(1);
    if (!catalog_.begins_a_name(name)) give_up();
  }

  // From the name to where the arguments begin.
  void in_opening(char c) {
    if (!python_) {
      if (c == '{') return begin(c);
      raw_ += c;
      if (!is_space(c)) give_up();
      return;
    }
    raw_ += c;
    if (opening_.empty() && is_space(c)) return;
    opening_ += c;
    if (opening_ == kPython) return begin('\0');
    if (!kPython.starts_with(opening_)) give_up();
  }

  void begin(char c) {
    sink_.call(name_);
    raw_.clear();
    name_.clear();
    state_ = State::kArguments;
    json_.emplace(sink_);
    arguments_.emplace(sink_);
    if (!python_) in_arguments(c);
  }

  void in_arguments(char c) {
    const Step step = python_ ? arguments_->feed(c) : json_->feed(c);
    if (step == Step::kMore) return;
    state_ = step == Step::kDone ? State::kAfter : State::kText;
    if (step == Step::kDone) return;
    if (python_) {
      arguments_->close();
      sink_.content(arguments_->pending());
    }
    sink_.content({&c, 1});
  }

  // The fence's end and turns are passed over; a name may come again.
  void in_after(char c) {
    raw_ += c;
    std::string_view rest = raw_;
    while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
    if (rest.empty()) return;
    for (const std::string_view mark : {kFence, kTurn}) {
      if (rest == mark) {
        raw_.clear();
        return;
      }
      if (mark.starts_with(rest)) return;
    }
    const std::string held(rest);
    raw_.resize(raw_.size() - rest.size());
    state_ = State::kLine;
    for (const char each : held) byte(each);
  }

  void give_up() {
    sink_.content(raw_);
    raw_.clear();
    name_.clear();
    state_ = State::kText;
  }

  const bool python_;
  const ToolCatalog& catalog_;
  DeltaSink& sink_;
  State state_ = State::kLine;
  std::string raw_;  // what is neither content nor a call yet
  std::string name_;
  std::string opening_;
  std::optional<ArgumentsReader> json_;
  std::optional<PythonArguments> arguments_;
};

}  // namespace

std::unique_ptr<CallReader> make_named_reader(CallFormat format, const ToolCatalog& catalog,
                                              DeltaSink& sink) {
  return std::make_unique<NamedReader>(format, catalog, sink);
}

}  // namespace autoglm::tools
