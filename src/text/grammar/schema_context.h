// What the parts of the JSON Schema compiler have in common: what they share while one schema is
// compiled, what a conjunction of schemas comes to, and how its keywords are looked up. It knows no
// keyword by name; those are the business of the part that is named after them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/grammar/builder.h"
#include "text/grammar/json_prelude.h"
#include "text/grammar/schema_index.h"

namespace autoglm::grammar {

using Schema = const json::value*;
using Schemas = std::vector<Schema>;

// Of the conjunctions of one schema, and of the schemas in one of them.
inline constexpr size_t kMaxRules = 20'000;
// Each schema of a conjunction is looked through for every keyword.
inline constexpr size_t kStepsOfSchema = 100;
// And each value that a keyword lists, or member that it names, is looked at a few times.
inline constexpr size_t kStepsOfEntry = 5;

struct SchemaContext {
  GrammarBuilder& builder;
  const JsonPrelude& prelude;
  SchemaIndex& index;
  std::string_view where;  // names the schema in errors

  Work& work() const { return builder.work(); }
  // Pays for what is done on the schema's behalf beside building.
  Result<void> spend(size_t steps) const {
    return work().charge(static_cast<int64_t>(steps), where);
  }
  void space(int32_t from, int32_t to) const { add_space(builder, from, prelude.space, to); }
  void gap(int32_t from, int32_t to) const { add_space(builder, from, prelude.gap, to); }
  void gap_at_end(int32_t from, int32_t to) const {
    add_space(builder, from, prelude.gap_at_end, to);
  }
};

// What a conjunction comes to, references and allOf followed: schemas that are objects, and must
// all hold.
struct Expanded {
  Schemas schemas;
  bool never = false;
  Schema origin = nullptr;  // the one of them that all others belong to, if there is one
};

bool is_in(const Schemas& list, Schema schema);
void add_unique(Schemas& list, Schema schema);

// Null where the schema has no such keyword.
const json::value* keyword(Schema schema, std::string_view name);

// A keyword of one of the schemas, for each that has it.
struct Keyword {
  Schema schema = nullptr;
  const json::value& value;
};
std::vector<Keyword> having(const Expanded& all, std::string_view name);

// How many there may be of what `least` and `most` count: all such keywords together.
struct Lengths {
  int64_t least = 0;
  int64_t most = -1;  // no bound
};
Result<Lengths> lengths(const SchemaContext& context, const Expanded& all, std::string_view least,
                        std::string_view most);

}  // namespace autoglm::grammar
