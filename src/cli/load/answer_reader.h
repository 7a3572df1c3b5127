// The events of a streamed OpenAI answer, to what is measured of it: when pieces came, how many
// tokens the server says it took, why it ended, what went wrong.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace autoglm::load {

using Clock = std::chrono::steady_clock;

// Why a request failed, in the words of reports.
enum class Failure {
  kNone,
  kConnect,         // no connection
  kTimeout,         // not done in time
  kStatus,          // an HTTP status other than 200
  kConnectionLost,  // reset, or closed before the answer's end
  kBadHttp,         // not HTTP
  kBadStream,       // not server-sent events with JSON
  kServerError,     // an error inside the stream
  kCutShort,        // the stream ended as HTTP, the answer did not
  kInterrupted,     // by the user of this program
};
std::string_view failure_name(Failure failure);

struct TokenUsage {
  int64_t prompt_tokens = 0;
  int64_t completion_tokens = 0;
  int64_t cached_tokens = 0;
};

class AnswerReader {
 public:
  // One event's data, which came at `now`. After a failure the rest is passed over.
  void on_data(std::string_view data, Clock::time_point now);
  // What the end of the stream says of the answer: kNone when it is whole.
  Failure at_end() const;

  // When a piece of text (or of reasoning, or of a tool call) came; the event that says why the
  // answer ended counts where no piece came before it.
  const std::vector<Clock::time_point>& pieces() const { return pieces_; }
  const std::optional<TokenUsage>& usage() const { return usage_; }
  const std::string& text() const { return text_; }
  const std::string& finish_reason() const { return finish_reason_; }
  Failure failure() const { return failure_; }
  const std::string& detail() const { return detail_; }  // of the failure

 private:
  void fail(Failure failure, std::string detail);

  std::vector<Clock::time_point> pieces_;
  std::optional<TokenUsage> usage_;
  std::string text_;
  std::string finish_reason_;
  bool done_ = false;  // "[DONE]" came
  Failure failure_ = Failure::kNone;
  std::string detail_;
};

// The message of an OpenAI error, {"error": {"message": ...}} and its variants; else the text
// itself, shortened.
std::string error_text(std::string_view body);

}  // namespace autoglm::load
