// How a model's answers are written, from its chat template and the options, and readers for them.
#pragma once

#include <memory>

#include "autoglm/model.h"
#include "autoglm/tools.h"
#include "text/tokenizer.h"
#include "text/tools/output_format.h"

namespace autoglm {

// An error when an option names no format. `found`: in the chat template.
Result<tools::OutputFormat> answer_format(const LoadOptions& options, tools::OutputFormat found);

// Whether the format's tags are special tokens of this vocabulary, which decoding leaves out.
bool tags_are_special(const tools::OutputFormat& format, const Tokenizer& tokenizer);

Result<std::unique_ptr<AnswerReader>> make_answer_reader(tools::OutputFormat format,
                                                         const AnswerReaderOptions& options);

Result<ToolRules> make_tool_rules(const tools::OutputFormat& format, bool tags_are_special,
                                  const ToolRulesOptions& options);

}  // namespace autoglm
