// Which rule is which conjunction's. A conjunction's rule is found again by its members, and built
// later: since a schema has finitely many parts, recursive schemas come to an end.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "text/grammar/schema_context.h"

namespace autoglm::grammar {

// Schemas that must all hold at one place: a schema with what its references and allOf bring along,
// and with one chosen branch of each anyOf and oneOf.
struct Conjunction {
  Schemas schemas;          // in the order in which they were met
  Schemas chosen;           // keywords with branches of which one is among the schemas
  Schema origin = nullptr;  // the one that all others belong to, if there is one
};

class SchemaRules {
 public:
  struct Pending {
    Conjunction conjunction;
    int32_t rule = 0;
  };

  explicit SchemaRules(const SchemaContext& context) : context_(context) {}

  Result<int32_t> rule_of(Conjunction c);
  Result<int32_t> rule_of(Schemas schemas);
  // A rule that was handed out and is still to be built; nothing when all are.
  std::optional<Pending> take();

 private:
  const SchemaContext& context_;
  std::map<std::pair<Schemas, std::pair<Schemas, Schema>>, int32_t> rules_;
  std::deque<Pending> pending_;
};

}  // namespace autoglm::grammar
