// "enum" and "const": the texts of the values listed.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "text/grammar/lazy_automaton.h"
#include "text/grammar/schema_compiler.h"
#include "text/grammar/schema_negation.h"

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

constexpr size_t kStepsOfComparison = 10;  // of two values

std::string number_text(const json::value& value) {
  if (value.is_int64()) return fmt::to_string(value.get_int64());
  if (value.is_uint64()) return fmt::to_string(value.get_uint64());
  const double number = value.get_double();
  if (number == std::floor(number) && std::abs(number) < 1e15) return fmt::format("{:.0f}", number);
  return fmt::format("{}", number);
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

}  // namespace

unsigned type_of(const json::value& value) {
  if (value.is_null()) return kNull;
  if (value.is_bool()) return kBoolean;
  if (value.is_string()) return kString;
  if (value.is_array()) return kArray;
  if (value.is_object()) return kObject;
  if (!value.is_double()) return kInteger;
  return value.get_double() == std::floor(value.get_double()) ? kInteger : kFraction;
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

bool is_keyword_of_annotations(std::string_view keyword) {
  return std::find(kSaysNothing.begin(), kSaysNothing.end(), keyword) != kSaysNothing.end();
}

std::vector<const json::value*> SchemaCompiler::none_of(const Expanded& all) {
  std::vector<const json::value*> values;
  for (const auto& [schema, list] : having(all, kNoneOf)) {
    if (!list.is_array()) continue;
    for (const json::value& value : list.get_array()) values.push_back(&value);
  }
  return values;
}

bool SchemaCompiler::is_one_of(const json::value& value,
                               const std::vector<const json::value*>& list) {
  return std::ranges::any_of(list,
                             [&](const json::value* other) { return equal_values(value, *other); });
}

// Values that every list holds; nothing when there is no list.
Result<std::optional<std::vector<const json::value*>>> SchemaCompiler::values(
    const Expanded& all) const {
  std::optional<std::vector<const json::value*>> result;
  const auto restrict_to = [&](std::vector<const json::value*> list) -> Result<void> {
    if (!result) {
      result = std::move(list);
      return {};
    }
    AGLM_TRY(spend(kStepsOfComparison * result->size() * list.size()));
    std::erase_if(*result, [&](const json::value* value) { return !is_one_of(*value, list); });
    return {};
  };
  for (const auto& [schema, list] : having(all, "enum")) {
    if (!list.is_array() || list.get_array().empty()) {
      return index_.invalid(*schema, "enum", "must be a list of values");
    }
    std::vector<const json::value*> pointers;
    for (const json::value& value : list.get_array()) pointers.push_back(&value);
    AGLM_TRY(restrict_to(std::move(pointers)));
  }
  for (const auto& [schema, value] : having(all, "const")) {
    AGLM_TRY(restrict_to({&value}));
  }
  if (result) {
    const auto none = none_of(all);
    AGLM_TRY(spend(kStepsOfComparison * result->size() * none.size()));
    std::erase_if(*result, [&](const json::value* value) { return is_one_of(*value, none); });
  }
  return result;
}

// Other keywords beside the list: the values are tried on a grammar of these alone.
Result<void> SchemaCompiler::build_values(const std::vector<const json::value*>& values,
                                          const Expanded& all, unsigned types, int32_t rule) {
  json::array others;
  for (const Schema schema : all.schemas) {
    json::object rest;
    for (const auto& member : schema->get_object()) {
      // What negations and conditions come to is among the schemas.
      const bool followed = member.key() == "not" || member.key() == "if" ||
                            member.key() == "then" || member.key() == "else" ||
                            member.key() == "dependentSchemas";
      if (!followed && !is_keyword_of_annotations(member.key())) {
        rest[member.key()] = member.value();
      }
    }
    if (!rest.empty()) others.push_back(std::move(rest));
  }
  const json::value alone = json::object{{"allOf", others}};
  std::optional<Program> program;
  if (!others.empty()) {
    // References within would be lost.
    for (const json::value& part : others) {
      if (boost::json::serialize(part).find("\"$ref\"") == std::string::npos) continue;
      return index_.unsupported(*all.schemas[0], "enum", "beside keywords with references");
    }
    GrammarBuilder builder(builder_.work());
    const JsonPrelude prelude = AGLM_TRY(build_json_prelude(builder));
    SchemaIndex index = AGLM_TRY(SchemaIndex::of(alone, where_));
    const int32_t root = AGLM_TRY(SchemaCompiler(builder, prelude, index, where_).run(&alone));
    auto finished = builder.finish(root, where_);
    if (!finished && finished.error().code != ErrorCode::kInvalidArgument) return finished.error();
    if (!finished) return {};  // nothing satisfies them
    program.emplace(std::move(*finished));
  }
  std::vector<std::string> texts;
  for (const json::value* value : values) {
    if ((type_of(*value) & types) == 0) continue;
    if (program) {
      // Its own text, as build_text() writes it, without white space.
      LazyAutomaton automaton(*program);
      const std::string text = boost::json::serialize(*value);
      int32_t state = automaton.start();
      for (const char c : text) state = automaton.next(state, static_cast<uint8_t>(c));
      if (!value->is_number() && !automaton.complete(state)) continue;
      if (value->is_number()) {
        state = automaton.start();
        for (const char c : number_text(*value)) {
          state = automaton.next(state, static_cast<uint8_t>(c));
        }
        if (!automaton.complete(state)) continue;
      }
      AGLM_TRY(spend(kStepsOfComparison * text.size() + automaton.work()));
    }
    if (value->is_structured()) {
      build_text(builder_.begin(rule), *value, builder_.end(rule));
    } else {
      texts.push_back(scalar_text(*value));
    }
  }
  builder_.texts(builder_.begin(rule), texts, builder_.end(rule));
  return {};
}

void SchemaCompiler::build_text(int32_t from, const json::value& value, int32_t to) {
  const int32_t rule = builder_.rule_of(from);
  const auto next_node = [&] { return builder_.add_node(rule); };
  if (!value.is_structured()) return builder_.text(from, scalar_text(value), to);
  const bool is_object = value.is_object();
  int32_t at = next_node();
  builder_.text(from, is_object ? "{" : "[", at);
  bool first = true;
  const auto separate = [&] {
    const int32_t after = next_node();
    if (first && is_object) {
      gap(at, after);
    } else if (first) {
      space(at, after);
    } else {
      const int32_t before = next_node(), comma = next_node();
      space(at, before);
      builder_.text(before, ",", comma);
      gap(comma, after);
    }
    first = false;
    at = after;
  };
  const auto item = [&](const json::value& inner) {
    const int32_t after = next_node();
    build_text(at, inner, after);
    at = after;
  };
  if (is_object) {
    for (const auto& member : value.get_object()) {
      if (builder_.failed()) return;
      separate();
      const int32_t key = next_node(), colon = next_node(), before = next_node(),
                    after = next_node();
      builder_.text(at, quoted(member.key()), key);
      space(key, colon);
      builder_.text(colon, ":", before);
      gap(before, after);
      at = after;
      item(member.value());
    }
  } else {
    for (const json::value& inner : value.get_array()) {
      if (builder_.failed()) return;
      separate();
      item(inner);
    }
  }
  const int32_t last = next_node(), end = next_node();
  space(at, last);
  add_space(builder_, last, is_object ? prelude_.gap_at_end : JsonPrelude::kNothing, end);
  builder_.text(end, is_object ? "}" : "]", to);
}

}  // namespace autoglm::grammar
