// Tokens that end a turn in the chat formats of known model families, by their spelling.
// Checkpoints often fail to name them: the family's own code stops at them (ChatGLM3 at <|user|>),
// or a converter left them out or gave them the type of ordinary text.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace autoglm {

inline constexpr std::array<std::string_view, 13> kTurnEnds{
    "<|user|>",         // GLM: the answer is over when the next role begins
    "<|observation|>",  // GLM: ... which is the tool after a call
    "<|endoftext|>",    // GPT-2, GLM, Qwen
    "<|im_end|>",       // ChatML: Qwen, Yi
    "<|eot_id|>",       // Llama 3
    "<|eom_id|>",       // Llama 3: the tool is next
    "<|end_of_text|>",  // Llama 3
    "<|end|>",          // Phi
    "<|eot|>",          // Llama 4
    "<|EOT|>",          // DeepSeek Coder
    "<EOT>",            // Code Llama
    "<end_of_turn>",    // Gemma
    "<\xEF\xBD\x9C"
    "end\xE2\x96\x81of\xE2\x96\x81sentence\xEF\xBD\x9C>",  // DeepSeek
};

inline bool is_turn_end(std::string_view spelling) {
  return std::find(kTurnEnds.begin(), kTurnEnds.end(), spelling) != kTurnEnds.end();
}

}  // namespace autoglm
