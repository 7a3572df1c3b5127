#include "text/grammar/schema_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "text/grammar/schema_negation.h"

namespace autoglm::grammar {

unsigned type_of(const json::value& value) {
  if (value.is_null()) return kNull;
  if (value.is_bool()) return kBoolean;
  if (value.is_string()) return kString;
  if (value.is_array()) return kArray;
  if (value.is_object()) return kObject;
  if (!value.is_double()) return kInteger;
  return value.get_double() == std::floor(value.get_double()) ? kInteger : kFraction;
}

std::string number_text(const json::value& value) {
  if (value.is_int64()) return fmt::to_string(value.get_int64());
  if (value.is_uint64()) return fmt::to_string(value.get_uint64());
  const double number = value.get_double();
  if (number == std::floor(number) && std::abs(number) < 1e15) return fmt::format("{:.0f}", number);
  return fmt::format("{}", number);
}

bool equal_values(const json::value& a, const json::value& b) {
  if (type_of(a) != type_of(b)) return false;
  if (a.is_number()) return number_text(a) == number_text(b);
  if (a.is_array()) {
    const json::array &x = a.get_array(), &y = b.get_array();
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), equal_values);
  }
  if (a.is_object()) {
    const json::object &x = a.get_object(), &y = b.get_object();
    return x.size() == y.size() && std::all_of(x.begin(), x.end(), [&](const auto& member) {
             const json::value* other = y.if_contains(member.key());
             return other != nullptr && equal_values(member.value(), *other);
           });
  }
  return a == b;
}

bool is_one_of(const json::value& value, const Values& list) {
  return std::ranges::any_of(list,
                             [&](const json::value* other) { return equal_values(value, *other); });
}

Values none_of(const Expanded& all) {
  Values values;
  for (const auto& [schema, list] : having(all, kNoneOf)) {
    if (!list.is_array()) continue;
    for (const json::value& value : list.get_array()) values.push_back(&value);
  }
  return values;
}

Result<std::optional<Values>> listed_values(const SchemaContext& context, const Expanded& all) {
  std::optional<Values> result;
  const auto restrict_to = [&](Values list) -> Result<void> {
    if (!result) {
      result = std::move(list);
      return {};
    }
    AGLM_TRY(context.spend(kStepsOfComparison * result->size() * list.size()));
    std::erase_if(*result, [&](const json::value* value) { return !is_one_of(*value, list); });
    return {};
  };
  for (const auto& [schema, list] : having(all, "enum")) {
    if (!list.is_array() || list.get_array().empty()) {
      return context.index.invalid(*schema, "enum", "must be a list of values");
    }
    Values pointers;
    for (const json::value& value : list.get_array()) pointers.push_back(&value);
    AGLM_TRY(restrict_to(std::move(pointers)));
  }
  for (const auto& [schema, value] : having(all, "const")) {
    AGLM_TRY(restrict_to({&value}));
  }
  if (result) {
    const Values none = none_of(all);
    AGLM_TRY(context.spend(kStepsOfComparison * result->size() * none.size()));
    std::erase_if(*result, [&](const json::value* value) { return is_one_of(*value, none); });
  }
  return result;
}

}  // namespace autoglm::grammar
