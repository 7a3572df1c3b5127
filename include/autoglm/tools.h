// What an answer's text holds besides content: reasoning and tool calls, each model writing them in
// a format of its own. GLMModel::answer_reader() makes a reader for the format of the model.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/generation.h"

#pragma GCC visibility push(default)
namespace autoglm {

struct AnswerDelta {
  enum class Kind {
    kContent,
    kReasoning,
    kCall,       // a call begins; `text` is the tool's name
    kArguments,  // more of that call's arguments: JSON text
  };
  Kind kind = Kind::kContent;
  int32_t call = 0;  // number of the call in this answer, from 0
  std::string text{};

  bool operator==(const AnswerDelta&) const = default;
};

// Why no more text of an answer comes.
enum class AnswerEnd {
  kTurn,  // the model has ended its turn
  kCut,   // a limit or a stop text did
};

// Reads the text of one answer as it comes. However the text is split, the deltas of each kind join
// to the same; nothing is lost but white space around tags. What is no well-formed call is content.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;
  virtual std::vector<AnswerDelta> push(std::string_view text) = 0;
  // After kTurn the arguments of every call are JSON: those that the model left open are closed.
  // After kCut the last ones are as far as they came.
  virtual std::vector<AnswerDelta> finish(AnswerEnd end) = 0;
  // Whether the arguments of all calls so far have come to their end.
  virtual bool calls_are_whole() const = 0;
  // A reader at the beginning, for another answer to the same: what the request says is shared.
  virtual std::unique_ptr<AnswerReader> another() const = 0;
};

struct AnswerReaderOptions {
  // OpenAI's list of tools as JSON text; empty: calls stay content.
  std::string tools_json{};
  // What the answer answers, as the chat template wrote it: it may have opened the reasoning.
  std::string prompt{};
  bool separate_reasoning = true;  // false: it stays in the content, tags and all
  bool calls_first = false;        // calls begin the answer, or what looks like one is content
};

// What the calls of an answer must be.
struct ToolRulesOptions {
  std::string tools_json{};
  std::string prompt{};
  // The answer is calls; false: calls of tools with "strict": true are right.
  bool required = false;
  std::string name{};    // with `required`: the only tool to call; empty: any
  bool parallel = true;  // several calls
  // Unless `required`: what an answer without calls must be. The rules are then for either, or
  // empty where the model's calls cannot be told from it. Read such an answer with calls_first.
  StructuredOutput form{};
};
struct ToolRules {
  // JSON, as StructuredOutput takes it; empty: the answer is free. Without `begun` thoughts may
  // come before it: StructuredOutput::after_reasoning.
  std::string structural_tag{};
  // Put this behind the prompt, and before the answer when it is read: the tag that begins a call,
  // where it is a special token.
  std::string begun{};
};

}  // namespace autoglm
#pragma GCC visibility pop
