#include "text/grammar/json_prelude.h"

#include <initializer_list>

#include "base/check.h"
#include "text/grammar/regex_syntax.h"

namespace autoglm::grammar {
namespace {

ExpressionPtr regex(std::string_view source) {
  auto parsed = parse_regex(source, "JSON");
  AGLM_CHECK(parsed.has_value(), "{}", parsed.error().message());
  return std::move(*parsed);
}

int32_t rule_of_regex(GrammarBuilder& builder, const char* name, std::string_view source) {
  const int32_t rule = builder.add_rule(name);
  builder.expression(builder.begin(rule), *regex(source), builder.end(rule));
  return rule;
}

// Rules one after the other, texts where `rule` is -1.
struct Piece {
  int32_t rule = -1;
  const char* text = "";
};
void chain(GrammarBuilder& builder, int32_t from, std::initializer_list<Piece> pieces, int32_t to) {
  size_t left = pieces.size();
  for (const Piece& piece : pieces) {
    const int32_t next = --left == 0 ? to : builder.add_node(builder.rule_of(from));
    if (piece.rule >= 0) {
      builder.call(from, piece.rule, next);
    } else {
      builder.text(from, piece.text, next);
    }
    from = next;
  }
}

// The first half of a surrogate pair must be followed by the second: alone, either is refused, as
// no text can hold it.
constexpr std::string_view kCharacter =
    R"([^"\\\u0000-\u001f]|\\["\\/bfnrt]|\\u([0-9a-cefA-CEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}|)"
    R"([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}))";

}  // namespace

JsonPrelude build_json_prelude(GrammarBuilder& builder) {
  JsonPrelude json;
  json.space = builder.add_rule("space");
  ByteSet spaces;
  for (const char c : {' ', '\t', '\n', '\r'}) spaces.set(static_cast<size_t>(c));
  builder.repeated_bytes(builder.begin(json.space), spaces, 0, kMaxJsonSpaces,
                         builder.end(json.space));
  json.character = rule_of_regex(builder, "character", kCharacter);
  json.string = rule_of_regex(builder, "string", "\"(" + std::string(kCharacter) + ")*\"");
  json.integer = rule_of_regex(builder, "integer", "-?(0|[1-9][0-9]*)");
  json.number =
      rule_of_regex(builder, "number", R"(-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?)");
  json.object = builder.add_rule("object");
  json.array = builder.add_rule("array");
  json.value = builder.add_rule("value");
  const int32_t space = json.space;

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
  chain(builder, items, {{.text = ","}, {.rule = space}, {.rule = json.value}, {.rule = space}},
        items);
  builder.text(items, "]", array_end);

  const int32_t object = json.object, object_end = builder.end(object);
  const int32_t open = builder.add_node(object), member = builder.add_node(object),
                members = builder.add_node(object);
  chain(builder, builder.begin(object), {{.text = "{"}, {.rule = space}}, open);
  builder.text(open, "}", object_end);
  builder.empty(open, member);
  chain(builder, member,
        {{.rule = json.string},
         {.rule = space},
         {.text = ":"},
         {.rule = space},
         {.rule = json.value},
         {.rule = space}},
        members);
  chain(builder, members, {{.text = ","}, {.rule = space}}, member);
  builder.text(members, "}", object_end);
  builder.end_prelude();
  return json;
}

}  // namespace autoglm::grammar
