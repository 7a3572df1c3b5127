#include "cli/load/answer_reader.h"

#include <algorithm>
#include <utility>

#include "base/json.h"

namespace autoglm::load {
namespace {

constexpr json::ParseLimits kEventLimits{.max_bytes = size_t{8} << 20, .max_depth = 64};
constexpr size_t kMaxDetail = 200;
// Text is kept for the next turn and for checking JSON; more than this no model here writes.
constexpr size_t kMaxTextBytes = size_t{8} << 20;

std::string shortened(std::string_view text) {
  std::string line(text.substr(0, kMaxDetail));
  std::replace_if(
      line.begin(), line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
  if (text.size() > kMaxDetail) line += "...";
  return line;
}

const json::value* member(const json::value& value, std::string_view key) {
  const json::object* object = value.if_object();
  return object == nullptr ? nullptr : object->if_contains(key);
}

std::string_view string_member(const json::value& value, std::string_view key) {
  const json::value* found = member(value, key);
  if (found == nullptr || !found->is_string()) return {};
  return {found->get_string().data(), found->get_string().size()};
}

int64_t count_member(const json::value& value, std::string_view key) {
  const json::value* found = member(value, key);
  return found != nullptr && found->is_int64() ? std::max<int64_t>(found->get_int64(), 0) : 0;
}

// Text, reasoning or a tool call in a choice of either API.
bool has_piece(const json::value& choice, const json::value* delta, std::string_view text) {
  if (!text.empty()) return true;
  if (delta == nullptr) return !string_member(choice, "text").empty();
  if (!string_member(*delta, "reasoning_content").empty()) return true;
  if (!string_member(*delta, "reasoning").empty()) return true;
  const json::value* calls = member(*delta, "tool_calls");
  return calls != nullptr && calls->is_array() && !calls->get_array().empty();
}

std::string error_of(const json::value& error) {
  if (error.is_string()) return shortened({error.get_string().data(), error.get_string().size()});
  const std::string_view message = string_member(error, "message");
  return shortened(message.empty() ? boost::json::serialize(error) : std::string(message));
}

}  // namespace

std::string_view failure_name(Failure failure) {
  switch (failure) {
    case Failure::kNone: return "none";
    case Failure::kConnect: return "no connection";
    case Failure::kTimeout: return "timeout";
    case Failure::kStatus: return "http status";
    case Failure::kConnectionLost: return "connection lost";
    case Failure::kBadHttp: return "malformed http";
    case Failure::kBadStream: return "malformed stream";
    case Failure::kServerError: return "error in the stream";
    case Failure::kCutShort: return "cut short";
    case Failure::kInterrupted: return "interrupted";
  }
  return "";
}

void AnswerReader::fail(Failure failure, std::string detail) {
  failure_ = failure;
  detail_ = std::move(detail);
}

void AnswerReader::on_data(std::string_view data, Clock::time_point now) {
  if (failure_ != Failure::kNone || done_) return;
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  const Result<json::value> event = json::parse(data, "event", kEventLimits);
  if (!event || !event->is_object()) {
    return fail(Failure::kBadStream, "not a JSON object: " + shortened(data));
  }
  if (const json::value* error = member(*event, "error"); error != nullptr && !error->is_null()) {
    return fail(Failure::kServerError, error_of(*error));
  }
  if (const json::value* usage = member(*event, "usage"); usage != nullptr && usage->is_object()) {
    const json::value* details = member(*usage, "prompt_tokens_details");
    usage_ = TokenUsage{
        .prompt_tokens = count_member(*usage, "prompt_tokens"),
        .completion_tokens = count_member(*usage, "completion_tokens"),
        .cached_tokens = details == nullptr ? 0 : count_member(*details, "cached_tokens")};
  }
  const json::value* choices = member(*event, "choices");
  if (choices == nullptr || !choices->is_array() || choices->get_array().empty()) return;
  const json::value& choice = choices->get_array().front();
  const json::value* delta = member(choice, "delta");
  const std::string_view text =
      delta == nullptr ? string_member(choice, "text") : string_member(*delta, "content");
  if (text_.size() + text.size() <= kMaxTextBytes) text_ += text;
  const std::string_view reason = string_member(choice, "finish_reason");
  if (has_piece(choice, delta, text) || (!reason.empty() && pieces_.empty())) {
    pieces_.push_back(now);
  }
  if (!reason.empty()) finish_reason_ = reason;
}

Failure AnswerReader::at_end() const {
  if (failure_ != Failure::kNone) return failure_;
  return finish_reason_.empty() && !(done_ && !pieces_.empty()) ? Failure::kCutShort
                                                                : Failure::kNone;
}

std::string error_text(std::string_view body) {
  const Result<json::value> parsed = json::parse(body, "error", kEventLimits);
  if (!parsed) return shortened(body);
  for (const std::string_view key : {"error", "detail"}) {
    if (const json::value* error = member(*parsed, key); error != nullptr) return error_of(*error);
  }
  return error_of(*parsed);
}

}  // namespace autoglm::load
