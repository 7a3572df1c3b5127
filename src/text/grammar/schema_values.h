// Values as schemas list them: "enum", "const" and what negations rule out. When two are equal,
// which type each has, and which are left of all lists together. Their texts are written by
// schema_enum.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "text/grammar/schema_context.h"

namespace autoglm::grammar {

enum TypeBits : unsigned {
  kNull = 1,
  kBoolean = 2,
  kInteger = 4,
  kFraction = 8,  // numbers that are no integers; "number" is both
  kString = 16,
  kArray = 32,
  kObject = 64,
  kAllTypes = 127,
};
unsigned type_of(const json::value& value);

using Values = std::vector<const json::value*>;

inline constexpr size_t kStepsOfComparison = 10;  // of two values
// As JSON Schema has it: 1 and 1.0 are the same.
bool equal_values(const json::value& a, const json::value& b);
bool is_one_of(const json::value& value, const Values& list);
// The one spelling that a listed number is written with.
std::string number_text(const json::value& value);

// The values that negations rule out.
Values none_of(const Expanded& all);
// Those that every list holds and no negation rules out; nothing when there is no list.
Result<std::optional<Values>> listed_values(const SchemaContext& context, const Expanded& all);

}  // namespace autoglm::grammar
