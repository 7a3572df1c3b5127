// From a conjunction to the schemas that must hold, and to the branches of which one must.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/grammar/schema_context.h"

namespace autoglm::grammar {

// Branches of which one must hold.
struct Disjunction {
  Schema schema = nullptr;
  Schema keyword = nullptr;
  bool exactly_one = false;
  std::vector<Schemas> branches;
};

// Owns the schemas that it makes of keywords: they live as long as it does, and are found again, so
// that a conjunction with them is too.
class SchemaCombinators {
 public:
  explicit SchemaCombinators(const SchemaContext& context) : context_(context) {}

  // Follows references and allOf, and writes some keywords as others that say the same.
  Result<Expanded> expand(const Schemas& schemas);
  // The first keyword with branches that is not among `chosen`.
  Result<std::optional<Disjunction>> next_disjunction(const Expanded& all, const Schemas& chosen);
  // What holds where `what`, the value of a keyword of the schema, does not. `name` tells apart
  // what is negated in that schema.
  Result<Schema> negated(Schema schema, std::string_view name, const json::value& what);
  // Where the origin's keyword asks what was evaluated, since what negations say of members would
  // count.
  Result<void> refuse_negations(const Expanded& all, std::string_view name) const;

 private:
  Result<void> add_implied(Schema schema, Schemas& found);
  // Of "if" and of schemas that depend on a property.
  Result<std::optional<Disjunction>> next_condition(Schema schema, const Schemas& chosen);
  void note_negation(const json::value& part, const json::value& schema);
  Schema made(json::value schema, Schema like);

  const SchemaContext& context_;
  std::deque<json::value> made_;
  std::map<std::pair<Schema, std::string>, Schema> implied_;
  std::set<Schema> negations_;  // and all their parts: they evaluate nothing
};

}  // namespace autoglm::grammar
