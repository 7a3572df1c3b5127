// The structural tags that hold answers to their tools.
#include "text/tools/call_grammar.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autoglm::tools {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

json::array weather(bool strict) {
  json::array list = json::parse(R"([
        {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object",
          "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
                         "unit": {"type": "string", "enum": ["C", "K"]}},
          "required": ["city"]}}},
        {"type": "function", "function": {"name": "get_time"}}])",
                                 "tools")
                         ->as_array();
  list[0].at("function").as_object()["strict"] = strict;
  return list;
}

std::string tag_of(CallGrammarOptions options, bool strict = false) {
  const Result<CallGrammar> grammar = call_grammar(weather(strict), options);
  if (!grammar) return "ERROR " + grammar.error().message();
  if (grammar->structural_tag.empty()) return grammar->begun;
  return grammar->begun + boost::json::serialize(grammar->structural_tag);
}

TEST(CallGrammar, LeavesFreeAnswersFreeUnlessAToolIsStrict) {
  const CallGrammarOptions free{.format = {.calls = CallFormat::kHermes}};
  EXPECT_EQ(tag_of(free), "");
  const std::string strict = tag_of(free, true);
  EXPECT_THAT(strict, HasSubstr(R"("type":"triggered_tags","triggers":["<tool_call>"])"));
  // The other tool may be called too; its arguments are some object.
  EXPECT_THAT(strict, HasSubstr(R"("json_schema":{"type":"object"})"));
  EXPECT_THAT(strict, HasSubstr(R"("required":["city"])"));
  // Nothing marks the beginning of these calls.
  EXPECT_EQ(tag_of({.format = {.calls = CallFormat::kGlm4}}, true), "");
}

TEST(CallGrammar, RequiresCallsOfAnyToolOrOfOne) {
  const CallGrammarOptions any{.format = {.calls = CallFormat::kHermes}, .required = true};
  EXPECT_THAT(tag_of(any),
              HasSubstr(R"("type":"tags_with_separator","separator":"\n","at_least_one":true)"));
  EXPECT_THAT(tag_of(any), Not(HasSubstr("stop_after_first")));
  EXPECT_THAT(tag_of(any), HasSubstr("get_time"));
  CallGrammarOptions one = any;
  one.name = "get_weather";
  one.parallel = false;
  EXPECT_THAT(tag_of(one), HasSubstr(R"("stop_after_first":true)"));
  EXPECT_THAT(tag_of(one), Not(HasSubstr("get_time")));
  EXPECT_THAT(tag_of({.required = true}), HasSubstr("ERROR tool_choice"));
}

TEST(CallGrammar, AnAnswerMayBeCallsOrAFormWhereTheyCanBeToldApart) {
  CallGrammarOptions options{.format = {.calls = CallFormat::kGlm45},
                             .otherwise = {{"type", "regex"}, {"pattern", "a+"}}};
  const std::string either = tag_of(options);
  EXPECT_THAT(either, HasSubstr(R"({"type":"or","elements":[{"type":"tags_with_separator")"));
  EXPECT_THAT(either, HasSubstr(R"({"type":"regex","pattern":"a+"}])"));
  // Tools that are not strict are called as the model likes.
  EXPECT_THAT(either, HasSubstr(R"("content":{"type":"any_text"},"end":"</tool_call>")"));
  EXPECT_THAT(either, Not(HasSubstr("<arg_key>")));
  EXPECT_THAT(tag_of(options, true), HasSubstr("<arg_key>city</arg_key>"));
  options.tags_are_special = true;
  EXPECT_EQ(tag_of(options), "");
  options.format.calls = CallFormat::kNone;
  options.tags_are_special = false;
  EXPECT_EQ(tag_of(options), "");
}

TEST(CallGrammar, ToolsTakeWhatTheyDeclare) {
  const CallGrammarOptions any{.format = {.calls = CallFormat::kHermes}, .required = true};
  EXPECT_THAT(tag_of(any), HasSubstr(R"("required":["city"],"additionalProperties":false)"));
  EXPECT_THAT(tag_of(any), HasSubstr(R"({"type":"object","additionalProperties":false})"));
  const json::array open = json::parse(R"([{"function": {"name": "f", "parameters": {
      "properties": {"a": {}}, "additionalProperties": {"type": "string"}}}}])",
                                       "tools")
                               ->as_array();
  const auto grammar = call_grammar(open, any);
  ASSERT_TRUE(grammar);
  EXPECT_THAT(boost::json::serialize(grammar->structural_tag),
              HasSubstr(R"("additionalProperties":{"type":"string"})"));
}

TEST(CallGrammar, TextBetweenTagsHasItsLengthAndItsValues) {
  const json::array tools =
      json::parse(R"([{"function": {"name": "f", "parameters": {"properties": {
      "a": {"type": "string", "maxLength": 7}, "b": {"enum": ["x", "y"]}, "c": {"type": "string"}}}}}])",
                  "tools")
          ->as_array();
  const auto grammar =
      call_grammar(tools, {.format = {.calls = CallFormat::kQwenCoder}, .required = true});
  ASSERT_TRUE(grammar);
  const std::string tag = boost::json::serialize(grammar->structural_tag);
  EXPECT_THAT(tag, HasSubstr(R"({"type":"regex","pattern":"[^<]{0,7}"})"));
  EXPECT_THAT(tag, HasSubstr(R"({"type":"const_string","value":"x"})"));
  EXPECT_THAT(tag, HasSubstr(R"("begin":"<parameter=c>\n","content":{"type":"any_text"})"));
}

TEST(CallGrammar, ATagThatIsASpecialTokenIsBegunForTheModel) {
  CallGrammarOptions options{
      .format = {.calls = CallFormat::kMistral}, .required = true, .tags_are_special = true};
  EXPECT_THAT(tag_of(options), testing::StartsWith("[TOOL_CALLS]{"));
  EXPECT_THAT(tag_of(options),
              HasSubstr(R"("begin":"[{\"name\": \"get_weather\", \"arguments\": ")"));
  EXPECT_THAT(tag_of(options), HasSubstr(R"("stop_after_first":true)"));
  options.in_reasoning = true;
  EXPECT_THAT(tag_of(options), testing::StartsWith("</think>[TOOL_CALLS]{"));
}

}  // namespace
}  // namespace autoglm::tools
