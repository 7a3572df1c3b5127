// The tools of a request, as far as reading calls needs them: names, and which parameters are
// texts.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/json.h"

namespace autoglm::tools {

// What a value with some schema may be, as far as reading it needs that. `text`: the schema says
// that it may be a string, so that "12" written there is one. Schemas that say nothing leave it to
// how the value is written.
struct ValueKinds {
  bool text = false;
  bool null = false;        // besides
  bool structured = false;  // besides, an array or an object
};
// Reads type, enum, const, anyOf, oneOf, allOf, and $ref into `root`.
ValueKinds value_kinds(const json::value& schema, const json::value& root);

// The schema that a chain of references ends in.
const json::value& resolved(const json::value& schema, const json::value& root);

class ToolCatalog {
 public:
  ToolCatalog() = default;
  // OpenAI's list: [{"type": "function", "function": {"name": ..., "parameters": schema}}]; the
  // functions may also stand there bare. What is no tool is passed over.
  explicit ToolCatalog(const json::array& tools);

  bool empty() const { return texts_.empty(); }
  bool knows(std::string_view name) const { return texts_.contains(name); }
  // Some tool's name begins so.
  bool begins_a_name(std::string_view text) const;
  ValueKinds kinds(std::string_view tool, std::string_view parameter) const;

 private:
  // name -> parameter -> what it takes, for those that may be texts
  std::map<std::string, std::map<std::string, ValueKinds, std::less<>>, std::less<>> texts_;
};

}  // namespace autoglm::tools
