// Structural tags: free text in which certain marks begin parts with a grammar of their own, in the
// notation of XGrammar that vLLM takes, as JSON:
//
//   {"type": "structural_tag", "format": FORMAT}          or, older,
//   {"type": "structural_tag", "triggers": ["<function="],
//    "structures": [{"begin": "<function=f>", "schema": {...}, "end": "</function>"}]}
//
// where FORMAT is one of
//   {"type": "const_string", "value": "..."}              this text
//   {"type": "json_schema", "json_schema": {...}}         JSON that satisfies the schema
//   {"type": "regex", "pattern": "..."}                   {"type": "grammar", "grammar": "..."}
//   {"type": "any_text"}                                  anything; "excludes": ["..."] but these
//   {"type": "sequence", "elements": [FORMAT, ...]}       {"type": "or", "elements": [...]}
//   {"type": "tag", "begin": "...", "content": FORMAT, "end": "..." or ["...", "..."]}
//   {"type": "triggered_tags", "triggers": ["..."], "tags": [TAG, ...],
//    "at_least_one": false, "stop_after_first": false}    free text; where a trigger has been
//       written, one of the tags that begin with it must go on; after it, free text again
//   {"type": "tags_with_separator", "tags": [TAG, ...], "separator": "...",
//    "at_least_one": false, "stop_after_first": false}
//
// So a caller with tools says, for a model that writes <tool_call>{...}</tool_call>:
//   {"type": "triggered_tags", "triggers": ["<tool_call>"], "tags": [
//     {"type": "tag", "begin": "<tool_call>\n{\"name\": \"f\", \"arguments\": ",
//      "content": {"type": "json_schema", "json_schema": PARAMETERS OF f},
//      "end": "}\n</tool_call>"}, ... one for each function]}
// with "at_least_one": true for tool_choice "required", and a single "tag" or "sequence" for a
// named function. Marks are matched as text: special tokens never match (token_trie.h), so a model
// whose marks are special tokens needs its grammar begun after them.
#pragma once

#include <string_view>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/grammar/builder.h"
#include "text/grammar/json_prelude.h"

namespace autoglm::grammar {

Result<int32_t> build_structural_tag(GrammarBuilder& builder, const JsonPrelude& prelude,
                                     const json::value& tag, std::string_view where);

}  // namespace autoglm::grammar
