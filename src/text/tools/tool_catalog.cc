#include "text/tools/tool_catalog.h"

#include <cstdint>

namespace autoglm::tools {
namespace {

const json::object* object_member(const json::object& object, std::string_view key) {
  const json::value* found = object.if_contains(key);
  return found == nullptr ? nullptr : found->if_object();
}

// Kinds of JSON values, as bits.
constexpr uint32_t kText = 1, kNull = 2, kArray = 4, kObject = 8, kNumber = 16, kBool = 32;
constexpr uint32_t kAny = 63;

uint32_t kind_named(const json::value& name) {
  if (name == "string") return kText;
  if (name == "null") return kNull;
  if (name == "array") return kArray;
  if (name == "object") return kObject;
  if (name == "number" || name == "integer") return kNumber;
  if (name == "boolean") return kBool;
  return kAny;
}

uint32_t kind_of(const json::value& value) {
  if (value.is_string()) return kText;
  if (value.is_null()) return kNull;
  if (value.is_array()) return kArray;
  if (value.is_object()) return kObject;
  return value.is_bool() ? kBool : kNumber;
}

// What a schema admits. Schemas come from clients: those that refer to each other in circles, or
// fan out, are followed so far and then taken to admit anything.
class Kinds {
 public:
  explicit Kinds(const json::value& root) : root_(root) {}

  uint32_t of(const json::value& schema, int depth = 0) {
    if (schema.is_bool()) return schema.get_bool() ? kAny : 0;
    const json::object* object = schema.if_object();
    if (object == nullptr || depth > kMaxDepth || ++n_seen_ > kMaxSchemas) return kAny;
    uint32_t kinds = kAny;
    if (const json::value* type = object->if_contains("type")) {
      kinds &= type->is_array() ? any(type->get_array(), kind_named) : kind_named(*type);
    }
    if (const json::value* value = object->if_contains("const")) kinds &= kind_of(*value);
    if (const json::value* values = object->if_contains("enum"); values && values->is_array()) {
      kinds &= any(values->get_array(), kind_of);
    }
    const auto each = [&](const json::value& part) { return of(part, depth + 1); };
    for (const std::string_view key : {"anyOf", "oneOf"}) {
      const json::value* parts = object->if_contains(key);
      if (parts != nullptr && parts->is_array()) kinds &= any(parts->get_array(), each);
    }
    if (const json::value* parts = object->if_contains("allOf"); parts && parts->is_array()) {
      for (const json::value& part : parts->get_array()) kinds &= each(part);
    }
    if (const json::value* target = target_of(*object)) kinds &= each(*target);
    const json::value* nullable = object->if_contains("nullable");  // OpenAPI's
    if (nullable != nullptr && nullable->is_bool() && nullable->get_bool()) kinds |= kNull;
    return kinds;
  }

  // What "$ref" names, where that is in the document itself.
  const json::value* target_of(const json::object& schema) const {
    const json::value* reference = schema.if_contains("$ref");
    if (reference == nullptr || !reference->is_string()) return nullptr;
    const std::string_view name = reference->get_string();
    if (!name.starts_with('#')) return nullptr;
    boost::system::error_code error;
    return root_.find_pointer(name.substr(1), error);
  }

 private:
  static constexpr int kMaxDepth = 32;
  static constexpr int kMaxSchemas = 2000;

  template <class KindsOf>
  static uint32_t any(const json::array& parts, KindsOf kinds_of) {
    uint32_t kinds = 0;
    for (const json::value& part : parts) kinds |= kinds_of(part);
    return kinds;
  }

  const json::value& root_;
  int n_seen_ = 0;
};

}  // namespace

ValueKinds value_kinds(const json::value& schema, const json::value& root) {
  const uint32_t kinds = Kinds(root).of(schema);
  if (kinds == kAny || (kinds & kText) == 0) return {};
  return {
      .text = true, .null = (kinds & kNull) != 0, .structured = (kinds & (kArray | kObject)) != 0};
}

const json::value& resolved(const json::value& schema, const json::value& root) {
  constexpr int kMaxReferences = 32;
  const Kinds kinds(root);
  const json::value* found = &schema;
  for (int i = 0; i < kMaxReferences && found->is_object(); ++i) {
    const json::value* target = kinds.target_of(found->get_object());
    if (target == nullptr) break;
    found = target;
  }
  return *found;
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
    const json::value& root = function->at("parameters");
    for (const auto& [key, schema] : *properties) {
      const ValueKinds kinds = value_kinds(schema, root);
      if (kinds.text) texts.emplace(key, kinds);
    }
  }
}

bool ToolCatalog::begins_a_name(std::string_view text) const {
  const auto found = texts_.lower_bound(text);
  return found != texts_.end() && std::string_view(found->first).starts_with(text);
}

ValueKinds ToolCatalog::kinds(std::string_view tool, std::string_view parameter) const {
  const auto found = texts_.find(tool);
  if (found == texts_.end()) return {};
  const auto kinds = found->second.find(parameter);
  return kinds == found->second.end() ? ValueKinds() : kinds->second;
}

}  // namespace autoglm::tools
