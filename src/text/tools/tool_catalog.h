// The tools of a request, as far as reading calls needs them: names, and which parameters are
// texts.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/json.h"

namespace autoglm::tools {

// A parameter with this schema takes strings only, so that "12" written there is a text.
bool takes_text(const json::value& schema);

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
  // takes_text() of the parameter's schema.
  bool is_text(std::string_view tool, std::string_view parameter) const;

 private:
  // name -> its parameters that are texts
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> texts_;
};

}  // namespace autoglm::tools
