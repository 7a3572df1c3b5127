// A sink of its own behind a generation: typed pieces in order, without HTTP.
#include "serve/api/generation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "serve/api/plans.h"
#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using testing::ElementsAre;

// What a sink was given, in words; each kind of delta joined to the one before of its kind.
struct Written {
  std::mutex mutex;
  std::vector<std::string> lines;
  std::string kind;
  bool done = false;

  void add(std::string name, const std::string& text) {
    if (name == kind) {
      lines.back() += text;
    } else {
      lines.push_back(name + ": " + text);
    }
    kind = std::move(name);
  }
  void add(const AnswerDelta& delta) {
    const std::string call = std::to_string(delta.call);
    switch (delta.kind) {
      case AnswerDelta::Kind::kContent: return add("content", delta.text);
      case AnswerDelta::Kind::kReasoning: return add("reasoning", delta.text);
      case AnswerDelta::Kind::kCall: return add("call " + call, delta.text);
      case AnswerDelta::Kind::kArguments: return add("arguments " + call, delta.text);
    }
  }
  bool ended() {
    const std::lock_guard lock(mutex);
    return done;
  }
};

// Writes where it is told to: on the engine's thread.
class RecordingSink : public GenerationSink {
 public:
  explicit RecordingSink(std::shared_ptr<Written> written) : written_(std::move(written)) {}
  void post(std::function<void()> work) override { work(); }
  void piece(AnswerPiece piece, const Usage&) override {
    const std::lock_guard lock(written_->mutex);
    for (const AnswerDelta& delta : piece.deltas) written_->add(delta);
    n_logprobs_ += piece.logprobs.size();
    if (piece.end.reason == FinishReason::kNone) return;
    written_->add("end", std::string(finish_reason_name(piece.end.reason)) +
                             (piece.end.with_calls ? " with calls" : ""));
  }
  void end(const Usage& usage) override {
    const std::lock_guard lock(written_->mutex);
    written_->add("usage", std::to_string(usage.completion_tokens) + " and " +
                               std::to_string(n_logprobs_) + " logprobs");
    written_->done = true;
  }
  void fail(const Error& error) override {
    const std::lock_guard lock(written_->mutex);
    written_->add("error", error.what);
    written_->done = true;
  }

 private:
  const std::shared_ptr<Written> written_;
  size_t n_logprobs_ = 0;
};

std::vector<std::string> written(FakeScript script, std::string_view body) {
  ServiceContext context;
  context.backend = std::make_unique<FakeBackend>(std::move(script));
  context.model_names = {"fake"};
  const auto task = std::make_shared<RequestTask>();
  Result<GenerationPlan> plan = plan_chat(context, body, *task);
  EXPECT_TRUE(plan) << plan.error().message();
  const auto result = std::make_shared<Written>();
  start_generation(context, task, std::move(plan->generation),
                   std::make_unique<RecordingSink>(result));
  EXPECT_TRUE(comes_true([&] { return result->ended(); }));
  context.backend->drain(0);
  return result->lines;
}

TEST(Generation, GivesASinkTypedPieces) {
  const FakeScript script{.answer =
                              "<think>\nhm\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"f\", "
                              "\"arguments\": {\"a\": 1}}\n</tool_call>",
                          .format = {.calls = tools::CallFormat::kHermes, .reasoning = true}};
  EXPECT_THAT(written(script, R"({"messages":[{"role":"user","content":"Hi"}],"logprobs":true,
        "tools":[{"type":"function","function":{"name":"f"}}]})"),
              ElementsAre("reasoning: hm", "content: I look.", "call 0: f",
                          "arguments 0: {\"a\": 1}", "end: stop with calls",
                          "usage: " + std::to_string(script.answer.size()) + " and " +
                              std::to_string(script.answer.size()) + " logprobs"));
}

TEST(Generation, TextThatNobodyTakesApartIsContent) {
  EXPECT_THAT(written({.answer = "abc"}, kHello),
              ElementsAre("content: abc", "end: stop", "usage: 3 and 0 logprobs"));
}

TEST(Generation, ASinkIsToldOfFailuresOnce) {
  const Error error{ErrorCode::kInternal, "no", "", "", ""};
  EXPECT_THAT(written({.refuse = error}, kHello), ElementsAre("error: no"));
  EXPECT_THAT(written({.answer = "abc", .fail_at_end = error}, kHello),
              ElementsAre("content: abc", "error: no"));
}

}  // namespace
}  // namespace autoglm::serve
