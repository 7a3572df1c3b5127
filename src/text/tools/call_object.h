// A call that is a JSON object, {"name": ..., "arguments": {...}}, and arguments that are one.
#pragma once

#include <string>
#include <string_view>

#include "text/tools/delta.h"
#include "text/tools/json_scanner.h"
#include "text/tools/tool_catalog.h"

namespace autoglm::tools {

// The object of a call's arguments, given to the sink as it comes.
class ArgumentsReader {
 public:
  explicit ArgumentsReader(DeltaSink& sink) : sink_(sink) {}
  // kMore, kDone or kBad; a bad byte has not been given.
  JsonScanner::Step feed(char c);

 private:
  DeltaSink& sink_;
  JsonScanner scanner_;
  bool begun_ = false;
};

// Which names are calls.
enum class Names { kAny, kKnown };

class CallObjectReader {
 public:
  CallObjectReader(DeltaSink& sink, const ToolCatalog& catalog, Names names)
      : sink_(sink), catalog_(catalog), names_(names), arguments_(sink) {}

  // After kBad, which has not taken the byte: when started(), what came before is a call that was
  // cut off, else it was none.
  JsonScanner::Step feed(char c);
  bool started() const { return started_; }

 private:
  enum class State {
    kOpen,
    kFirstKey,
    kKey,
    kInKey,
    kColon,
    kValue,
    kBuffered,
    kArguments,
    kAfter
  };
  JsonScanner::Step begin_value(char c);
  JsonScanner::Step buffered(char c);
  bool take_value();
  JsonScanner::Step end();
  bool start();

  DeltaSink& sink_;
  const ToolCatalog& catalog_;
  const Names names_;
  ArgumentsReader arguments_;
  State state_ = State::kOpen;
  std::string key_;
  JsonScanner scanner_;
  std::string buffer_;
  std::string name_;
  std::string early_arguments_;  // that came before the name, or as a string
  bool started_ = false;
};

}  // namespace autoglm::tools
