// JSON Schema keyword by keyword, on texts; the published suites are in tests/grammar.
#include <gmock/gmock.h>

#include "base/json.h"
#include "text/grammar/testing/grammars.h"

namespace autoglm::grammar {
namespace {

using testing::HasSubstr;

void check(const std::string& schema, const std::vector<std::string>& taken,
           const std::vector<std::string>& not_taken) {
  const Program program = compiled(Kind::kJson, schema);
  for (const std::string& text : taken)
    EXPECT_TRUE(takes(program, text)) << schema << " : " << text;
  for (const std::string& text : not_taken) {
    EXPECT_FALSE(takes(program, text)) << schema << " : " << text;
  }
}

TEST(JsonSchema, PropertiesComeInTheirOrderAndOthersAfterThem) {
  const std::string open = R"({"type": "object", "properties": {"a": {"type": "integer"},
      "b": {"type": "string"}}, "required": ["b"]})";
  check(open,
        {R"({"a": 1, "b": "x"})", R"({"b":"x"})", R"({"b": "x", "c": [null]})",
         R"({ "a": 1, "b": "\u00e9" })"},
        {R"({"a": 1})", R"({"b": 1})", R"({"b": "x", "a": 1})", "{}", R"({"b": "x",})",
         R"({"c": 1, "b": "x"})"});
  check(R"({"type": "object", "properties": {"a": true}, "additionalProperties": false})",
        {"{}", R"({"a": {}})"}, {R"({"b": 1})", R"({"a": 1, "b": 1})"});
  check(R"({"type": "object", "additionalProperties": {"type": "boolean"}})",
        {"{}", R"({"x": true, "y": false})"}, {R"({"x": 1})"});
  // Another key is not a declared one in other spelling.
  check(R"({"type": "object", "properties": {"ab": {"type": "null"}}})",
        {R"({"a": 1, "abc": 2, "": 3})"}, {R"({"ab": 1})", R"({"a\u0062": 1})"});
}

// Texts of JSON without white space, as tokens, and what may stand between each two of them.
struct Spaced {
  std::string schema, tokens;  // separated by "~"
};
const std::vector<Spaced>& spaced() {
  static const std::vector<Spaced> kSpaced = {
      {"true", R"({~"a"~:~[~1~,~{~}~,~[~]~]~,~"b"~:~{~"c"~:~null~}~})"},
      {R"({"type": "object"})", R"({~"a"~:~1~,~"b"~:~[~2~,~3~]~})"},
      {R"({"properties": {"a": {"type": "array", "items": {"type": "integer"}}, "b": {"const": 1}},
           "required": ["a"], "type": "object"})",
       R"({~"a"~:~[~1~,~22~]~,~"b"~:~1~,~"other"~:~{~}~})"},
      {R"({"enum": [{"a": [1, 2], "b": {}}]})", R"({~"a"~:~[~1~,~2~]~,~"b"~:~{~}~})"},
      {R"({"type": "array", "items": {"type": "object", "maxProperties": 2}, "maxItems": 3})",
       R"([~{~"x"~:~1~,~"y"~:~2~}~,~{~"x"~:~1~}~])"},
  };
  return kSpaced;
}
std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == '~') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}
std::string joined(const std::vector<std::string>& tokens, size_t place, std::string_view space) {
  std::string text;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (i == place) text += space;
    text += tokens[i];
  }
  return text;
}

TEST(JsonSchema, WhiteSpaceIsOneSpaceWhereReadersExpectIt) {
  for (const Spaced& one : spaced()) {
    const Program program = compiled(Kind::kJson, one.schema);
    const std::vector<std::string> tokens = split(one.tokens);
    std::string longest;
    for (size_t i = 0; i < tokens.size(); ++i) {
      const std::string before = i == 0 ? "" : tokens[i - 1];
      const bool allowed =
          before == "," || before == ":" || before == "{" || (i > 0 && tokens[i] == "}");
      EXPECT_EQ(takes(program, joined(tokens, i, " ")), allowed) << joined(tokens, i, " ");
      for (const char* space : {"  ", "\n", "\t", "\r"}) {
        EXPECT_FALSE(takes(program, joined(tokens, i, space))) << joined(tokens, i, space);
      }
      longest += (allowed ? " " : "") + tokens[i];
    }
    EXPECT_TRUE(takes(program, longest)) << longest;
    const size_t shortest = joined(tokens, 0, "").size();
    EXPECT_LE(static_cast<double>(longest.size()), 1.5 * static_cast<double>(shortest)) << longest;
  }
}

