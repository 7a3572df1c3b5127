#include "text/grammar/schema_negation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace autoglm::grammar {
namespace {

constexpr int kMaxDepth = 16;        // of references and schemas within each other
constexpr int kMaxSchemas = 10'000;  // a schema may be referred to many times

// Keywords of a validator that cannot be turned around.
constexpr std::array<std::string_view, 26> kNotOffered = {"oneOf",
                                                          "multipleOf",
                                                          "divisibleBy",
                                                          "format",
                                                          "items",
                                                          "prefixItems",
                                                          "additionalItems",
                                                          "unevaluatedItems",
                                                          "contains",
                                                          "uniqueItems",
                                                          "additionalProperties",
                                                          "unevaluatedProperties",
                                                          "propertyNames",
                                                          "patternProperties",
                                                          "dependentRequired",
                                                          "dependentSchemas",
                                                          "dependencies",
                                                          "if",
                                                          "$dynamicRef",
                                                          "$recursiveRef",
                                                          "extends",
                                                          "disallow",
                                                          "contentEncoding",
                                                          "contentMediaType",
                                                          "contentSchema",
                                                          "$dynamicAnchor"};

bool is_in(const auto& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// The bound on the other side of a keyword: what it asks becomes what it does not.
struct Opposite {
  std::string_view keyword, other, type;
  int64_t step;  // for counts; 0: a bound of numbers
};
constexpr std::array<Opposite, 10> kOpposites = {{
    {"minLength", "maxLength", "string", -1},
    {"maxLength", "minLength", "string", 1},
    {"minItems", "maxItems", "array", -1},
    {"maxItems", "minItems", "array", 1},
    {"minProperties", "maxProperties", "object", -1},
    {"maxProperties", "minProperties", "object", 1},
    {"minimum", "exclusiveMaximum", "number", 0},
    {"maximum", "exclusiveMinimum", "number", 0},
    {"exclusiveMinimum", "maximum", "number", 0},
    {"exclusiveMaximum", "minimum", "number", 0},
}};

class Negation {
 public:
  explicit Negation(const SchemaIndex& index) : index_(index) {}

  Result<json::value> of(const json::value& schema, int depth) {
    if (schema.is_bool()) return json::value(!schema.get_bool());
    if (!schema.is_object()) {
      return index_.invalid(schema, "", "a schema is an object, true or false");
    }
    if (depth > kMaxDepth || ++n_schemas_ > kMaxSchemas)
      return index_.unsupported(schema, "", "is too deep or too large to be negated");
    // It does not hold where one of its keywords does not.
    json::array ways;
    const json::object& object = schema.get_object();
    const bool alone = index_.legacy() && object.contains("$ref");
    for (const auto& member : object) {
      if (alone && member.key() != "$ref") continue;
      AGLM_TRY(add_ways(schema, member.key(), member.value(), depth, ways));
    }
    if (ways.empty()) return json::value(false);
    if (ways.size() == 1) return std::move(ways[0]);
    return json::value(json::object{{"anyOf", std::move(ways)}});
  }

 private:
  Result<void> add_ways(const json::value& schema, std::string_view keyword,
                        const json::value& value, int depth, json::array& ways) {
    const auto add = [&](json::value way) {
      if (!way.is_bool() || way.get_bool()) ways.push_back(std::move(way));
    };
    if (keyword == "$ref") {
      if (!value.is_string()) return index_.invalid(schema, keyword, "must be a string");
      const json::value* target =
          AGLM_TRY(index_.resolve(schema, std::string_view(value.get_string())));
      add(AGLM_TRY(of(*target, depth + 1)));
    } else if (keyword == "allOf" || keyword == "anyOf") {
      if (!value.is_array() || value.get_array().empty()) {
        return index_.invalid(schema, keyword, "must be a list of schemas");
      }
      json::array parts;
      for (const json::value& part : value.get_array()) {
        parts.push_back(AGLM_TRY(of(part, depth + 1)));
      }
      if (keyword == "anyOf") {
        add(json::object{{"allOf", std::move(parts)}});
      } else {
        for (json::value& part : parts) add(std::move(part));
      }
    } else if (keyword == "not") {
      // Its references would be read from another place.
      const std::string text = boost::json::serialize(value);
      if (text.find("\"$ref\"") != std::string::npos || text.find("\"$id\"") != std::string::npos) {
        return index_.unsupported(schema, keyword, "negated twice, with references");
      }
      add(value);
    } else if (keyword == "type") {
      add(AGLM_TRY(other_types(schema, value)));
    } else if (keyword == "const") {
      add(AGLM_TRY(none_of(schema, keyword, {value})));
    } else if (keyword == "enum") {
      if (!value.is_array()) return index_.invalid(schema, keyword, "must be a list of values");
      add(AGLM_TRY(none_of(schema, keyword, value.get_array())));
    } else if (keyword == "pattern") {
      add(json::object{{"type", "string"}, {kNoMatch, value}});
    } else if (keyword == "required") {
      return add_absent(schema, value, ways);
    } else if (keyword == "properties") {
      return add_properties(schema, value, depth, ways);
    } else if (const auto* found = opposite(keyword)) {
      add(AGLM_TRY(beyond(schema, *found, value)));
    } else if (is_in(kNotOffered, keyword)) {
      return index_.unsupported(schema, keyword, "cannot be negated");
    }
    return {};
  }

  static const Opposite* opposite(std::string_view keyword) {
    const auto found = std::ranges::find(kOpposites, keyword, &Opposite::keyword);
    return found == kOpposites.end() ? nullptr : &*found;
  }

  Result<json::value> beyond(const json::value& schema, const Opposite& opposite,
                             const json::value& value) {
    if (!value.is_number()) {
      // Draft 4 has true and false beside the bound.
      return index_.unsupported(schema, opposite.keyword, "cannot be negated");
    }
    if (opposite.step == 0) {
      for (const std::string_view exclusive : {"exclusiveMinimum", "exclusiveMaximum"}) {
        const json::value* beside = schema.get_object().if_contains(exclusive);
        if (beside != nullptr && beside->is_bool()) {
          return index_.unsupported(schema, exclusive, "cannot be negated");
        }
      }
      return json::value(json::object{{"type", opposite.type}, {opposite.other, value}});
    }
    if (!value.is_int64()) return index_.unsupported(schema, opposite.keyword, "cannot be negated");
    const int64_t bound = value.get_int64() + opposite.step;
    if (value.get_int64() < 0)
      return index_.invalid(schema, opposite.keyword, "must be at least 0");
    if (bound < 0) return json::value(false);
    return json::value(json::object{{"type", opposite.type}, {opposite.other, bound}});
  }

  Result<json::value> other_types(const json::value& schema, const json::value& type) {
    const auto has = [&](std::string_view name) {
      if (type.is_string()) return type.get_string() == name;
      return type.is_array() && std::ranges::any_of(type.get_array(), [&](const json::value& one) {
               return one.is_string() && one.get_string() == name;
             });
    };
    // Numbers that are no integers have no name.
    if (has("integer") && !has("number")) {
      return index_.unsupported(schema, "type", "integer cannot be negated");
    }
    json::array names;
    for (const std::string_view name : {"null", "boolean", "number", "string", "array", "object"}) {
      if (!has(name)) names.push_back(json::value(name));
    }
    if (names.empty()) return json::value(false);
    return json::value(json::object{{"type", std::move(names)}});
  }

  Result<json::value> none_of(const json::value& schema, std::string_view keyword,
                              json::array values) {
    for (const json::value& value : values) {
      if (value.is_structured()) {
        return index_.unsupported(schema, keyword, "objects and arrays cannot be negated");
      }
    }
    return json::value(json::object{{kNoneOf, std::move(values)}});
  }

  Result<void> add_absent(const json::value& schema, const json::value& names, json::array& ways) {
    if (!names.is_array()) return index_.unsupported(schema, "required", "cannot be negated");
    for (const json::value& name : names.get_array()) {
      if (!name.is_string()) return index_.invalid(schema, "required", "must be a list of names");
      ways.push_back(json::object{{"type", "object"},
                                  {"properties", json::object{{name.get_string(), false}}}});
    }
    return {};
  }

  Result<void> add_properties(const json::value& schema, const json::value& properties, int depth,
                              json::array& ways) {
    if (!properties.is_object()) return index_.invalid(schema, "properties", "must be an object");
    for (const auto& property : properties.get_object()) {
      json::value other = AGLM_TRY(of(property.value(), depth + 1));
      if (other.is_bool() && !other.get_bool()) continue;
      ways.push_back(
          json::object{{"type", "object"},
                       {"required", json::array{json::value(property.key())}},
                       {"properties", json::object{{property.key(), std::move(other)}}}});
    }
    return {};
  }

  const SchemaIndex& index_;
  int n_schemas_ = 0;
};

}  // namespace

Result<json::value> negation(const json::value& schema, const SchemaIndex& index) {
  return Negation(index).of(schema, 0);
}

}  // namespace autoglm::grammar
