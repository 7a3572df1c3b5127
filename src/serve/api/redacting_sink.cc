#include "serve/api/redacting_sink.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace autoglm::serve {
namespace {

using guard::redact::Finding;
using guard::redact::Scanner;
using guard::redact::StreamRedactor;
using guard::redact::TextForm;
using Kind = AnswerDelta::Kind;

// Tokens with their scores, less those whose text is part of a finding: neither they nor what
// else was likely there is told.
class ScoredTokens {
 public:
  ScoredTokens(const ModelBackend& backend, Scanner scanner)
      : backend_(&backend), scanner_(std::move(scanner)) {}

  // Replaces what the piece tells by what may be told now.
  void filter(AnswerPiece& piece, bool last) {
    for (size_t i = 0; i < piece.logprobs.size() && i < piece.tokens.size(); ++i) {
      const std::string text = backend_->token_text(piece.tokens[i]);
      scanner_.push(text, found_);
      const uint64_t begin = end_;
      end_ += text.size();
      waiting_.push_back({piece.tokens[i], std::move(piece.logprobs[i]), begin, end_});
    }
    if (last) scanner_.finish(found_);
    piece.tokens.clear();
    piece.logprobs.clear();
    const uint64_t decided = last ? end_ : scanner_.decided();
    while (!waiting_.empty() && waiting_.front().end <= decided) {
      Waiting& one = waiting_.front();
      if (!is_found(one)) {
        piece.tokens.push_back(one.token);
        piece.logprobs.push_back(std::move(one.scores));
      }
      waiting_.pop_front();
    }
    const uint64_t rest = waiting_.empty() ? end_ : waiting_.front().begin;
    std::erase_if(found_, [rest](const Finding& finding) { return finding.end <= rest; });
  }

 private:
  struct Waiting {
    TokenId token{};
    PositionLogprobs scores;
    uint64_t begin = 0, end = 0;  // of its text
  };
  bool is_found(const Waiting& one) const {
    return std::any_of(found_.begin(), found_.end(), [&](const Finding& finding) {
      return finding.begin < one.end && one.begin < finding.end;
    });
  }

  const ModelBackend* backend_;
  Scanner scanner_;
  std::deque<Waiting> waiting_;
  std::vector<Finding> found_;
  uint64_t end_ = 0;
};

// One choice. Its texts follow each other: thoughts, content, the arguments of one call after
// another. Each is a text of its own, and ends where the next begins, so that what comes out stays
// in order.
class Choice {
 public:
  Choice(const ModelBackend& backend, bool json_content, const RequestRedaction& redaction)
      : redaction_(&redaction),
        json_content_(json_content),
        scored_(backend, redaction.scanner()) {}

  void redact(AnswerPiece& piece) {
    std::vector<AnswerDelta> out;
    for (AnswerDelta& delta : piece.deltas) {
      if (delta.kind == Kind::kCall) {
        end_text(out);
        out.push_back(std::move(delta));
        continue;
      }
      if (!text_ || kind_ != delta.kind || call_ != delta.call) begin_text(delta, out);
      give(text_->push(delta.text), out);
    }
    const bool last = piece.end.reason != FinishReason::kNone;
    if (last) end_text(out);
    piece.deltas = std::move(out);
    scored_.filter(piece, last);
  }

 private:
  void begin_text(const AnswerDelta& delta, std::vector<AnswerDelta>& out) {
    end_text(out);
    kind_ = delta.kind;
    call_ = delta.call;
    const bool json = kind_ == Kind::kArguments || (kind_ == Kind::kContent && json_content_);
    text_.emplace(redaction_->stream(json ? TextForm::kJson : TextForm::kPlain));
  }
  void end_text(std::vector<AnswerDelta>& out) {
    if (!text_) return;
    give(text_->finish(), out);
    text_.reset();
  }
  void give(std::string text, std::vector<AnswerDelta>& out) const {
    if (!text.empty()) out.push_back({.kind = kind_, .call = call_, .text = std::move(text)});
  }

  const RequestRedaction* redaction_;
  const bool json_content_;
  ScoredTokens scored_;
  std::optional<StreamRedactor> text_;
  Kind kind_ = Kind::kContent;
  int32_t call_ = 0;
};

class RedactingSink : public GenerationSink {
 public:
  RedactingSink(const ModelBackend& backend, bool json_content,
                std::shared_ptr<const RequestRedaction> redaction,
                std::unique_ptr<GenerationSink> sink)
      : backend_(backend),
        json_content_(json_content),
        redaction_(std::move(redaction)),
        sink_(std::move(sink)) {}

  void post(std::function<void()> work) override { sink_->post(std::move(work)); }
  void piece(AnswerPiece piece, const Usage& usage) override {
    const auto place =
        choices_.try_emplace({piece.prompt, piece.choice}, backend_, json_content_, *redaction_);
    place.first->second.redact(piece);
    sink_->piece(std::move(piece), usage);
  }
  void end(const Usage& usage) override { sink_->end(usage); }
  // What was held is not told: nobody knows what it would have become.
  void fail(const Error& error) override { sink_->fail(error); }
  size_t unwritten() const override { return sink_->unwritten(); }

 private:
  const ModelBackend& backend_;
  const bool json_content_;
  const std::shared_ptr<const RequestRedaction> redaction_;
  const std::unique_ptr<GenerationSink> sink_;
  std::map<std::pair<size_t, int32_t>, Choice> choices_;
};

}  // namespace

std::unique_ptr<GenerationSink> redacting_sink(const ModelBackend& backend, bool json_content,
                                               std::shared_ptr<const RequestRedaction> redaction,
                                               std::unique_ptr<GenerationSink> sink) {
  return std::make_unique<RedactingSink>(backend, json_content, std::move(redaction),
                                         std::move(sink));
}

}  // namespace autoglm::serve
