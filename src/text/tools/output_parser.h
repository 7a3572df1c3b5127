// An answer's text, as it comes, to content, reasoning and tool calls. Whatever the split of the
// bytes, the deltas of each kind join to the same; no text is lost but white space around tags.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/tools.h"
#include "text/tools/call_reader.h"
#include "text/tools/delta.h"
#include "text/tools/output_format.h"
#include "text/tools/tool_catalog.h"

namespace autoglm::tools {

struct OutputParserOptions {
  OutputFormat format;
  bool in_reasoning = false;  // the prompt has opened <think>
  bool calls_first = false;   // calls begin the answer, or there are none
};

class OutputParser : public AnswerReader {
 public:
  // With no tools in `catalog` calls stay text.
  OutputParser(const OutputParserOptions& options, ToolCatalog catalog)
      : OutputParser(options, std::make_shared<const ToolCatalog>(std::move(catalog))) {}
  OutputParser(const OutputParserOptions& options, std::shared_ptr<const ToolCatalog> catalog);

  std::vector<AnswerDelta> push(std::string_view text) override;
  std::vector<AnswerDelta> finish(AnswerEnd end) override;
  bool calls_are_whole() const override { return !sink_.calls_are_open(); }
  std::unique_ptr<AnswerReader> another() const override {
    return std::make_unique<OutputParser>(options_, catalog_);
  }

 private:
  enum class State {
    kBegin,  // <think> may come
    kReasoning,
    kAfter,  // white space between reasoning and answer is passed over
    kAnswer,
  };
  void byte(char c);
  void begin(char c);
  void reason(char c);
  void give_reasoning(char c);
  void answer(char c);
  void settle(bool has_calls);

  const OutputParserOptions options_;
  const std::shared_ptr<const ToolCatalog> catalog_;
  DeltaSink sink_;
  std::unique_ptr<CallReader> calls_;  // null: the answer is content
  std::string_view opening_;           // of calls, until it is known whether the answer has some
  State state_;
  std::string held_;   // the beginning of a tag, and white space before it
  std::string space_;  // white space at the end of reasoning
  bool reasoned_ = false;
};

}  // namespace autoglm::tools