TEST(JsonSchema, WhiteSpaceIsWhatARequestSays) {
  for (const Spaced& one : spaced()) {
    const std::vector<std::string> tokens = split(one.tokens);
    const auto none =
        compile_program({.kind = Kind::kJson, .text = one.schema, .disable_any_whitespace = true});
    ASSERT_TRUE(none);
    const Program any = compiled(Kind::kJson, one.schema, "[ \\n]{0,5}");
    EXPECT_TRUE(takes(*none, joined(tokens, 0, "")));
    for (size_t i = 1; i < tokens.size(); ++i) {
      EXPECT_FALSE(takes(*none, joined(tokens, i, " "))) << joined(tokens, i, " ");
      EXPECT_TRUE(takes(any, joined(tokens, i, "\n    "))) << joined(tokens, i, "\n    ");
      EXPECT_FALSE(takes(any, joined(tokens, i, "\t"))) << joined(tokens, i, "\t");
    }
  }
  const auto refused =
      compile_program({.kind = Kind::kJsonObject, .whitespace_pattern = "[ x]*", .field = "field"});
  EXPECT_FALSE(refused);
}

TEST(JsonSchema, AdditionalPropertiesMayBeDisabled) {
  const auto closed = compile_program(
      {.kind = Kind::kJson,
       .text = R"({"type": "object", "properties": {"a": {"type": "object", "properties": {}},
                   "b": {"type": "object"}}})",
       .disable_additional_properties = true});
  ASSERT_TRUE(closed);
  EXPECT_TRUE(takes(*closed, R"({"a": {}, "b": {"x": 1}})"));
  EXPECT_FALSE(takes(*closed, R"({"c": 1})"));
  EXPECT_FALSE(takes(*closed, R"({"a": {"x": 1}})"));
}

// What begins alike is in one place, however many there are.
TEST(Choices, TenThousandWithACommonBeginning) {
  std::vector<std::string> choices;
  for (int i = 0; i < 10'000; ++i) choices.push_back("common/" + std::to_string(i * 7) + "/end");
  json::array values;
  for (const std::string& choice : choices) values.emplace_back(choice);
  std::string alternatives;
  for (const std::string& choice : choices) {
    alternatives += (alternatives.empty() ? "" : "|") + choice;
  }
  const Program programs[] = {
      *compile_program({.kind = Kind::kChoice, .choices = choices}),
      compiled(Kind::kRegex, alternatives),
      compiled(Kind::kJson, boost::json::serialize(json::object{{"enum", values}}))};
  for (const Program& program : programs) {
    const std::string quote = &program == &programs[2] ? "\"" : "";
    for (int i = 0; i < 10'000; i += 97) {
      const std::string& choice = choices[static_cast<size_t>(i)];
      EXPECT_TRUE(takes(program, quote + choice + quote)) << choice;
      EXPECT_FALSE(takes(program, quote + choice + "x" + quote)) << choice;
    }
    EXPECT_FALSE(takes(program, quote + "common/1/end" + quote));
  }
  // One that is the beginning of another, the same twice, and none at all.
  const auto nested =
      compile_program({.kind = Kind::kChoice, .choices = {"ab", "", "a", "ab", "abc", "b"}});
  ASSERT_TRUE(nested);
  for (const char* text : {"", "a", "ab", "abc", "b"}) EXPECT_TRUE(takes(*nested, text)) << text;
  for (const char* text : {"abcd", "bc", "c"}) EXPECT_FALSE(takes(*nested, text)) << text;
  const Program sequences = compiled(Kind::kRegex, "abc[0-9]|abd|ab(x|y)z|abc");
  for (const char* text : {"abc", "abc5", "abd", "abxz", "abyz"}) {
    EXPECT_TRUE(takes(sequences, text)) << text;
  }
  for (const char* text : {"ab", "abd5", "abx", "abz"}) EXPECT_FALSE(takes(sequences, text));
}

TEST(JsonSchema, KeysByPatternNameAndNumber) {
  check(
      R"({"type": "object", "patternProperties": {"^x": {"type": "integer"}, "y$": {"minimum": 5}},
           "additionalProperties": false})",
      {R"({"x1": 1})", R"({"ay": "text"})", R"({"xy": 7})"},
      {R"({"x1": "1"})", R"({"xy": 1})", R"({"b": 1})"});
  check(R"({"type": "object", "propertyNames": {"pattern": "^[a-c]+$", "maxLength": 2}})",
        {"{}", R"({"ab": 1})"}, {R"({"d": 1})", R"({"abc": 1})"});
  check(R"({"type": "object", "maxProperties": 2, "minProperties": 1})",
        {R"({"a": 1})", R"({"a": 1, "b": 2})"}, {"{}", R"({"a": 1, "b": 2, "c": 3})"});
  check(R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "minProperties": 2,
           "additionalProperties": false})",
        {R"({"a": 1, "c": 2})"}, {R"({"b": 1})"});
}

