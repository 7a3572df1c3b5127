#include "engine/engine_load.h"

#include <algorithm>

namespace autoglm {

double seconds_to_begin(const EngineLoad& load, ServiceClass its) {
  int64_t sequences = 0, waiting = 0, prompts = 0, answers = 0;
  for (size_t c = 0; c <= static_cast<size_t>(its); ++c) {
    sequences += load.by_class[c].n_sequences;
    waiting += load.by_class[c].n_waiting;
    prompts += load.by_class[c].prompt_tokens;
    answers += load.by_class[c].answer_tokens;
  }
  // Prompts ahead come first in any case. Answers ahead run beside it, unless there is no place:
  // then those that wait are computed first, and one of those that run has to end.
  double seconds = static_cast<double>(prompts) * load.seconds_per_row;
  if (sequences >= load.max_sequences) {
    seconds += static_cast<double>(answers) * load.seconds_per_row;
    seconds += static_cast<double>(load.tokens_to_place) * load.seconds_per_step;
  }
  return seconds;
}

double seconds_to_end(const EngineLoad& load, const Newcomer& newcomer) {
  const double tokens = std::min(static_cast<double>(newcomer.max_tokens), load.answer_tokens);
  return seconds_to_begin(load, newcomer.service_class) +
         static_cast<double>(newcomer.prompt_tokens) * load.seconds_per_row +
         tokens * load.seconds_per_step;
}

double seconds_to_drain(const EngineLoad& load) {
  return seconds_to_begin(load, ServiceClass::kOffline);
}

}  // namespace autoglm
