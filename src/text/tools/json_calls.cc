// Formats whose calls are JSON objects: Hermes and Qwen, Llama 3, Mistral.
#include <optional>
#include <string>

#include "text/tools/call_object.h"
#include "text/tools/call_reader.h"
#include "text/tools/marked_text.h"

namespace autoglm::tools {
namespace {

using Step = JsonScanner::Step;

// <tool_call>{"name": ..., "arguments": {...}}</tool_call>, several of them, text around them.
class HermesReader : public CallReader {
 public:
  HermesReader(const ToolCatalog& catalog, DeltaSink& sink)
      : catalog_(catalog), sink_(sink), text_("<tool_call>", sink) {}

  void byte(char c) override {
    switch (state_) {
      case State::kText:
        if (!text_.byte(c)) return;
        object_.emplace(sink_, catalog_, Names::kAny);
        raw_.clear();
        state_ = State::kObject;
        return;
      case State::kObject: in_object(c); return;
      case State::kClose: in_close(c); return;
    }
  }

  void finish() override {
    if (state_ == State::kObject && !object_->started()) text_.reject(raw_);
    if (state_ == State::kClose && !close_.empty()) give_close();
    text_.finish();
  }

 private:
  enum class State { kText, kObject, kClose };
  static constexpr std::string_view kEnd = "</tool_call>";

  void in_object(char c) {
    const Step step = object_->feed(c);
    if (step == Step::kBad) {
      object_->started() ? text_.accept() : text_.reject(raw_);
      state_ = State::kText;
      byte(c);
      return;
    }
    if (!object_->started()) raw_ += c;
    if (step == Step::kDone) {
      text_.accept();
      close_.clear();
      state_ = State::kClose;
    }
  }

  // The closing tag; text where there is none.
  void in_close(char c) {
    if (close_.empty() && is_space(c)) return;
    close_ += c;
    if (close_ == kEnd) {
      state_ = State::kText;
    } else if (!kEnd.starts_with(close_)) {
      give_close();
    }
  }

  void give_close() {
    state_ = State::kText;
    const std::string text = std::exchange(close_, {});
    for (const char c : text) byte(c);
  }

  const ToolCatalog& catalog_;
  DeltaSink& sink_;
  MarkedText text_;
  std::optional<CallObjectReader> object_;
  State state_ = State::kText;
  std::string raw_;    // of an object that is not yet a call
  std::string close_;  // the beginning of a closing tag
};

// The whole answer is {"name": ..., "parameters": {...}}, or several with ";" between them;
// <|python_tag|> may stand before it. Text may hold JSON too: only the request's tools are calls.
class LlamaReader : public CallReader {
 public:
  LlamaReader(const ToolCatalog& catalog, DeltaSink& sink)
      : catalog_(catalog), sink_(sink), text_("<|python_tag|>", sink) {}

  void byte(char c) override {
    switch (state_) {
      case State::kBegin:
        if (is_space(c)) {
          raw_ += c;
        } else if (c == '{') {
          object_.emplace(sink_, catalog_, Names::kKnown);
          state_ = State::kObject;
          in_object(c);
        } else {
          give_text(c);
        }
        return;
      case State::kObject: in_object(c); return;
      case State::kBetween:
        if (is_space(c)) return;
        if (c == ';') {
          raw_ = c;
          state_ = State::kBegin;
        } else {
          give_text(c);
        }
        return;
      case State::kText:
        if (!text_.byte(c)) return;
        raw_.clear();
        state_ = State::kBegin;
        return;
    }
  }

  void finish() override {
    const bool open = state_ == State::kBegin || state_ == State::kObject;
    if (open && !(object_ && object_->started())) text_.reject(raw_);
    text_.finish();
  }

 private:
  enum class State { kBegin, kObject, kBetween, kText };

  void in_object(char c) {
    const Step step = object_->feed(c);
    if (step == Step::kBad) {
      if (object_->started()) {
        text_.accept();
        raw_.clear();
      }
      object_.reset();
      give_text(c);
      return;
    }
    if (!object_->started()) raw_ += c;
    if (step == Step::kDone) {
      text_.accept();
      object_.reset();
      raw_.clear();
      state_ = State::kBetween;
    }
  }

  void give_text(char c) {
    text_.reject(raw_);
    raw_.clear();
    state_ = State::kText;
    byte(c);
  }

