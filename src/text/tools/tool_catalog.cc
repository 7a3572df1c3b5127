#include "text/tools/tool_catalog.h"

#include <algorithm>

namespace autoglm::tools {
namespace {

const json::object* object_member(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found == nullptr ? nullptr : found->if_object();
}

}  // namespace

bool takes_text(const json::value& schema) {
  const json::object* object = schema.if_object();
  if (object == nullptr) return false;
  if (const json::value* type = object->if_contains("type")) return *type == "string";
  const json::value* values = object->if_contains("enum");
  if (values == nullptr || !values->is_array() || values->get_array().empty()) return false;
  return std::all_of(values->get_array().begin(), values->get_array().end(),
                     [](const json::value& value) { return value.is_string(); });
}

ToolCatalog::ToolCatalog(const json::array& tools) {
  for (const json::value& tool : tools) {
    const json::object* function = tool.if_object();
    if (function == nullptr) continue;
    if (const json::object* inner = object_member(*function, "function")) function = inner;
    const json::value* name = function->if_contains("name");
    if (name == nullptr || !name->is_string() || name->get_string().empty()) continue;
    auto& texts = texts_[std::string(name->get_string())];
    const json::object* parameters = object_member(*function, "parameters");
    const json::object* properties =
        parameters == nullptr ? nullptr : object_member(*parameters, "properties");
    if (properties == nullptr) continue;
    for (const auto& [key, schema] : *properties) {
      if (takes_text(schema)) texts.emplace(key);
    }
  }
}

bool ToolCatalog::begins_a_name(std::string_view text) const {
  const auto found = texts_.lower_bound(text);
  return found != texts_.end() && std::string_view(found->first).starts_with(text);
}

bool ToolCatalog::is_text(std::string_view tool, std::string_view parameter) const {
  const auto found = texts_.find(tool);
  return found != texts_.end() && found->second.contains(parameter);
}

}  // namespace autoglm::tools
