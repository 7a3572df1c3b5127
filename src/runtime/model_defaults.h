// What a checkpoint's generation_config.json and config.json say about answering: sampling
// defaults, and the ids that end an answer.
#pragma once

#include "autoglm/generation.h"
#include "engine/answer.h"
#include "formats/checkpoint.h"
#include "text/tokenizer.h"

namespace autoglm {

// From generation_config.json; values out of range are errors. As vLLM does, only what the file
// says is taken, and transformers' own defaults (top_k 50) are not. "do_sample": false is greedy.
Result<SamplingParams> default_sampling(const Checkpoint& checkpoint, int32_t vocab_size);

// generation_config.json's eos_token_id, or else config.json's; the tokenizer's own; and the tokens
// that end a turn by their spelling (text/tokenizer/turn_ends.h). An id that is no token is left
// out with a warning.
Result<EndOfSequence> end_of_sequence(const Checkpoint& checkpoint, const Tokenizer& tokenizer,
                                      int32_t vocab_size);

}  // namespace autoglm