  const ToolCatalog& catalog_;
  DeltaSink& sink_;
  MarkedText text_;
  std::optional<CallObjectReader> object_;
  State state_ = State::kBegin;
  std::string raw_;
};

// [TOOL_CALLS] and then a list of objects, one object, or name[ARGS]{...} with perhaps
// [CALL_ID]... before [ARGS].
class MistralReader : public CallReader {
 public:
  MistralReader(const ToolCatalog& catalog, DeltaSink& sink)
      : catalog_(catalog), sink_(sink), text_("[TOOL_CALLS]", sink) {}

  void byte(char c) override {
    switch (state_) {
      case State::kText:
        if (!text_.byte(c)) return;
        raw_.clear();
        state_ = State::kHead;
        return;
      case State::kHead: in_head(c); return;
      case State::kList: in_list(c); return;
      case State::kObject: in_object(c); return;
      case State::kName: in_name(c); return;
      case State::kArguments: in_arguments(c); return;
    }
  }

  void finish() override {
    const bool open = state_ == State::kHead || state_ == State::kName ||
                      (state_ == State::kObject && !object_->started());
    if (open) text_.reject(raw_);
    text_.finish();
  }

 private:
  enum class State { kText, kHead, kList, kObject, kName, kArguments };
  static constexpr std::string_view kArgs = "[ARGS]";
  static constexpr std::string_view kCallId = "[CALL_ID]";
  static constexpr size_t kMaxHead = 512;  // name and id

  void in_head(char c) {
    if (c == '[' && !in_list_) {
      raw_ += c;
      in_list_ = true;
    } else if (c == '{') {
      object_.emplace(sink_, catalog_, Names::kAny);
      state_ = State::kObject;
      in_object(c);
    } else if (is_space(c)) {
      raw_ += c;
    } else if (in_list_) {
      fail(c);
    } else {
      state_ = State::kName;
      in_name(c);
    }
  }

  // Between the objects of a list.
  void in_list(char c) {
    if (is_space(c)) return;
    if (c == ',') {
      raw_.clear();
      state_ = State::kHead;
      return;
    }
    in_list_ = false;
    state_ = State::kText;
    if (c != ']') byte(c);
  }

  void in_object(char c) {
    const Step step = object_->feed(c);
    if (step == Step::kBad) {
      if (object_->started()) raw_.clear();
      return fail(c);
    }
    if (!object_->started()) raw_ += c;
    if (step != Step::kDone) return;
    text_.accept();
    raw_.clear();
    state_ = in_list_ ? State::kList : State::kText;
  }

  // "name", "name[ARGS]", "name[CALL_ID]id[ARGS]", up to the brace.
  void in_name(char c) {
    if (c != '{') {
      if (raw_.size() >= kMaxHead) return fail(c);
      raw_ += c;
      return;
    }
    std::string_view name = raw_;
    while (!name.empty() && is_space(name.back())) name.remove_suffix(1);
    if (name.ends_with(kArgs)) name.remove_suffix(kArgs.size());
    name = name.substr(0, name.find(kCallId));
    while (!name.empty() && is_space(name.front())) name.remove_prefix(1);
    while (!name.empty() && is_space(name.back())) name.remove_suffix(1);
    if (name.empty() || name.find_first_of(" \n[]") != name.npos) return fail(c);
    text_.accept();
    sink_.call(name);
    raw_.clear();
    arguments_.emplace(sink_);
    state_ = State::kArguments;
    in_arguments(c);
  }

  void in_arguments(char c) {
    const Step step = arguments_->feed(c);
    if (step == Step::kBad) return fail(c);
    if (step == Step::kDone) state_ = State::kText;
  }

  void fail(char c) {
    text_.reject(raw_);
    raw_.clear();
    in_list_ = false;
    state_ = State::kText;
    byte(c);
  }

  const ToolCatalog& catalog_;
  DeltaSink& sink_;
  MarkedText text_;
  std::optional<CallObjectReader> object_;
  std::optional<ArgumentsReader> arguments_;
  State state_ = State::kText;
  bool in_list_ = false;
  std::string raw_;
};

}  // namespace

std::unique_ptr<CallReader> make_hermes_reader(const ToolCatalog& catalog, DeltaSink& sink) {
  return std::make_unique<HermesReader>(catalog, sink);
}
std::unique_ptr<CallReader> make_llama_reader(const ToolCatalog& catalog, DeltaSink& sink) {
  return std::make_unique<LlamaReader>(catalog, sink);
}
std::unique_ptr<CallReader> make_mistral_reader(const ToolCatalog& catalog, DeltaSink& sink) {
  return std::make_unique<MistralReader>(catalog, sink);
}

}  // namespace autoglm::tools
