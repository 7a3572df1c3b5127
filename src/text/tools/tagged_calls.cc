// Formats whose arguments are tagged one by one: GLM-4.5 to GLM-5 and Qwen3-Coder. The JSON of the
// arguments is ours: texts are escaped as they stream, other values are given when they are whole,
// as JSON where they are JSON, as texts where not.
#include <string>
#include <string_view>
#include <utility>

#include "text/tools/call_reader.h"
#include "text/tools/json_scanner.h"
#include "text/tools/marked_text.h"

namespace autoglm::tools {
namespace {

struct Tags {
  std::string_view name_open;   // behind <tool_call>; may be empty
  std::string_view name_close;  // empty: a line end, or the next tag
  std::string_view key_open;
  std::string_view key_close;
  std::string_view value_open;  // may be empty
  std::string_view value_close;
  std::string_view call_close;  // before </tool_call>; may be empty
  bool value_on_lines =
      false;  // a line end behind the opening and before the closing tag is theirs
};

constexpr std::string_view kOpen = "<tool_call>";
constexpr std::string_view kClose = "</tool_call>";
constexpr Tags kGlm{.name_open = "",
                    .name_close = "",
                    .key_open = "<arg_key>",
                    .key_close = "</arg_key>",
                    .value_open = "<arg_value>",
                    .value_close = "</arg_value>",
                    .call_close = ""};
constexpr Tags kQwen{.name_open = "<function=",
                     .name_close = ">",
                     .key_open = "<parameter=",
                     .key_close = ">",
                     .value_open = "",
                     .value_close = "</parameter>",
                     .call_close = "</function>",
                     .value_on_lines = true};
constexpr size_t kMaxName = 256;  // of tools and parameters
constexpr std::string_view kNull = "null";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

class TaggedReader : public CallReader {
 public:
  TaggedReader(const Tags& tags, const ToolCatalog& catalog, DeltaSink& sink)
      : tags_(tags), catalog_(catalog), sink_(sink), text_(kOpen, sink) {}

  void byte(char c) override {
    switch (state_) {
      case State::kText:
        if (!text_.byte(c)) return;
        raw_.clear();
        held_.clear();
        state_ = tags_.name_open.empty() ? State::kName : State::kBeforeName;
        return;
      case State::kBeforeName: before_name(c); return;
      case State::kName: in_name(c); return;
      case State::kBetween: between(c); return;
      case State::kKey: in_key(c); return;
      case State::kBeforeValue: before_value(c); return;
      case State::kValue: in_value(c); return;
      case State::kClosing: closing(c); return;
    }
  }

  void finish() override {
    if (state_ == State::kValue) {
      // Cut off inside a value: given as far as it came.
      value_text(held_);
      if (!is_text_) sink_.arguments(written_as_json() ? value_ : "\"" + json_escaped(value_));
    } else if (!started_) {
      text_.reject(raw_);
    }
    text_.finish();
  }

 private:
  enum class State {
    kText,
    kBeforeName,
    kName,
    kBetween,  // a key's tag or the call's end comes
    kKey,
    kBeforeValue,  // the value's opening tag comes
    kValue,
    kClosing,  // </tool_call> comes
  };

  // What begins a call is kept until it is one.
  void keep(char c) {
    if (!started_) raw_ += c;
  }

  // Collects `held_` towards one of two tags, white space before it passed over.
  enum class Match { kPart, kFirst, kSecond, kNeither };
  Match match(char c, std::string_view first, std::string_view second) {
    if (held_.empty() && is_space(c)) return Match::kPart;
    held_ += c;
    if (held_ == first) return Match::kFirst;
    if (held_ == second) return Match::kSecond;
    return first.starts_with(held_) || second.starts_with(held_) ? Match::kPart : Match::kNeither;
  }

  void before_name(char c) {
    keep(c);
    switch (match(c, tags_.name_open, tags_.name_open)) {
      case Match::kPart: return;
      case Match::kNeither: return fail();
      default: held_.clear(); state_ = State::kName;
    }
  }

  void in_name(char c) {
    const bool by_tag = !tags_.name_close.empty();
    const bool ends =
        by_tag ? c == tags_.name_close.front() : c == '<' || (c == '\n' && !trimmed(name_).empty());
    if (!ends) {
      keep(c);
      name_ += c;
      if (name_.size() > kMaxName || c == '{') fail();
      return;
    }
    name_ = trimmed(name_);
    if (name_.empty()) {
      keep(c);
      return fail();
    }
    state_ = State::kBetween;
    first_ = true;
    if (c == '<') {
      between(c);
    } else {
      keep(c);
    }
  }

  std::string_view end_tag() const { return tags_.call_close.empty() ? kClose : tags_.call_close; }

  void between(char c) {
    keep(c);
    switch (match(c, tags_.key_open, end_tag())) {
      case Match::kPart: return;
      case Match::kNeither: return fail();
      case Match::kFirst:
        start();
        key_.clear();
        state_ = State::kKey;
        break;
      case Match::kSecond:
        start();
        end_call();
        state_ = tags_.call_close.empty() ? State::kText : State::kClosing;
        break;
    }
    held_.clear();
  }

