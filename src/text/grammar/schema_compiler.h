// The compiler behind json_schema.h. Its unit of work is a conjunction: schemas that must all hold
// at one place (a schema with what its $ref and allOf bring along, with one chosen branch of each
// anyOf and oneOf). Each conjunction becomes one rule, found again by its members; since a schema
// has finitely many parts, recursive schemas come to an end.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/result.h"
#include "base/json.h"
#include "text/grammar/builder.h"
#include "text/grammar/decimal_ranges.h"
#include "text/grammar/dfa.h"
#include "text/grammar/json_prelude.h"
#include "text/grammar/schema_index.h"

namespace autoglm::grammar {

using Schema = const json::value*;
using Schemas = std::vector<Schema>;

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

class SchemaCompiler {
 public:
  static constexpr size_t kMaxRules = 20'000;
  static constexpr size_t kMaxDisjointDepth = 8;

  SchemaCompiler(GrammarBuilder& builder, const JsonPrelude& prelude, SchemaIndex& index,
                 std::string_view where)
      : builder_(builder), prelude_(prelude), index_(index), where_(where) {}

  Result<int32_t> run(Schema root);

 private:
  struct Conjunction {
    Schemas schemas;          // in the order in which they were met
    Schemas chosen;           // keywords with branches of which one is among the schemas
    Schema origin = nullptr;  // the one that all others belong to, if there is one
  };
  // What a conjunction comes to, references and allOf followed.
  struct Expanded {
    Schemas schemas;
    bool never = false;
  };
  // Branches of which one must hold.
  struct Disjunction {
    Schema schema = nullptr;
    Schema keyword = nullptr;
    bool exactly_one = false;
    std::vector<Schemas> branches;
  };
  // The keywords of a conjunction that say what objects may be.
  struct KeywordsOfObject;
  struct ObjectRules;
  struct KeyClass;
  struct Lengths {
    int64_t least = 0;
    int64_t most = -1;  // no bound
  };

  // schema_compiler.cc
  Result<int32_t> rule_of(Conjunction c);
  Result<int32_t> rule_of(Schemas schemas);
  Result<void> build(const Conjunction& c, int32_t rule);
  Result<void> build_value(const Expanded& all, const Conjunction& c, int32_t rule);
  Result<void> build_disjunction(const Disjunction& which, const Conjunction& c, int32_t rule);
  Result<Expanded> expand(const Schemas& schemas);
  Result<void> add_implied(Schema schema, Schemas& found);
  // What holds where `what`, the value of a keyword of the schema, does not.
  Result<Schema> negated(Schema schema, std::string_view keyword, const json::value& what);
  void note_negation(const json::value& part, const json::value& schema);
  Result<std::optional<Disjunction>> next_disjunction(const Expanded& all, const Schemas& chosen);
  // Of "if" and of schemas that depend on a property.
  Result<std::optional<Disjunction>> next_condition(Schema schema, const Schemas& chosen);
  Result<unsigned> types(const Expanded& all) const;
  Result<void> refuse_unknown(const Expanded& all, unsigned types, Schema origin) const;
  // Where a keyword asks what was evaluated, since what negations say of members would count.
  Result<void> refuse_negations(const Expanded& all, Schema origin, std::string_view keyword) const;
  Schema made(json::value schema, Schema like);

  // schema_enum.cc
  Result<std::optional<std::vector<const json::value*>>> values(const Expanded& all) const;
  Result<void> build_values(const std::vector<const json::value*>& values, const Expanded& all,
                            unsigned types, int32_t rule);
  void build_text(int32_t from, const json::value& value, int32_t to);
  // The values that negations rule out, and a value's place among some.
  static std::vector<const json::value*> none_of(const Expanded& all);
  static bool is_one_of(const json::value& value, const std::vector<const json::value*>& list);

  // schema_numbers.cc
  Result<void> build_number(const Expanded& all, unsigned types, int32_t rule);
  Result<NumberRange> range_of(const Expanded& all) const;

  // schema_strings.cc
  Result<void> build_string(const Expanded& all, int32_t rule);
  Result<std::vector<ExpressionPtr>> string_expressions(const Expanded& all) const;
  Result<ExpressionPtr> pattern(Schema schema, std::string_view keyword,
                                std::string_view source) const;
  static bool rules_out_strings(const Expanded& all);
  // What negations say of strings, taken from `language`.
  Result<Dfa> without_negated(Dfa language, const Expanded& all) const;
  // What the strings may be; nothing: anything of these lengths.
  Result<std::optional<Dfa>> string_language(const Expanded& all, bool with_lengths);
  Result<Lengths> lengths(const Expanded& all, std::string_view least, std::string_view most) const;

  // schema_arrays.cc
  Result<void> build_array(const Expanded& all, Schema origin, int32_t rule);

  // schema_objects.cc, schema_keys.cc
  Result<void> build_object(const Expanded& all, Schema origin, int32_t rule);
  Result<ObjectRules> object_rules(const Expanded& all, Schema origin);
  Result<void> build_members(const ObjectRules& rules, int32_t rule, const json::value& schema);
  void member(int32_t key_end, int32_t value, int32_t to);
  Result<size_t> pattern_number(ObjectRules& rules, Schema schema, std::string_view source);
  static Schemas schemas_of(const ObjectRules& rules, std::string_view declared,
                            const std::vector<bool>& matched);
  Result<Schemas> schemas_of_key(const ObjectRules& rules, std::string_view key);
  Result<std::vector<KeyClass>> free_keys(const ObjectRules& rules);
  void build_other_keys(const std::vector<std::string>& names, int32_t from, int32_t to);
  void build_other_members(const ObjectRules& rules, const std::vector<KeyClass>& classes,
                           const std::vector<int32_t>& ready, int32_t close, int64_t least,
                           int64_t most);

  // schema_disjoint.cc
  Result<bool> disjoint(const Schemas& a, const Schemas& b, size_t depth);
  Result<bool> disjoint_objects(const Expanded& a, const Expanded& b, size_t depth);
  Result<bool> disjoint_numbers(const Expanded& a, const Expanded& b) const;

  // Pays for what is done on the schema's behalf beside building.
  Result<void> spend(size_t steps) const {
    return builder_.work().charge(static_cast<int64_t>(steps), where_);
  }
  // The number of an optional keyword that counts something.
  Result<std::optional<int64_t>> count(Schema schema, std::string_view keyword) const;
  void space(int32_t from, int32_t to) { add_space(builder_, from, prelude_.space, to); }
  void gap(int32_t from, int32_t to) { add_space(builder_, from, prelude_.gap, to); }
  void gap_at_end(int32_t from, int32_t to) { add_space(builder_, from, prelude_.gap_at_end, to); }
  // A keyword of one of the schemas, for each that has it.
  struct Keyword {
    Schema schema = nullptr;
    const json::value& value;
  };
  static std::vector<Keyword> having(const Expanded& all, std::string_view keyword);

  GrammarBuilder& builder_;
  const JsonPrelude& prelude_;
  SchemaIndex& index_;
  const std::string_view where_;
  std::map<std::pair<Schemas, std::pair<Schemas, Schema>>, int32_t> rules_;
  std::deque<std::pair<Conjunction, int32_t>> pending_;
  std::deque<json::value> made_;
  std::map<std::pair<Schema, std::string>, Schema> implied_;
  std::set<Schema> negations_;  // and all their parts: they evaluate nothing
};

bool equal_values(const json::value& a, const json::value& b);
// The type of a value as bits.
unsigned type_of(const json::value& value);
bool is_keyword_of_annotations(std::string_view keyword);

}  // namespace autoglm::grammar
