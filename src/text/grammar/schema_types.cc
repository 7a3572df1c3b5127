#include "text/grammar/schema_types.h"

#include <algorithm>
#include <array>
#include <utility>

namespace autoglm::grammar {
namespace {

struct TypeName {
  std::string_view name;
  unsigned bits;
};
constexpr std::array<TypeName, 7> kTypeNames = {{{"null", kNull},
                                                 {"boolean", kBoolean},
                                                 {"integer", kInteger},
                                                 {"number", kInteger | kFraction},
                                                 {"string", kString},
                                                 {"array", kArray},
                                                 {"object", kObject}}};

// Keywords that constrain values of some types, and are not offered.
struct Refused {
  std::string_view keyword;
  unsigned types;
};
constexpr std::array<Refused, 6> kRefused = {{{"contains", kArray},
                                              {"$dynamicRef", kAllTypes},
                                              {"$recursiveRef", kAllTypes},
                                              {"extends", kAllTypes},
                                              {"disallow", kAllTypes},
                                              {"divisibleBy", kInteger | kFraction}}};

}  // namespace

Result<unsigned> types_of(const SchemaContext& context, const Expanded& all) {
  unsigned bits = kAllTypes;
  for (const auto& [schema, type] : having(all, "type")) {
    unsigned own = 0;
    const auto add = [&](const json::value& name) {
      const auto found = std::find_if(kTypeNames.begin(), kTypeNames.end(), [&](const TypeName& t) {
        return name.is_string() && name.get_string() == t.name;
      });
      if (found == kTypeNames.end()) return false;
      own |= found->bits;
      return true;
    };
    bool good = true;
    if (type.is_array()) {
      good = !type.get_array().empty();
      for (const json::value& name : type.get_array()) good &= add(name);
    } else {
      good = add(type);
    }
    if (!good) {
      return context.index.invalid(
          *schema, "type",
          "must be null, boolean, integer, number, string, array, object or a list of these");
    }
    bits &= own;
  }
  for (const json::value* value : none_of(all)) {
    if (value->is_null()) bits &= ~static_cast<unsigned>(kNull);
  }
  return bits;
}

Result<void> refuse_unknown(const SchemaContext& context, const Expanded& all, unsigned types) {
  for (const Refused& refused : kRefused) {
    if ((types & refused.types) == 0) continue;
    for (const auto& [schema, value] : having(all, refused.keyword)) {
      return context.index.unsupported(*schema, refused.keyword, "not supported");
    }
  }
  // Before 2019-09 these were meant to be checked.
  for (const std::string_view name : {"contentEncoding", "contentMediaType"}) {
    if (!context.index.legacy() || (types & kString) == 0) continue;
    for (const auto& [schema, value] : having(all, name)) {
      return context.index.unsupported(*schema, name, "not supported");
    }
  }
  for (const auto& [name, bit] :
       {std::pair{"unevaluatedProperties", kObject}, std::pair{"unevaluatedItems", kArray}}) {
    if ((types & bit) == 0) continue;
    for (const auto& [schema, value] : having(all, name)) {
      if (schema == all.origin || (value.is_bool() && value.get_bool())) continue;
      return context.index.unsupported(*schema, name,
                                       "supported only beside the schemas it looks into");
    }
  }
  return {};
}

}  // namespace autoglm::grammar
