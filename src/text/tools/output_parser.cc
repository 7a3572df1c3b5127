#include "text/tools/output_parser.h"

#include "text/tools/marked_text.h"

namespace autoglm::tools {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kEndThink = "</think>";

}  // namespace

std::unique_ptr<CallReader> make_call_reader(CallFormat format, const ToolCatalog& catalog,
                                             DeltaSink& sink) {
  switch (format) {
    case CallFormat::kNone: return nullptr;
    case CallFormat::kGlm45:
    case CallFormat::kQwenCoder: return make_tagged_reader(format, catalog, sink);
    case CallFormat::kGlm4:
    case CallFormat::kChatGlm3: return make_named_reader(format, catalog, sink);
    case CallFormat::kHermes: return make_hermes_reader(catalog, sink);
    case CallFormat::kLlama3: return make_llama_reader(catalog, sink);
    case CallFormat::kMistral: return make_mistral_reader(catalog, sink);
  }
  return nullptr;
}

OutputParser::OutputParser(const OutputParserOptions& options,
                           std::shared_ptr<const ToolCatalog> catalog)
    : options_(options),
      catalog_(std::move(catalog)),
      calls_(catalog_->empty() ? nullptr
                               : make_call_reader(options.format.calls, *catalog_, sink_)),
      state_(!options.format.reasoning ? State::kAnswer
             : options.in_reasoning    ? State::kReasoning
                                       : State::kBegin) {
  if (calls_ != nullptr && options.calls_first) opening_ = call_opening(options.format.calls);
}

std::vector<AnswerDelta> OutputParser::push(std::string_view text) {
  for (const char c : text) byte(c);
  return sink_.take();
}

std::vector<AnswerDelta> OutputParser::finish(AnswerEnd end) {
  if (state_ == State::kBegin) {
    state_ = State::kAnswer;
    for (const char c : std::exchange(held_, {})) answer(c);
  } else if (state_ == State::kReasoning) {
    for (const char c : held_) give_reasoning(c);
  }
  if (state_ == State::kAnswer && !opening_.empty()) settle(false);
  held_.clear();
  if (calls_ != nullptr) calls_->finish();
  sink_.finish(end);
  return sink_.take();
}

void OutputParser::byte(char c) {
  switch (state_) {
    case State::kBegin: begin(c); return;
    case State::kReasoning: reason(c); return;
    case State::kAfter:
      if (is_space(c)) return;
      state_ = State::kAnswer;
      [[fallthrough]];
    case State::kAnswer: answer(c); return;
  }
}

void OutputParser::begin(char c) {
  held_ += c;
  std::string_view rest = held_;
  while (!rest.empty() && is_space(rest.front())) rest.remove_prefix(1);
  if (rest == kThink) {
    held_.clear();
    state_ = State::kReasoning;
  } else if (rest == kEndThink) {
    // Thinking was switched off, and the model closes what it did not open.
    held_.clear();
    state_ = State::kAfter;
  } else if (!kThink.starts_with(rest) && !kEndThink.starts_with(rest)) {
    const std::string text = std::exchange(held_, {});
    state_ = State::kAnswer;
    for (const char each : text) answer(each);
  }
}

void OutputParser::reason(char c) {
  held_ += c;
  // A template that has opened <think> meets a model that opens it too.
  if (!reasoned_ && held_ == kThink) {
    held_.clear();
    return;
  }
  while (!held_.empty() && !kEndThink.starts_with(held_) &&
         (reasoned_ || !kThink.starts_with(held_))) {
    give_reasoning(held_.front());
    held_.erase(0, 1);
  }
  if (held_ != kEndThink) return;
  held_.clear();
  space_.clear();
  state_ = State::kAfter;
}

// White space at either end of the reasoning belongs to its tags.
void OutputParser::give_reasoning(char c) {
  if (is_space(c)) {
    if (reasoned_) space_ += c;
    return;
  }
  reasoned_ = true;
  sink_.reasoning(space_);
  space_.clear();
  sink_.reasoning({&c, 1});
}

void OutputParser::answer(char c) {
  if (!opening_.empty()) {
    held_ += c;
    if (held_ == opening_) {
      settle(true);
    } else if (!opening_.starts_with(held_)) {
      settle(false);
    }
    return;
  }
  if (calls_ != nullptr) {
    calls_->byte(c);
  } else {
    sink_.content({&c, 1});
  }
}

void OutputParser::settle(bool has_calls) {
  opening_ = {};
  if (!has_calls) calls_ = nullptr;
  for (const char each : std::exchange(held_, {})) answer(each);
}

}  // namespace autoglm::tools