TEST(JsonSchema, NumbersInRangesAndMultiples) {
  check(R"({"type": "integer", "minimum": -123, "maximum": 42})",
        {"-123", "-122", "-13", "-2", "0", "5", "39", "42"},
        {"-124", "-1123", "43", "123", "-0", "00", "1.0", "1e1"});
  check(R"({"type": "number", "minimum": 0.5, "exclusiveMaximum": 10.25})",
        {"0.5", "0.50", "1", "9.99", "10.2499", "10"},
        {"0.49", "10.25", "10.250", "-1", "0", "11"});
  check(R"({"type": "number", "exclusiveMinimum": -1.5, "maximum": 0})",
        {"-1.49", "-1", "0", "0.0", "-0.001"}, {"-1.5", "-1.50", "0.01", "-2", "-0"});
  check(R"({"type": "integer", "multipleOf": 7})", {"0", "7", "-14", "700"}, {"1", "8", "-13"});
  check(R"({"type": "number", "multipleOf": 0.25})", {"0.25", "1.5", "2", "-0.750"},
        {"0.2", "1.333", "0.125"});
  check(R"({"type": "integer", "minimum": 100000000000000000000})", {"100000000000000000000"},
        {"99999999999999999999"});
}

TEST(JsonSchema, StringsByLengthPatternAndFormat) {
  check(R"({"type": "string", "minLength": 2, "maxLength": 3})",
        {R"("ab")", R"("éé€")", R"("\n\u00e9")", R"("\ud83d\ude00a")"},
        {R"("a")", R"("abcd")", R"("\ud83d")"});
  check(R"({"type": "string", "pattern": "^[a-z]+\"$"})", {R"("ab\"")"}, {R"("ab")", R"("A\"")"});
  check(R"({"type": "string", "pattern": "b"})", {R"("abc")"}, {R"("ac")"});
  check(R"({"type": "string", "pattern": "^a*$", "maxLength": 3})", {R"("aaa")"}, {R"("aaaa")"});
  check(R"({"type": "string", "format": "date"})", {R"("2024-02-29")"}, {R"("2023-02-29")"});
  check(R"({"type": "string", "format": "ipv6"})", {R"("::1")", R"("fe80::1:2")"}, {R"("1:2")"});
}

TEST(JsonSchema, ArraysOfPrefixItemsAndNumber) {
  check(R"({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3})",
        {"[1,2]", "[1, 2, 3]"}, {"[]", "[1]", "[1,2,3,4]", "[1,\"a\"]"});
  check(
      R"({"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}], "items": false})",
      {"[]", R"(["a"])", R"(["a", null])"}, {"[1]", R"(["a", null, 1])"});
  check(R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]", "[ ]"});
}

TEST(JsonSchema, ValuesListed) {
  check(R"({"enum": ["a\"b", 1, null, {"k": [true]}]})",
        {R"("a\"b")", "1", "null", R"({"k": [true]})"}, {"\"a\"", "2", R"({"k":[false]})"});
  check(R"({"enum": ["aa", "b", 3], "type": "string", "maxLength": 1})", {R"("b")"},
        {R"("aa")", "3"});
  check(R"({"const": 1.5})", {"1.5"}, {"1", "1.50"});
}

