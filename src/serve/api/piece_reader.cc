#include "serve/api/piece_reader.h"

#include <iterator>
#include <utility>

namespace autoglm::serve {

PieceReader::PieceReader(const ChatReading& reading)
    : reading_(&reading), reader_(reading.reader ? reading.reader() : nullptr) {}

AnswerPiece PieceReader::read(size_t prompt, GenerationEvent event) {
  AnswerPiece piece{.prompt = prompt,
                    .choice = event.choice,
                    .tokens = std::move(event.tokens),
                    .logprobs = std::move(event.logprobs),
                    .prompt_logprobs = std::move(event.prompt_logprobs),
                    .end = {.reason = event.finish_reason,
                            .stop_reason = std::move(event.stop_reason),
                            .stop_token = event.stop_token}};
  piece.deltas = deltas(std::move(event.text), piece.end);
  piece.end.with_calls = piece.end.reason == FinishReason::kStop && ends_with_calls();
  return piece;
}

std::vector<AnswerDelta> PieceReader::deltas(std::string text, const ChoiceEnd& end) {
  std::vector<AnswerDelta> deltas;
  if (reader_ == nullptr) {
    if (!text.empty()) deltas.push_back({.text = std::move(text)});
    return deltas;
  }
  deltas = reader_->push(text);
  if (end.reason != FinishReason::kNone) {
    const bool by_stop_text = end.stop_reason && !end.stop_token;
    const bool by_itself = end.reason == FinishReason::kStop && !by_stop_text;
    std::vector<AnswerDelta> rest = reader_->finish(by_itself ? AnswerEnd::kTurn : AnswerEnd::kCut);
    deltas.insert(deltas.end(), std::make_move_iterator(rest.begin()),
                  std::make_move_iterator(rest.end()));
  }
  for (const AnswerDelta& delta : deltas) {
    if (delta.kind != AnswerDelta::Kind::kCall) continue;
    (wanted(delta) ? has_calls_ : has_left_out_calls_) = true;
  }
  std::erase_if(deltas, [this](const AnswerDelta& delta) { return !wanted(delta); });
  return deltas;
}

bool PieceReader::wanted(const AnswerDelta& delta) const {
  switch (delta.kind) {
    case AnswerDelta::Kind::kContent: return true;
    case AnswerDelta::Kind::kReasoning: return reading_->include_reasoning;
    case AnswerDelta::Kind::kCall:
    case AnswerDelta::Kind::kArguments: return reading_->parallel_calls || delta.call == 0;
  }
  return true;
}

// By itself after calls, or by a stop text behind whole ones.
bool PieceReader::ends_with_calls() const {
  return has_calls_ && (reader_->calls_are_whole() || has_left_out_calls_);
}

}  // namespace autoglm::serve
