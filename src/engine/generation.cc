// Names of the enumerations in autoglm/generation.h, and an answer put together from its events.
#include "autoglm/generation.h"

namespace autoglm {

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kNone: return "";
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kCancelled: return "cancelled";
    case FinishReason::kError: return "error";
  }
  return "";
}

void GenerationResult::add(const GenerationEvent& event) {
  const auto which = static_cast<size_t>(event.choice);
  if (choices.size() <= which) choices.resize(which + 1);
  Choice& choice = choices[which];
  choice.text += event.text;
  choice.tokens.insert(choice.tokens.end(), event.tokens.begin(), event.tokens.end());
  choice.logprobs.insert(choice.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
  if (!event.prompt_logprobs->empty()) prompt_logprobs = event.prompt_logprobs;
  choice.finish_reason = event.finish_reason;
  choice.stop_reason = event.stop_reason;
  choice.stop_token = event.stop_token;
  usage = event.usage;
}

}  // namespace autoglm