TEST(JsonSchema, Combinations) {
  check(R"({"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 1}]})", {"5", R"("a")"},
        {R"("ab")", "null"});
  check(R"({"allOf": [{"properties": {"a": {"minimum": 3}}}, {"properties": {"a": {"maximum": 5}}}],
           "type": "object", "properties": {"a": {"type": "integer"}}})",
        {R"({"a": 4})"}, {R"({"a": 2})", R"({"a": 6})"});
  check(
      R"({"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "x": {"type": "null"}},
           "required": ["kind"]}, {"type": "object", "properties": {"kind": {"const": "b"}},
           "required": ["kind"]}]})",
      {R"({"kind": "a", "x": null})", R"({"kind": "b", "x": 1})"}, {R"({"kind": "a", "x": 1})"});
  check(R"({"type": ["string", "null"]})", {"null", R"("x")"}, {"1"});
  check(
      R"({"type": "object", "properties": {"a": {}, "b": {}}, "dependentRequired": {"a": ["b"]}})",
      {"{}", R"({"b": 1})", R"({"a": 1, "b": 1})"}, {R"({"a": 1})"});
  check(R"({"not": {"type": "object"}})", {"1", "[]"}, {"{}"});
}

TEST(JsonSchema, WhatIsNegatedIsNotWritten) {
  check(R"({"type": "string", "not": {"pattern": "a"}})", {R"("b")", R"("")"}, {R"("bab")"});
  check(R"({"type": "string", "not": {"enum": ["a", "b"]}})", {R"("c")", R"("ab")"},
        {R"("a")", R"("b")"});
  check(R"({"type": "number", "not": {"const": 1.5}})", {"1", "1.55", "-1.5"}, {"1.5", "1.50"});
  check(R"({"type": "integer", "minimum": 0, "not": {"enum": [3, 4.0]}})", {"2", "34"},
        {"3", "4", "4.0"});
  check(R"({"type": ["null", "boolean"], "not": {"enum": [null, true]}})", {"false"},
        {"null", "true"});
  check(R"({"type": "number", "not": {"minimum": 2, "maximum": 5}})", {"1", "6"}, {"2", "5", "3"});
  check(R"({"type": "string", "not": {"anyOf": [{"maxLength": 1}, {"minLength": 4}]}})",
        {R"("ab")", R"("abc")"}, {R"("a")", R"("abcd")"});
  check(R"({"enum": [{"a": "x"}, {"a": "y"}], "not": {"properties": {"a": {"pattern": "x"}},
           "required": ["a"]}})",
        {R"({"a": "y"})"}, {R"({"a": "x"})"});
  check(R"({"not": {"not": {"type": "integer"}}})", {"1"}, {"1.5", "{}"});
}

TEST(JsonSchema, OneOfTakesWhatExactlyOneAlternativeTakes) {
  check(R"({"type": "integer", "oneOf": [{"minimum": 1}, {"maximum": 5}]})", {"0", "6"},
        {"1", "3", "5"});
  check(R"({"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]})",
        {R"({"a": 1})", R"({"b": 1})"}, {"{}", R"({"a": 1, "b": 1})"});
}

TEST(JsonSchema, ConditionsDecideWhatFollows) {
  const char* card = R"({"type": "object", "additionalProperties": false,
      "properties": {"pay": {"enum": ["card", "cash"]}, "number": {"type": "integer"}},
      "required": ["pay"],
      "if": {"properties": {"pay": {"const": "card"}}}, "then": {"required": ["number"]},
      "else": {"properties": {"number": false}}})";
  check(card, {R"({"pay": "card", "number": 1})", R"({"pay": "cash"})"},
        {R"({"pay": "card"})", R"({"pay": "cash", "number": 1})"});
  check(R"({"type": "object", "properties": {"a": {}, "b": {}},
           "dependentSchemas": {"a": {"required": ["b"], "properties": {"b": {"type": "null"}}}}})",
        {"{}", R"({"b": 1})", R"({"a": 1, "b": null})"}, {R"({"a": 1})", R"({"a": 1, "b": 1})"});
}

TEST(JsonSchema, ReferencesEvenToThemselves) {
  check(R"({"$ref": "#/$defs/list", "$defs": {"list": {"type": "array", "items": {"$ref": "#"}}}})",
        {"[]", "[[],[[]]]"}, {"[1]"});
  check(R"({"$id": "http://x.org/root.json", "$defs": {"n": {"$id": "n.json", "type": "integer"}},
           "properties": {"a": {"$ref": "n.json"}, "b": {"$ref": "#c"}}, "type": "object",
           "$comment": "", "definitions": {"c": {"$anchor": "c", "type": "null"}}})",
        {R"({"a": 1, "b": null})"}, {R"({"a": "1"})", R"({"b": 1})"});
}

