// What a conjunction's keywords about objects come to.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "text/grammar/schema_compiler.h"

namespace autoglm::grammar {

// Of one schema.
struct SchemaCompiler::KeywordsOfObject {
  Schema schema = nullptr;
  const json::object* properties = nullptr;
  std::vector<std::pair<size_t, Schema>> patterns;  // number of the pattern, and its schema
  Schema others = nullptr;                          // "additionalProperties"
};

struct SchemaCompiler::ObjectRules {
  std::vector<KeywordsOfObject> keywords;
  std::vector<std::string> names;  // declared or required, in their order
  std::set<std::string, std::less<>> required;
  std::vector<std::string> patterns;
  std::vector<Dfa> pattern_keys;  // the keys that each pattern matches
  Schemas key_schemas;            // "propertyNames"
  std::optional<Dfa> keys;        // what they allow
  bool no_keys = false;
  Schema unevaluated = nullptr;
  Lengths bounds;
};

// Keys that are not declared, and for which the same holds.
struct SchemaCompiler::KeyClass {
  std::optional<Dfa> keys;  // nothing: all that are not declared
  int32_t value = 0;
};

}  // namespace autoglm::grammar
