#include "text/tools/call_object.h"

#include "base/json.h"
#include "text/tools/marked_text.h"

namespace autoglm::tools {
namespace {

using Step = JsonScanner::Step;

constexpr size_t kMaxKey = 64;
// Arguments that come before their tool's name wait in memory.
constexpr size_t kMaxBuffer = size_t{1} << 20;

bool is_arguments(std::string_view key) { return key == "arguments" || key == "parameters"; }
bool of_calls(std::string_view key) {
  return key == "name" || key == "type" || key == "id" || is_arguments(key);
}

}  // namespace

Step ArgumentsReader::feed(char c) {
  if (!begun_) {
    if (is_space(c)) return Step::kMore;
    if (c != '{') return Step::kBad;
    begun_ = true;
  }
  const bool in_string = scanner_.in_string();
  const Step step = scanner_.feed(c);
  if (step == Step::kBad) return step;
  // A bare line end inside a string is no JSON, and plain what the model means.
  const bool bare = in_string && static_cast<unsigned char>(c) < 0x20;
  sink_.arguments(bare ? json_escaped({&c, 1}) : std::string(1, c));
  return step;
}

Step CallObjectReader::feed(char c) {
  switch (state_) {
    case State::kInKey:
      if (c == '\\' || key_.size() > kMaxKey) return Step::kBad;
      if (c != '"') {
        key_ += c;
        return Step::kMore;
      }
      state_ = State::kColon;
      // JSON that is no call is soon known to be none, and then streamed as text.
      return names_ == Names::kAny || of_calls(key_) ? Step::kMore : Step::kBad;
    case State::kBuffered: return buffered(c);
    case State::kArguments: {
      const Step step = arguments_.feed(c);
      if (step == Step::kDone) state_ = State::kAfter;
      return step == Step::kDone ? Step::kMore : step;
    }
    default: break;
  }
  if (is_space(c)) return Step::kMore;
  switch (state_) {
    case State::kOpen: state_ = State::kFirstKey; return c == '{' ? Step::kMore : Step::kBad;
    case State::kFirstKey:
      if (c == '}') return end();
      [[fallthrough]];
    case State::kKey:
      key_.clear();
      state_ = State::kInKey;
      return c == '"' ? Step::kMore : Step::kBad;
    case State::kColon: state_ = State::kValue; return c == ':' ? Step::kMore : Step::kBad;
    case State::kValue: return begin_value(c);
    default:  // kAfter
      if (c == '}') return end();
      state_ = State::kKey;
      return c == ',' ? Step::kMore : Step::kBad;
  }
}

Step CallObjectReader::begin_value(char c) {
  if (is_arguments(key_) && started_) return Step::kBad;  // twice
  if (is_arguments(key_) && c == '{' && !name_.empty()) {
    if (!start()) return Step::kBad;
    state_ = State::kArguments;
    return arguments_.feed(c);
  }
  scanner_ = JsonScanner();
  buffer_.clear();
  state_ = State::kBuffered;
  return buffered(c);
}

Step CallObjectReader::buffered(char c) {
  const Step step = scanner_.feed(c);
  if (step == Step::kBad || buffer_.size() >= kMaxBuffer) return Step::kBad;
  if (step != Step::kDoneBefore) buffer_ += c;
  if (step == Step::kMore) return step;
  state_ = State::kAfter;
  if (!take_value()) return Step::kBad;
  return step == Step::kDoneBefore ? feed(c) : Step::kMore;
}

bool CallObjectReader::take_value() {
  if (key_ != "name" && !is_arguments(key_))
    return true;  // "id", "type": ours are made by the server
  if (started_) return false;
  const Result<json::value> value = json::parse(buffer_, key_);
  if (!value) return false;
  if (key_ == "name") {
    if (!value->is_string() || value->get_string().empty() || !name_.empty()) return false;
    name_ = value->get_string();
    return true;
  }
  if (value->is_null()) return true;
  // Some models write the arguments' JSON as a string.
  early_arguments_ = value->is_string() ? std::string(value->get_string()) : buffer_;
  const Result<json::value> inner = json::parse(early_arguments_, key_);
  return inner && inner->is_object();
}

bool CallObjectReader::start() {
  if (names_ == Names::kKnown && !catalog_.knows(name_)) return false;
  started_ = true;
  sink_.call(name_);
  return true;
}

Step CallObjectReader::end() {
  if (!started_) {
    if (name_.empty() || !start()) return Step::kBad;
    sink_.arguments(early_arguments_.empty() ? "{}" : early_arguments_);
  }
  return Step::kDone;
}

}  // namespace autoglm::tools