TEST(JsonSchema, OlderDraftsPassOverWhatStandsBesideAReference) {
  const std::string draft_7 = R"({"$schema": "http://json-schema.org/draft-07/schema#", )";
  check(draft_7 + R"("$ref": "#", "unevaluatedProperties": false})", {R"({"a": 1})", "[1]"}, {});
  check(draft_7 + R"("$ref": "#", "unevaluatedItems": false})", {R"({"a": 1})", "[1]"}, {});
  check(draft_7 + R"("$ref": "#/definitions/a", "unevaluatedProperties": false,
                     "definitions": {"a": {"properties": {"b": {"type": "null"}}}}})",
        {R"({"b": null, "c": 1})"}, {R"({"b": 1})"});
}

TEST(JsonSchema, WhatCannotBeEnforcedIsRefusedByKeywordAndPointer) {
  const auto refused = [](const std::string& schema) { return refusal(Kind::kJson, schema); };
  EXPECT_THAT(refused(R"({"properties": {"a/b": {"type": "array", "uniqueItems": true}}})"),
              HasSubstr(R"(keyword "uniqueItems" at #/properties/a~1b/uniqueItems)"));
  EXPECT_THAT(refused(R"({"items": {"if": {"multipleOf": 2}, "then": {"minimum": 1}}})"),
              HasSubstr(R"(keyword "multipleOf" at #/items/if/multipleOf)"));
  EXPECT_THAT(refused(R"({"not": {"const": [1]}})"), HasSubstr("cannot be negated"));
  EXPECT_THAT(refused(R"({"not": {"type": "integer"}})"), HasSubstr("integer"));
  EXPECT_THAT(refused(R"({"not": {"$ref": "#/$defs/a"},
                         "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}]}}})"),
              HasSubstr("too deep"));
  EXPECT_THAT(refused(R"({"contains": {"const": 1}})"), HasSubstr("contains"));
  EXPECT_THAT(refused(R"({"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]})"),
              HasSubstr("alternatives 0 and 1"));
  EXPECT_THAT(refused(R"({"type": "string", "format": "regex"})"), HasSubstr("format"));
  EXPECT_THAT(refused(R"x({"type": "string", "pattern": "(?=a)"})x"), HasSubstr("lookahead"));
  EXPECT_THAT(refused(R"({"$ref": "other.json"})"), HasSubstr("another document"));
  EXPECT_THAT(refused(R"({"$ref": "#/nowhere"})"), HasSubstr("not in the schema"));
  EXPECT_THAT(refused(R"({"type": "strin"})"), HasSubstr(R"(keyword "type" at #/type)"));
  EXPECT_THAT(refused(R"({"type": "string", "minLength": 3, "maxLength": 2})"),
              HasSubstr("no text can satisfy it"));
  EXPECT_THAT(refused("{"), HasSubstr("field"));
  // Keywords that say nothing about validity are no reason.
  EXPECT_EQ(refused(R"({"title": "t", "default": 1, "x-mine": {}, "format": "int32"})"), "");
}

TEST(JsonSchema, RefusesWhatIsBuiltToExplode) {
  // 2^20 combinations of branches.
  std::string all = R"({"allOf": [)";
  for (int i = 0; i < 20; ++i) {
    const std::string name = "p" + std::to_string(i);
    all += std::string(i > 0 ? "," : "") + R"({"anyOf": [{"properties": {")" + name +
           R"(": {"const": 1}}}, {"properties": {")" + name + R"(": {"const": 2}}}]})";
  }
  EXPECT_THAT(refusal(Kind::kJson, all + "]}"), HasSubstr("more than 20000 rules"));
  std::string deep;
  for (int i = 0; i < 500; ++i) deep += R"({"items":)";
  EXPECT_NE(refusal(Kind::kJson, deep + "{}" + std::string(500, '}')), "");
  // A pattern whose table would have 2^20 states, beside a length.
  EXPECT_THAT(refusal(Kind::kJson, R"({"type": "string", "pattern": "a.{20}$", "maxLength": 100})"),
              HasSubstr("at most 8192 states"));
}

}  // namespace
}  // namespace autoglm::grammar
