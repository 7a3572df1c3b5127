#include "text/grammar/json_prelude.h"

#include <initializer_list>

#include "base/check.h"
#include "text/grammar/dfa.h"
#include "text/grammar/regex_syntax.h"

namespace autoglm::grammar {
namespace {

int32_t rule_of_regex(GrammarBuilder& builder, const char* name, std::string_view source) {
  const int32_t rule = builder.add_rule(name);
  const auto parsed = parse_regex(source, "JSON");
  if (parsed) {
    builder.expression(builder.begin(rule), **parsed, builder.end(rule));
  } else {
    builder.fail(internal_error(parsed.error().message()));
  }
  return rule;
}

// Rules one after the other, texts where there is one.
struct Piece {
  int32_t rule = JsonPrelude::kNothing;
  const char* text = nullptr;
};
void chain(GrammarBuilder& builder, int32_t from, std::initializer_list<Piece> pieces, int32_t to) {
  size_t left = pieces.size();
  for (const Piece& piece : pieces) {
    const int32_t next = --left == 0 ? to : builder.add_node(builder.rule_of(from));
    if (piece.text != nullptr) {
      builder.text(from, piece.text, next);
    } else {
      add_space(builder, from, piece.rule, next);
    }
    from = next;
  }
}

// The first half of a surrogate pair must be followed by the second: alone, either is refused, as
// no text can hold it.
constexpr std::string_view kCharacter =
    R"([^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u([0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|)"
    R"([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))";

Result<void> build_spaces(GrammarBuilder& builder, const StructuredOutput& wish,
                          JsonPrelude& json) {
  if (wish.disable_any_whitespace) return {};
  json.gap = builder.add_rule("space");
  if (!wish.whitespace_pattern) {
    builder.empty(builder.begin(json.gap), builder.end(json.gap));
    builder.text(builder.begin(json.gap), " ", builder.end(json.gap));
    json.gap_at_end = json.gap;
    return {};
  }
  const ExpressionPtr pattern = AGLM_TRY(parse_regex(*wish.whitespace_pattern, wish.field));
  const ExpressionPtr spaces = AGLM_TRY(parse_regex("[ \\t\\r\\n]*", wish.field));
  const Dfa all = AGLM_TRY(Dfa::of(*spaces, wish.field, builder.work()));
  const Dfa own = AGLM_TRY(Dfa::of(*pattern, wish.field, builder.work()));
  if (!AGLM_TRY(Dfa::difference(own, all, wish.field, builder.work())).empty() || own.empty()) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "whitespace_pattern matches what is no white space of JSON",
                 .where = wish.field,
                 .expected = "spaces, tabs, line feeds and carriage returns"};
  }
  builder.expression(builder.begin(json.gap), *pattern, builder.end(json.gap));
  json.space = json.gap;
  return {};
}

}  // namespace

void add_space(GrammarBuilder& builder, int32_t from, int32_t rule, int32_t to) {
  if (rule == JsonPrelude::kNothing) return builder.empty(from, to);
  builder.call(from, rule, to);
}

Result<JsonPrelude> build_json_prelude(GrammarBuilder& builder, const StructuredOutput& wish) {
  JsonPrelude json;
  AGLM_TRY(build_spaces(builder, wish, json));
  json.character = rule_of_regex(builder, "character", kCharacter);
  json.string = rule_of_regex(builder, "string", "\"(" + std::string(kCharacter) + ")*\"");
  json.integer = rule_of_regex(builder, "integer", "-?(0|[1-9][0-9]*)");
  // Exponents of two digits: readers take what is beyond the range of doubles for an error.
  json.number =
      rule_of_regex(builder, "number", R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?)");
  json.object = builder.add_rule("object");
  json.array = builder.add_rule("array");
  json.value = builder.add_rule("value");
  const int32_t space = json.space, gap = json.gap, gap_at_end = json.gap_at_end;

  const int32_t value = builder.begin(json.value), value_end = builder.end(json.value);
  for (const int32_t rule : {json.string, json.number, json.object, json.array}) {
    builder.call(value, rule, value_end);
  }
  for (const char* text : {"true", "false", "null"}) builder.text(value, text, value_end);

  const int32_t array = json.array, array_end = builder.end(array);
  const int32_t first = builder.add_node(array), items = builder.add_node(array);
  chain(builder, builder.begin(array), {{.text = "["}, {.rule = space}}, first);
  builder.text(first, "]", array_end);
  chain(builder, first, {{.rule = json.value}, {.rule = space}}, items);
  chain(builder, items, {{.text = ","}, {.rule = gap}, {.rule = json.value}, {.rule = space}},
        items);
  builder.text(items, "]", array_end);

  const int32_t object = json.object, object_end = builder.end(object);
  const int32_t open = builder.add_node(object), member = builder.add_node(object),
                members = builder.add_node(object);
  chain(builder, builder.begin(object), {{.text = "{"}, {.rule = gap}}, open);
  builder.text(open, "}", object_end);
  builder.empty(open, member);
  chain(builder, member,
        {{.rule = json.string},
         {.rule = space},
         {.text = ":"},
         {.rule = gap},
         {.rule = json.value},
         {.rule = space}},
        members);
  chain(builder, members, {{.text = ","}, {.rule = gap}}, member);
  chain(builder, members, {{.rule = gap_at_end}, {.text = "}"}}, object_end);
  // What is known of the rules holds for all grammars whose white space is the same.
  if (!wish.disable_any_whitespace && !wish.whitespace_pattern) builder.end_prelude();
  return json;
}

}  // namespace autoglm::grammar