  void start() {
    if (started_) return;
    started_ = true;
    text_.accept();
    raw_.clear();
    sink_.call(name_);
  }

  void end_call() {
    sink_.arguments(first_ ? "{}" : "}");
    started_ = false;
    name_.clear();
  }

  void in_key(char c) {
    key_ += c;
    if (key_.size() > kMaxName) return fail();
    if (!key_.ends_with(tags_.key_close)) return;
    key_ = trimmed(std::string_view(key_).substr(0, key_.size() - tags_.key_close.size()));
    if (tags_.value_open.empty()) return begin_value();
    state_ = State::kBeforeValue;
  }

  void before_value(char c) {
    switch (match(c, tags_.value_open, tags_.value_open)) {
      case Match::kPart: return;
      case Match::kNeither: return fail();
      default: held_.clear(); begin_value();
    }
  }

  void begin_value() {
    state_ = State::kValue;
    kinds_ = catalog_.kinds(name_, key_);
    is_text_ = kinds_.text && !kinds_.null && !kinds_.structured;
    value_.clear();
    at_line_begin_ = tags_.value_on_lines;
    line_end_held_ = false;
    sink_.arguments((first_ ? "{\"" : ", \"") + json_escaped(key_) + "\": ");
    if (is_text_) sink_.arguments("\"");
    first_ = false;
    key_.clear();
  }

  void in_value(char c) {
    held_ += c;
    while (!held_.empty() && !tags_.value_close.starts_with(held_)) {
      value_text({held_.data(), 1});
      held_.erase(0, 1);
    }
    if (held_ != tags_.value_close) return;
    held_.clear();
    if (is_text_) {
      sink_.arguments("\"");
    } else {
      sink_.arguments(written_as_json() ? std::string(trimmed(value_))
                                        : "\"" + json_escaped(value_) + "\"");
    }
    state_ = State::kBetween;
  }

  void value_text(std::string_view text) {
    for (const char c : text) {
      if (tags_.value_on_lines) {
        if (std::exchange(at_line_begin_, false) && c == '\n') continue;
        if (std::exchange(line_end_held_, c == '\n')) value_char('\n');
        if (c == '\n') continue;
      }
      value_char(c);
    }
  }

  void value_char(char c) {
    if (is_text_) {
      sink_.arguments(json_escaped({&c, 1}));
      return;
    }
    value_ += c;
    if (!kinds_.text || may_be_json()) return;
    // A text after all: it streams from here on.
    is_text_ = true;
    sink_.arguments("\"" + json_escaped(std::exchange(value_, {})));
  }

  // Of a value that may be a text: whether what came can still be something else that its schema
  // admits.
  bool may_be_json() const {
    const std::string_view text = trimmed(value_);
    if (text.empty()) return true;
    if (kinds_.null && kNull.starts_with(text)) return true;
    return kinds_.structured && (text.front() == '{' || text.front() == '[');
  }

  bool written_as_json() const {
    const std::string_view text = trimmed(value_);
    return is_json(text) && (!kinds_.text || may_be_json());
  }

  void closing(char c) {
    switch (match(c, kClose, kClose)) {
      case Match::kPart: return;
      case Match::kNeither: {
        state_ = State::kText;
        const std::string text = std::exchange(held_, {});
        for (const char each : text) byte(each);
        return;
      }
      default: held_.clear(); state_ = State::kText;
    }
  }

  // No call, or one that breaks off: its arguments are closed, and the rest is content.
  void fail() {
    const std::string rest = started_ ? key_ + held_ : std::exchange(raw_, {});
    const bool was_call = started_;
    if (was_call) end_call();
    held_.clear();
    key_.clear();
    name_.clear();
    started_ = false;
    state_ = State::kText;
    if (was_call) {
      for (const char c : rest) byte(c);
    } else {
      text_.reject(rest);
    }
  }

  const Tags& tags_;
  const ToolCatalog& catalog_;
  DeltaSink& sink_;
  MarkedText text_;
  State state_ = State::kText;
  std::string raw_;   // of a call that is not yet one
  std::string held_;  // the beginning of a tag
  std::string name_, key_, value_;
  bool started_ = false;        // the call has been given
  bool first_ = true;           // no argument has been given
  ValueKinds kinds_;            // of the argument at hand
  bool is_text_ = false;        // it is a text, and streams
  bool at_line_begin_ = false;  // of a value on lines
  bool line_end_held_ = false;
};

}  // namespace

std::unique_ptr<CallReader> make_tagged_reader(CallFormat format, const ToolCatalog& catalog,
                                               DeltaSink& sink) {
  return std::make_unique<TaggedReader>(format == CallFormat::kQwenCoder ? kQwen : kGlm, catalog,
                                        sink);
}

}  // namespace autoglm::tools
