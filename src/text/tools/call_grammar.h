// What an answer must look like for its tool calls to be right: a structural tag in the notation of
// text/grammar/structural_tag.h, in the words of a model's format.
#pragma once

#include <string>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/tools/output_format.h"

namespace autoglm::tools {

struct CallGrammarOptions {
  OutputFormat format;
  bool required = false;  // the answer is calls and nothing else; false: text, in which they may be
  std::string name;       // with `required`: the only tool
  bool parallel = true;   // more than one call
  // Unless calls are required: what an answer without any must be, a format of structural tags.
  // Empty: free text.
  json::object otherwise;
  bool in_reasoning = false;      // the prompt has opened <think>
  bool tags_are_special = false;  // of the vocabulary: a grammar's text cannot match them
};

struct CallGrammar {
  // Empty: the answer is left free. Thoughts are not in it: StructuredOutput::after_reasoning.
  json::object structural_tag;
  // To be put behind the prompt, and before the answer when it is read: a tag that is a special
  // token. No thoughts come then.
  std::string begun;
};

// `tools`: OpenAI's list. An error when `required` and the format cannot be held to it; nothing
// where the format has no calls that could stand in place of `otherwise`.
Result<CallGrammar> call_grammar(const json::array& tools, const CallGrammarOptions& options);

}  // namespace autoglm::tools
