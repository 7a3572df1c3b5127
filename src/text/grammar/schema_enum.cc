// "enum" and "const": the texts of the values listed, and which of them satisfy the keywords beside
// the list.
#include "text/grammar/schema_enum.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "text/grammar/json_schema.h"
#include "text/grammar/lazy_automaton.h"

namespace autoglm::grammar {
namespace {

// Keywords that say nothing about what is valid here, or that were dealt with before.
constexpr std::array<std::string_view, 28> kSaysNothing = {"$schema",
                                                           "$id",
                                                           "id",
                                                           "$anchor",
                                                           "$dynamicAnchor",
                                                           "$comment",
                                                           "$defs",
                                                           "title",
                                                           "default",
                                                           "examples",
                                                           "definitions",
                                                           "description",
                                                           "readOnly",
                                                           "example",
                                                           "writeOnly",
                                                           "deprecated",
                                                           "$vocabulary",
                                                           "nullable",
                                                           "type",
                                                           "enum",
                                                           "const",
                                                           "allOf",
                                                           "$ref",
                                                           "anyOf",
                                                           "oneOf",
                                                           "contentEncoding",
                                                           "contentMediaType",
                                                           "contentSchema"};

bool says_nothing(std::string_view name) {
  return std::find(kSaysNothing.begin(), kSaysNothing.end(), name) != kSaysNothing.end();
}

std::string quoted(std::string_view text) {
  return fmt::format("\"{}\"", spelled(text, Spelling::kJsonString));
}

// Of what is no array and no object.
std::string scalar_text(const json::value& value) {
  if (value.is_string()) return quoted(std::string_view(value.get_string()));
  if (value.is_number()) return number_text(value);
  return boost::json::serialize(value);
}

void build_text(const SchemaContext& context, int32_t from, const json::value& value, int32_t to) {
  GrammarBuilder& builder = context.builder;
  const int32_t rule = builder.rule_of(from);
  const auto next_node = [&] { return builder.add_node(rule); };
  if (!value.is_structured()) return builder.text(from, scalar_text(value), to);
  const bool is_object = value.is_object();
  int32_t at = next_node();
  builder.text(from, is_object ? "{" : "[", at);
  bool first = true;
  const auto separate = [&] {
    const int32_t after = next_node();
    if (first && is_object) {
      context.gap(at, after);
    } else if (first) {
      context.space(at, after);
    } else {
      const int32_t before = next_node(), comma = next_node();
      context.space(at, before);
      builder.text(before, ",", comma);
      context.gap(comma, after);
    }
    first = false;
    at = after;
  };
  const auto item = [&](const json::value& inner) {
    const int32_t after = next_node();
    build_text(context, at, inner, after);
    at = after;
  };
  if (is_object) {
    for (const auto& member : value.get_object()) {
      if (builder.failed()) return;
      separate();
      const int32_t key = next_node(), colon = next_node(), before = next_node(),
                    after = next_node();
      builder.text(at, quoted(member.key()), key);
      context.space(key, colon);
      builder.text(colon, ":", before);
      context.gap(before, after);
      at = after;
      item(member.value());
    }
  } else {
    for (const json::value& inner : value.get_array()) {
      if (builder.failed()) return;
      separate();
      item(inner);
    }
  }
  const int32_t last = next_node(), end = next_node();
  context.space(at, last);
  add_space(builder, last, is_object ? context.prelude.gap_at_end : JsonPrelude::kNothing, end);
  builder.text(end, is_object ? "}" : "]", to);
}

// The keywords beside the list that say something by themselves.
json::object without_lists(const json::object& schema) {
  json::object rest;
  for (const auto& member : schema) {
    // What negations and conditions come to is among the schemas.
    const bool followed = member.key() == "not" || member.key() == "if" || member.key() == "then" ||
                          member.key() == "else" || member.key() == "dependentSchemas";
    if (!followed && !says_nothing(member.key())) rest[member.key()] = member.value();
  }
  return rest;
}

// Which values satisfy some schemas, by a grammar of these alone.
class Filter {
 public:
  static Result<Filter> of(const SchemaContext& context, json::array schemas) {
    Filter filter;
    if (schemas.empty()) return filter;
    const json::value alone = json::object{{"allOf", std::move(schemas)}};
    GrammarBuilder builder(context.work());
    const JsonPrelude prelude = AGLM_TRY(build_json_prelude(builder));
    const int32_t root = AGLM_TRY(build_json_schema(builder, prelude, alone, context.where));
    auto finished = builder.finish(root, context.where);
    if (!finished && finished.error().code != ErrorCode::kInvalidArgument) return finished.error();
    filter.nothing_ = !finished;
    if (finished) filter.program_.emplace(std::move(*finished));
    return filter;
  }

  // Pays for each byte: values that do not satisfy the schemas take as long as those that do.
  Result<bool> takes(const SchemaContext& context, const json::value& value) const {
    if (!program_) return !nothing_;
    // Its own text, as build_text() writes it, without white space.
    const std::string text = value.is_number() ? number_text(value) : boost::json::serialize(value);
    LazyAutomaton automaton(*program_);
    int32_t state = automaton.start();
    uint64_t paid = 0;
    for (const char c : text) {
      state = automaton.next(state, static_cast<uint8_t>(c));
      AGLM_TRY(context.spend(kStepsOfComparison + automaton.work() - paid));
      paid = automaton.work();
      if (state == LazyAutomaton::kDead) return false;
      if (state == LazyAutomaton::kTooLarge) return Work::error(context.where);
    }
    return automaton.complete(state);
  }

 private:
  std::optional<Program> program_;  // nothing: there are no schemas, or
  bool nothing_ = false;            // nothing satisfies them
};

}  // namespace

Result<void> build_values(const SchemaContext& context, const Values& values, const Expanded& all,
                          unsigned types, int32_t rule) {
  GrammarBuilder& builder = context.builder;
  json::array others;
  for (const Schema schema : all.schemas) {
    json::object rest = without_lists(schema->get_object());
    if (!rest.empty()) others.push_back(std::move(rest));
  }
  for (const json::value& part : others) {
    // References within would be lost.
    if (boost::json::serialize(part).find("\"$ref\"") == std::string::npos) continue;
    return context.index.unsupported(*all.schemas[0], "enum", "beside keywords with references");
  }
  const Filter filter = AGLM_TRY(Filter::of(context, std::move(others)));
  std::vector<std::string> texts;
  for (const json::value* value : values) {
    if ((type_of(*value) & types) == 0 || !AGLM_TRY(filter.takes(context, *value))) continue;
    if (value->is_structured()) {
      build_text(context, builder.begin(rule), *value, builder.end(rule));
    } else {
      texts.push_back(scalar_text(*value));
    }
  }
  builder.texts(builder.begin(rule), texts, builder.end(rule));
  return {};
}

}  // namespace autoglm::grammar
