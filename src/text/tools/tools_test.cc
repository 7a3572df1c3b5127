// Answers as models write them, in every format, whole and in pieces; broken ones; and what the
// models' own templates write for a call must read back as that call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "base/files.h"
#include "base/utf8.h"
#include "support/shared_data.h"
#include "text/chat_template.h"
#include "text/tools/json_scanner.h"
#include "text/tools/output_parser.h"
#include "text/tools/python_literal.h"

namespace autoglm::tools {
namespace {

using ::testing::HasSubstr;

json::array weather_tools() {
  return json::parse(R"([
    {"type": "function", "function": {"name": "get_weather", "description": "d",
      "parameters": {"type": "object",
      "properties": {"city": {"type": "string"}, "days": {"type": "integer"},
                     "deep": {"type": "object", "properties": {}},
                     "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
                     "text": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "get_time", "description": "d",
      "parameters": {"type": "object", "properties": {}}}}])",
                     "tools")
      ->as_array();
}

struct Call {
  std::string name, arguments;
  bool operator==(const Call&) const = default;
};

struct Read {
  std::string content, reasoning;
  std::vector<Call> calls;
  bool operator==(const Read&) const = default;
};

void take(const std::vector<AnswerDelta>& deltas, Read& read) {
  for (const AnswerDelta& delta : deltas) {
    switch (delta.kind) {
      case AnswerDelta::Kind::kContent: read.content += delta.text; break;
      case AnswerDelta::Kind::kReasoning: read.reasoning += delta.text; break;
      case AnswerDelta::Kind::kCall:
        EXPECT_EQ(delta.call, std::ssize(read.calls));
        read.calls.push_back({delta.text, ""});
        break;
      case AnswerDelta::Kind::kArguments:
        ASSERT_EQ(delta.call, std::ssize(read.calls) - 1);
        read.calls.back().arguments += delta.text;
        break;
    }
  }
}

std::ostream& operator<<(std::ostream& out, const Read& read) {
  out << "content {" << read.content << "} reasoning {" << read.reasoning << "}";
  for (const Call& call : read.calls) out << " " << call.name << "(" << call.arguments << ")";
  return out;
}

const ToolCatalog& catalog() {
  static const ToolCatalog kCatalog(weather_tools());
  return kCatalog;
}

Read read_pieces(const OutputParserOptions& options, const std::vector<std::string>& pieces,
                 AnswerEnd end) {
  OutputParser parser(options, catalog());
  Read read;
  for (const std::string& piece : pieces) take(parser.push(piece), read);
  take(parser.finish(end), read);
  if (end == AnswerEnd::kTurn) {
    EXPECT_TRUE(parser.calls_are_whole());
    for (const Call& call : read.calls) {
      const auto arguments = json::parse(call.arguments, "arguments");
      EXPECT_TRUE(arguments && arguments->is_object()) << read;
    }
  }
  return read;
}

// Reads `text` whole, and again in many random splits, which must not matter.
Read read(const OutputParserOptions& options, const std::string& text,
          AnswerEnd end = AnswerEnd::kTurn) {
  const Read whole = read_pieces(options, {text}, end);
  std::mt19937 random(1);
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> pieces;
    for (size_t at = 0; at < text.size();) {
      const size_t n = 1 + random() % (round < 10 ? 1 : 12);
      pieces.push_back(text.substr(at, n));
      at += n;
    }
    EXPECT_EQ(read_pieces(options, pieces, end), whole);
  }
  return whole;
}

Read read(CallFormat format, const std::string& text, AnswerEnd end = AnswerEnd::kTurn) {
  return read({.format = {.calls = format, .reasoning = true}}, text, end);
}

Read just(const std::string& content) { return {.content = content}; }

TEST(Hermes, CallsBetweenTexts) {
  EXPECT_EQ(read(CallFormat::kHermes,
                 "<think>\nhm\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"get_weather\", "
                 "\"arguments\": {\"city\": \"Paris\", \"days\": 2}}\n</tool_call>\n<tool_call>\n"
                 "{\"arguments\": {\"b\": [1]}, \"name\": \"other\"}\n</tool_call>"),
            (Read{.content = "I look.",
                  .reasoning = "hm",
                  .calls = {{"get_weather", R"({"city": "Paris", "days": 2})"},
                            {"other", R"({"b": [1]})"}}}));
}

TEST(Hermes, ArgumentsMayBeAbsentNullOrAText) {
  EXPECT_EQ(read(CallFormat::kHermes, R"(<tool_call>{"name": "get_time"}</tool_call>)").calls,
            (std::vector<Call>{{"get_time", "{}"}}));
  EXPECT_EQ(
      read(CallFormat::kHermes, R"(<tool_call>{"name": "get_time", "arguments": null}</tool_call>)")
          .calls,
      (std::vector<Call>{{"get_time", "{}"}}));
  EXPECT_EQ(read(CallFormat::kHermes,
                 R"(<tool_call>{"name": "get_time", "arguments": "{\"a\": 1}"}</tool_call>)")
                .calls,
            (std::vector<Call>{{"get_time", R"({"a": 1})"}}));
}

TEST(Hermes, WhatIsNoCallIsContentToTheLastByte) {
  for (const std::string text :
       {"<tool_call>\n{\"name\": 5}\n</tool_call>", "<tool_call> no JSON </tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call>", "a < b <tool_cal", "<tool_call>",
        "<tool_call>{\"name\": \"x\", \"argum", "<tool_call>{\"name\": \"\"}", " ", "\n\n",
        "text with a tail\n\n", "<<tool_call><tool_call>", "</tool_call>",
        "<tool_call>{\"name\": \"x\", \"arguments\": \"no object\"}</tool_call>",
        "<tool_call>{\"name\": \"x\", \"arguments\": [1]}</tool_call>"}) {
    EXPECT_EQ(read(CallFormat::kHermes, text), just(text));
  }
}

TEST(Hermes, ACallThatBreaksOffIsClosed) {
  EXPECT_EQ(read(CallFormat::kHermes,
                 "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Pa"),
            (Read{.calls = {{"get_weather", R"({"city": "Pa"})"}}}));
  EXPECT_EQ(read(CallFormat::kHermes,
                 "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Pa",
                 AnswerEnd::kCut),
            (Read{.calls = {{"get_weather", R"({"city": "Pa)"}}}));
  // Bad JSON: the call is closed, the rest is content.
  EXPECT_EQ(read(CallFormat::kHermes,
                 "<tool_call>{\"name\": \"get_weather\", \"arguments\": {\"city\" oops}}"),
            (Read{.content = "\"city\" oops}}", .calls = {{"get_weather", "{}"}}}));
  // A missing end tag is no reason to lose what follows.
  EXPECT_EQ(read(CallFormat::kHermes,
                 "<tool_call>{\"name\": \"get_time\"}<tool_call>{\"name\": "
                 "\"get_time\"} done"),
            (Read{.content = "done", .calls = {{"get_time", "{}"}, {"get_time", "{}"}}}));
}

TEST(Hermes, LineEndsInsideStringsBecomeJson) {
  EXPECT_EQ(read(CallFormat::kHermes,
                 "<tool_call>{\"name\": \"get_weather\", \"arguments\": "
                 "{\"text\": \"a\nb\tc\"}}</tool_call>")
                .calls,
            (std::vector<Call>{{"get_weather", R"({"text": "a\nb\tc"})"}}));
}

TEST(Glm45, TagsBecomeJsonByTheSchema) {
  const std::vector<Call> expected{
      {"get_weather",
       R"({"city": "12", "days": 3, "deep": {"a": [1, null]}, "unit": "kelvin", "other": "no JSON"})"}};
  EXPECT_EQ(read(CallFormat::kGlm45,
                 "<think></think>\n<tool_call>get_weather\n<arg_key>city</arg_key>\n"
                 "<arg_value>12</arg_value>\n<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n"
                 "<arg_key>deep</arg_key>\n<arg_value>{\"a\": [1, null]}</arg_value>\n"
                 "<arg_key>unit</arg_key>\n<arg_value>kelvin</arg_value>\n"
                 "<arg_key>other</arg_key>\n<arg_value>no JSON</arg_value>\n</tool_call>")
                .calls,
            expected);
  EXPECT_EQ(read(CallFormat::kGlm45,
                 "</think><tool_call>get_weather<arg_key>city</arg_key><arg_value>12</arg_value>"
                 "<arg_key>days</arg_key><arg_value>3</arg_value><arg_key>deep</arg_key>"
                 "<arg_value>{\"a\": [1, null]}</arg_value><arg_key>unit</arg_key>"
                 "<arg_value>kelvin</arg_value><arg_key>other</arg_key>"
                 "<arg_value>no JSON</arg_value></tool_call>")
                .calls,
            expected);
}

TEST(Glm45, TextsAreEscapedAndKeptAsTheyAre) {
  const Read found = read(CallFormat::kGlm45,
                          "Look:\n<tool_call>get_weather\n<arg_key>text</arg_key>\n<arg_value> a "
                          "\"quoted\"\n<b>tag</b> \\ 北京 </arg </arg_value>\n</tool_call>\n"
                          "<tool_call>get_time\n</tool_call>\n<tool_call>get_time</tool_call>");
  EXPECT_EQ(found.content, "Look:");
  ASSERT_EQ(found.calls.size(), 3u);
  EXPECT_EQ(json::parse(found.calls[0].arguments, "")->at("text"),
            " a \"quoted\"\n<b>tag</b> \\ 北京 </arg ");
  EXPECT_EQ(found.calls[1], (Call{"get_time", "{}"}));
  EXPECT_EQ(found.calls[2], (Call{"get_time", "{}"}));
}

TEST(Glm45, WhatIsNoCallIsContentToTheLastByte) {
  for (const std::string text :
       {"<tool_call>", "<tool_call>get_weather", "<tool_call>{\"name\": \"x\"}</tool_call>",
        "<tool_call>get_weather\nsome text</tool_call>", "<tool_call>\n\n</tool_call>",
        "<tool_call></tool_call>", "plain", "<arg_key>a</arg_key>", "<tool_call>f<arg_"}) {
    EXPECT_EQ(read(CallFormat::kGlm45, text), just(text));
  }
}

TEST(Glm45, ACallThatBreaksOffIsClosedAndTheRestIsContent) {
  EXPECT_EQ(read(CallFormat::kGlm45,
                 "<tool_call>get_weather\n<arg_key>days</arg_key>\n"
                 "<arg_value>3</arg_value>\nand then?"),
            (Read{.content = "and then?", .calls = {{"get_weather", R"({"days": 3})"}}}));
  EXPECT_EQ(
      read(CallFormat::kGlm45, "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Par"),
      (Read{.calls = {{"get_weather", R"({"city": "Par"})"}}}));
  EXPECT_EQ(
      read(CallFormat::kGlm45, "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Par",
           AnswerEnd::kCut),
      (Read{.calls = {{"get_weather", R"({"city": "Par)"}}}));
}

// Where the schema admits a string, however it says so, a value is what the model wrote.
TEST(Glm45, SchemasSayWhatMayBeATextInManyWays) {
  const json::value root = *json::parse(R"({"$defs": {"Id": {"type": "string"}, "Other": {"$ref":
      "#/$defs/Id"}, "Loop": {"$ref": "#/$defs/Loop"}, "Deep": {"anyOf": [{"$ref": "#/$defs/Other"},
      {"type": "null"}]}}})",
                                        "root");
  struct Case {
    const char* schema;
    bool text, null, structured;
  };
  for (const Case& c : std::vector<Case>{
           {R"({"type": "string"})", true, false, false},
           {R"({"anyOf": [{"type": "string"}, {"type": "null"}]})", true, true, false},
           {R"({"oneOf": [{"type": "string"}, {"type": "null"}]})", true, true, false},
           {R"({"type": ["string", "null"]})", true, true, false},
           {R"({"type": ["null", "integer"]})", false, false, false},
           {R"({"allOf": [{"type": "string"}]})", true, false, false},
           {R"({"allOf": [{"type": ["string", "null"]}, {"type": "string"}]})", true, false, false},
           {R"({"$ref": "#/$defs/Id"})", true, false, false},
           {R"({"$ref": "#/$defs/Other"})", true, false, false},
           {R"({"$ref": "#/$defs/Deep"})", true, true, false},
           {R"({"$ref": "#/$defs/Loop"})", false, false, false},
           {R"({"$ref": "#/$defs/Nowhere"})", false, false, false},
           {R"({"enum": ["a", "b"]})", true, false, false},
           {R"({"enum": ["a", null]})", true, true, false},
           {R"({"enum": [1, 2]})", false, false, false},
           {R"({"const": "a"})", true, false, false},
           {R"({"type": "string", "nullable": true})", true, true, false},
           {R"({"anyOf": [{"type": "string"}, {"type": "array"}]})", true, false, true},
           {R"({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "object"}]})", true,
            false, true},
           {R"({"type": "integer"})", false, false, false},
           {R"({"type": "object"})", false, false, false},
           {"{}", false, false, false},
           {"true", false, false, false},
           {R"({"description": "d"})", false, false, false}}) {
    const ValueKinds kinds = value_kinds(*json::parse(c.schema, "schema"), root);
    EXPECT_EQ(kinds.text, c.text) << c.schema;
    EXPECT_EQ(kinds.null, c.null) << c.schema;
    EXPECT_EQ(kinds.structured, c.structured) << c.schema;
  }
}

TEST(Glm45, UnionsWithAStringKeepWhatTheModelWrote) {
  const json::value tools = *json::parse(R"([{"function": {"name": "find", "parameters": {
      "properties": {"s": {"type": ["string", "null"]}, "u": {"type": ["string", "array"]},
                     "n": {"type": ["integer", "null"]}}}}}])",
                                         "tools");
  const ToolCatalog unions(tools.as_array());
  const auto value = [&](std::string_view name, std::string_view written) {
    OutputParser parser({.format = {.calls = CallFormat::kGlm45}}, unions);
    Read found;
    take(parser.push("<tool_call>find\n<arg_key>" + std::string(name) + "</arg_key><arg_value>" +
                     std::string(written) + "</arg_value></tool_call>"),
         found);
    take(parser.finish(AnswerEnd::kTurn), found);
    return boost::json::serialize(json::parse(found.calls.at(0).arguments, "")->at(name));
  };
  EXPECT_EQ(value("s", "10001"), R"("10001")");
  EXPECT_EQ(value("s", "true"), R"("true")");
  EXPECT_EQ(value("s", "null"), "null");
  EXPECT_EQ(value("s", "nul"), R"("nul")");
  EXPECT_EQ(value("s", "nullify"), R"("nullify")");
  EXPECT_EQ(value("s", "[1]"), R"("[1]")");
  EXPECT_EQ(value("s", ""), R"("")");
  EXPECT_EQ(value("u", "[1]"), "[1]");
  EXPECT_EQ(value("u", "[1"), R"("[1")");
  EXPECT_EQ(value("u", "7"), R"("7")");
  EXPECT_EQ(value("n", "7"), "7");
  EXPECT_EQ(value("n", "null"), "null");
}

// Each format's call, cut after each of its bytes: at the model's own end its arguments are JSON
// (read() looks), at a limit they are the beginning of the whole call's.
TEST(AllFormats, ACallCutAnywhereIsClosedOrLeftAsItCame) {
  const std::vector<std::pair<CallFormat, std::string>> answers = {
      {CallFormat::kGlm45,
       "<tool_call>get_weather\n<arg_key>text</arg_key>\n<arg_value>a \"b\" \\ é</arg_value>\n"
       "<arg_key>deep</arg_key><arg_value>{\"a\": [1, -2.5e3, true, "
       "null]}</arg_value></tool_call>"},
      {CallFormat::kQwenCoder,
       "<tool_call>\n<function=get_weather>\n<parameter=text>\na\n</parameter>\n<parameter=days>\n"
       "12\n</parameter>\n</function>\n</tool_call>"},
      {CallFormat::kHermes,
       R"(<tool_call>{"name": "get_weather", "arguments": {"text": "a\u00e9\"\ud83d\ude00\uD83D\uDE00", )"
       R"("days": -12.5e1, )"
       R"("deep": {"a": [true, {}, []]}}}</tool_call>)"},
      {CallFormat::kLlama3,
       R"({"name": "get_weather", "parameters": {"text": "\ud83d\ude00", "days": 12}})"},
      {CallFormat::kMistral,
       R"([TOOL_CALLS][{"name": "get_weather", "arguments": {"text": "\ud83d\ude00", "deep": [[1]]}}])"},
      {CallFormat::kMistral, R"([TOOL_CALLS]get_weather[ARGS]{"text": "a", "deep": {"a": null}})"},
      {CallFormat::kGlm4,
       "get_weather\n{\"text\": \"\\ud83d\\ude00\", \"deep\": {\"a\": [false]}}"},
      {CallFormat::kChatGlm3,
       "get_weather\n ```python\ntool_call(text='a', deep={'a': [1]})\n```"}};
  for (const auto& [format, answer] : answers) {
    const Read whole = read(format, answer);
    ASSERT_EQ(whole.calls.size(), 1u) << answer;
    for (size_t n = 0; n < answer.size(); ++n) {
      if (is_continuation(answer[n])) continue;
      const std::string begun = answer.substr(0, n);
      read_pieces({.format = {.calls = format}}, {begun}, AnswerEnd::kTurn);
      OutputParser parser({.format = {.calls = format}}, catalog());
      Read cut;
      take(parser.push(begun), cut);
      take(parser.finish(AnswerEnd::kCut), cut);
      if (cut.calls.empty()) continue;
      const bool is_json = json::parse(cut.calls[0].arguments, "").has_value();
      EXPECT_EQ(parser.calls_are_whole(), is_json) << begun;
    }
  }
}

TEST(OpenJson, IsClosedWhereverItBreaksOff) {
  const std::string text =
      R"( {"a": "x\n\u00e9\ud83d\ude00y", "\ud83d\ude00": "\\\ud83d\ude00\"", "b": [1, -2.5E+3, {"c": null}, []], "d": {}, "e": true} )";
  for (size_t n = 0; n <= text.size(); ++n) {
    const auto closed = closed_object(text.substr(0, n));
    ASSERT_TRUE(closed) << text.substr(0, n);
    EXPECT_TRUE(is_json(*closed)) << *closed;
  }
  for (const char* wrong : {"[1", "abc", "{a", "12", "\"x"}) EXPECT_FALSE(closed_object(wrong));
}

TEST(QwenCoder, FunctionsAndParameters) {
  EXPECT_EQ(read(CallFormat::kQwenCoder,
                 "I call.\n\n<tool_call>\n<function=get_weather>\n<parameter=text>\nline 1\n\nline "
                 "3\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>\n"
                 "<tool_call>\n<function=get_time>\n</function>\n</tool_call>"),
            (Read{.content = "I call.",
                  .calls = {{"get_weather", R"({"text": "line 1\n\nline 3", "days": 3})"},
                            {"get_time", "{}"}}}));
  for (const std::string text : {"<tool_call>\n<fun", "<tool_call>get_time</tool_call>",
                                 "<tool_call>\n<function=>\n</function>"}) {
    EXPECT_EQ(read(CallFormat::kQwenCoder, text), just(text));
  }
}

TEST(Llama3, TheAnswerIsTheCall) {
  EXPECT_EQ(read(CallFormat::kLlama3, R"({"name": "get_weather", "parameters": {"city": "Rom"}})"),
            (Read{.calls = {{"get_weather", R"({"city": "Rom"})"}}}));
  EXPECT_EQ(read(CallFormat::kLlama3,
                 "<|python_tag|>{\"type\": \"function\", \"name\": \"get_time\", \"parameters\": "
                 "{}}; {\"name\": \"get_weather\", \"arguments\": {\"days\": 1}}\n"),
            (Read{.calls = {{"get_time", "{}"}, {"get_weather", R"({"days": 1})"}}}));
  for (const std::string text :
       {"{\"name\": \"nobody\", \"parameters\": {}}", "{\"answer\": 42}", "Hello {\"name\"", "{",
        "  text", "<|python_tag|>print(1)", "<|python_", "{\"name\": \"get_time\""}) {
    EXPECT_EQ(read(CallFormat::kLlama3, text), just(text));
  }
}

TEST(Mistral, EveryVersionsForm) {
  EXPECT_EQ(read(CallFormat::kMistral,
                 "[TOOL_CALLS][{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Oslo\"}, "
                 "\"id\": \"abcdefghi\"}, {\"name\": \"get_time\", \"arguments\": {}}]"),
            (Read{.calls = {{"get_weather", R"({"city": "Oslo"})"}, {"get_time", "{}"}}}));
  EXPECT_EQ(read(CallFormat::kMistral,
                 "So.[TOOL_CALLS]get_weather[CALL_ID]abcdefghi[ARGS]{\"city\": \"Oslo\"}"
                 "[TOOL_CALLS]get_time{}"),
            (Read{.content = "So.",
                  .calls = {{"get_weather", R"({"city": "Oslo"})"}, {"get_time", "{}"}}}));
  for (const std::string text :
       {"[TOOL_CALLS]", "[TOOL_CALLS][]", "[TOOL_CALLS][1]", "[TOOL_CALLS]no brace",
        "[TOOL_CALLS]two words{}", "[TOOL_", "[TOOL_CALLS][[{"}) {
    EXPECT_EQ(read(CallFormat::kMistral, text), just(text));
  }
}

TEST(Glm4, ANameOnALineAndItsArguments) {
  EXPECT_EQ(read(CallFormat::kGlm4, "get_weather\n{\"city\": \"北京\", \"days\": 2}"),
            (Read{.calls = {{"get_weather", "{\"city\": \"北京\", \"days\": 2}"}}}));
  EXPECT_EQ(
      read(CallFormat::kGlm4,
           "<think>\nok\n</think>\nget_time\n{}<|assistant|>get_weather \n{\"days\": 1}\n"),
      (Read{.reasoning = "ok", .calls = {{"get_time", "{}"}, {"get_weather", R"({"days": 1})"}}}));
  for (const std::string text :
       {"\nHello, I am GLM", "get_weather", "get_weather\nis a tool", "get_weather is\n{}",
        "unknown\n{}", "get_", "\nget_weather\n{}"}) {
    EXPECT_EQ(read(CallFormat::kGlm4, text), just(text));
  }
  EXPECT_EQ(read(CallFormat::kGlm4, "get_time\n{} done"),
            (Read{.content = " done", .calls = {{"get_time", "{}"}}}));
}

TEST(ChatGlm3, PythonBecomesJson) {
  EXPECT_EQ(read(CallFormat::kChatGlm3,
                 "get_weather\n ```python\ntool_call(city='北\"京', days=2, unit=\"kel\\'vin\", "
                 "deep={'a': [True, None, (1, 2.5)]})\n```"),
            (Read{.calls = {{"get_weather",
                             "{\"city\": \"北\\\"京\", \"days\": 2, \"unit\": "
                             "\"kel'vin\", \"deep\": {\"a\": [true, null, [1, 2.5]]}}"}}}));
  EXPECT_EQ(read(CallFormat::kChatGlm3, "get_time\n ```python\ntool_call()\n```").calls,
            (std::vector<Call>{{"get_time", "{}"}}));
  EXPECT_EQ(read(CallFormat::kChatGlm3, "get_weather\n ```python\ntool_call(days=1, city=oops)\n"),
            (Read{.content = "city=oops)\n", .calls = {{"get_weather", R"({"days": 1})"}}}));
  for (const std::string text : {"\n Hello", "get_weather\n ```python\nprint(1)\n```",
                                 "get_weather\n ```py", "unknown\n ```python\ntool_call()\n```"}) {
    EXPECT_EQ(read(CallFormat::kChatGlm3, text), just(text));
  }
}

TEST(PythonLiteral, IsReadOrRefused) {
  EXPECT_EQ(python_literal_to_json(R"('a\n\x41\u4e2d\q')"), R"("a\n\u0041\u4e2d\\q")");
  EXPECT_EQ(python_literal_to_json(" [1, -2.5e3, 'x',] "), "[1, -2.5e3, \"x\"]");
  EXPECT_EQ(python_literal_to_json("()"), "[]");
  for (const char* wrong : {"", "x", "[1 2]", "'open", "{1: 2}", "{'a' 1}", "1 2", "f(1)", "01",
                            "'\\ud800'", "[", "{'a':}", "\\"}) {
    EXPECT_EQ(python_literal_to_json(wrong), std::nullopt) << wrong;
  }
  EXPECT_EQ(python_literal_to_json(std::string(100000, '[')), std::nullopt);
}

TEST(Reasoning, IsSeparatedWhereTheTemplateKnowsIt) {
  const OutputParserOptions open{.format = {.reasoning = true}, .in_reasoning = true};
  EXPECT_EQ(read(open, "step 1\n\nstep 2\n</think>\n\nanswer\n"),
            (Read{.content = "answer\n", .reasoning = "step 1\n\nstep 2"}));
  EXPECT_EQ(read(open, "<think>\nstep</think>answer"),
            (Read{.content = "answer", .reasoning = "step"}));
  EXPECT_EQ(read(open, "never ends </thi"), (Read{.reasoning = "never ends </thi"}));
  const OutputParserOptions closed{.format = {.reasoning = true}};
  EXPECT_EQ(read(closed, "\n<think>a</think>\n<think>b</think>"),
            (Read{.content = "<think>b</think>", .reasoning = "a"}));
  EXPECT_EQ(read(closed, "\n<think></think>\nok"), just("ok"));
  EXPECT_EQ(read(closed, " <b>no thought</b> "), just(" <b>no thought</b> "));
  EXPECT_EQ(read(closed, "\n <thi"), just("\n <thi"));
  // AutoGLM-Phone's clients read the thoughts in the content.
  EXPECT_EQ(read(OutputParserOptions{}, "<think>a</think><answer>do()"),
            just("<think>a</think><answer>do()"));
}

TEST(CallsFirst, OnlyAnAnswerThatBeginsWithACallHasSome) {
  const std::string call =
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {}}\n</tool_call>";
  const OutputParserOptions options{.format = {.calls = CallFormat::kHermes, .reasoning = true},
                                    .calls_first = true};
  EXPECT_EQ(read(options, call).calls.size(), 1u);
  EXPECT_EQ(read(options, "<think>hm</think>\n" + call).calls.size(), 1u);
  EXPECT_EQ(read(options, call + "\n" + call).calls.size(), 2u);
  EXPECT_EQ(read(options, "[" + call), just("[" + call));
  EXPECT_EQ(read(options, "<tool_case>" + call), just("<tool_case>" + call));
  for (const std::string text : {"", "<", "<tool_call", "{}"}) {
    EXPECT_EQ(read(options, text), just(text));
  }
}

TEST(JsonScanner, AgreesWithAParserOnRandomText) {
  const std::string alphabet = "{}[]\",:\\ntrue1e-.0 au";
  std::mt19937 random(3);
  int n_good = 0;
  for (int round = 0; round < 200000; ++round) {
    std::string text;
    for (size_t i = random() % 9; i > 0; --i) text += alphabet[random() % alphabet.size()];
    // A space ends a number.
    JsonScanner scanner;
    JsonScanner::Step step = JsonScanner::Step::kMore;
    size_t at = 0;
    for (; at <= text.size() && step == JsonScanner::Step::kMore; ++at) {
      step = scanner.feed(at < text.size() ? text[at] : ' ');
    }
    const size_t end = step == JsonScanner::Step::kDoneBefore ? at - 1 : at;
    const bool done = step == JsonScanner::Step::kDone || step == JsonScanner::Step::kDoneBefore;
    const bool scanned =
        done && (end >= text.size() || text.find_first_not_of(' ', end) == std::string::npos);
    EXPECT_EQ(scanned, is_json(text)) << text;
    n_good += scanned ? 1 : 0;
  }
  EXPECT_GT(n_good, 1000);
}

// -- the templates' own words ---------------------------------------------------------------------

json::object question() {
  return json::object{{"messages", json::array{json::object{{"role", "user"}, {"content", "Q"}}}},
                      {"tools", weather_tools()},
                      {"bos_token", "<BOS>"},
                      {"eos_token", "<EOS>"},
                      {"enable_thinking", false}};
}

// What the template writes for an assistant's message, as far as the model would write it.
std::string assistant_text(const std::string& source, json::object message) {
  const ChatTemplate parsed = *ChatTemplate::parse(source, "template");
  json::object context = question();
  context["add_generation_prompt"] = true;
  const Result<std::string> rendered = parsed.render(context);
  if (!rendered) return "ERROR " + rendered.error().message();
  const std::string& prompt = *rendered;
  context["add_generation_prompt"] = false;
  message["role"] = "assistant";
  context["messages"].as_array().push_back(message);
  const Result<std::string> whole = parsed.render(context);
  if (!whole) return "ERROR " + whole.error().message();
  // Templates may end their prompt with what they leave out in history (an empty thought).
  size_t same = 0;
  while (same < prompt.size() && same < whole->size() && prompt[same] == (*whole)[same]) ++same;
  if (const size_t tag = prompt.rfind('<', same - 1); prompt.find('>', tag) >= same) same = tag;
  std::string text = whole->substr(same);
  for (const std::string_view end :
       {"\n", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<EOS>", "</s>"}) {
    while (text.ends_with(end)) text.resize(text.size() - end.size());
  }
  return text;
}

struct TemplateCase {
  std::string file;
  CallFormat format;
  int most_calls;
};

class OwnTemplates : public testing::TestWithParam<TemplateCase> {};

TEST_P(OwnTemplates, WriteCallsThatReadBackAsTheSame) {
  const auto path = shared_data("chat_templates/" + GetParam().file);
  if (!path) GTEST_SKIP() << kNoSharedData;
  const std::string source = *read_file(*path, 1 << 20);
  const OutputFormat format = detect_output_format(source);
  EXPECT_EQ(format.calls, GetParam().format);
  const json::object first =
      json::parse(R"({"city": "北\"京\\", "days": -3, "deep": {"a": [1.5, null, true, "x"]},
                      "text": "line 1\nline <2> & 'so'"})",
                  "")
          ->as_object();
  const std::vector<std::pair<std::string, json::object>> calls = {{"get_weather", first},
                                                                   {"get_time", {}}};
  for (int n = 1; n <= GetParam().most_calls; ++n) {
    json::array list;
    for (int i = 0; i < n; ++i) {
      const auto& [name, arguments] = calls[static_cast<size_t>(i)];
      list.push_back(
          json::object{{"id", "abcdefghi"},
                       {"type", "function"},
                       {"function", json::object{{"name", name}, {"arguments", arguments}}}});
    }
    const std::string text = assistant_text(source, {{"content", ""}, {"tool_calls", list}});
    const Read found = read({.format = format}, text);
    EXPECT_EQ(found.content, "") << text;
    ASSERT_EQ(std::ssize(found.calls), n) << text;
    for (size_t i = 0; i < found.calls.size(); ++i) {
      EXPECT_EQ(found.calls[i].name, calls[i].first);
      const auto arguments = json::parse(found.calls[i].arguments, "arguments");
      ASSERT_TRUE(arguments) << found.calls[i].arguments;
      EXPECT_EQ(*arguments, calls[i].second) << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    , OwnTemplates,
    testing::Values(
        TemplateCase{"glm/GLM-4.5.jinja", CallFormat::kGlm45, 2},
        TemplateCase{"llamacpp-templates/GLM-4.6.jinja", CallFormat::kGlm45, 2},
        TemplateCase{"llamacpp-templates/GLM-4.7-Flash.jinja", CallFormat::kGlm45, 2},
        TemplateCase{"llamacpp-templates/GLM-5.2.jinja", CallFormat::kGlm45, 2},
        TemplateCase{"llamacpp-templates/Qwen-Qwen2.5-7B-Instruct.jinja", CallFormat::kHermes, 2},
        TemplateCase{"llamacpp-templates/Qwen-Qwen3-0.6B.jinja", CallFormat::kHermes, 2},
        TemplateCase{"llamacpp-templates/Qwen-QwQ-32B.jinja", CallFormat::kHermes, 2},
        TemplateCase{"llamacpp-templates/NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja",
                     CallFormat::kHermes, 2},
        TemplateCase{"llamacpp-templates/Qwen3-Coder.jinja", CallFormat::kQwenCoder, 2},
        TemplateCase{"llamacpp-templates/Qwen3.5-4B.jinja", CallFormat::kQwenCoder, 2},
        TemplateCase{"llamacpp-templates/meta-llama-Llama-3.1-8B-Instruct.jinja",
                     CallFormat::kLlama3, 1},
        TemplateCase{"llamacpp-templates/meta-llama-Llama-3.2-3B-Instruct.jinja",
                     CallFormat::kLlama3, 1},
        TemplateCase{"llamacpp-templates/meta-llama-Llama-3.3-70B-Instruct.jinja",
                     CallFormat::kLlama3, 1},
        TemplateCase{"llamacpp-templates/mistralai-Mistral-Nemo-Instruct-2407.jinja",
                     CallFormat::kMistral, 2},
        TemplateCase{"llamacpp-templates/Mistral-Small-3.2-24B-Instruct-2506.jinja",
                     CallFormat::kMistral, 2},
        TemplateCase{"llamacpp-templates/unsloth-mistral-Devstral-Small-2507.jinja",
                     CallFormat::kMistral, 2}),
    [](const auto& each) {
      std::string name;
      for (const char c : each.param.file.substr(each.param.file.find('/') + 1)) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) name += c;
      }
      return name;
    });

TEST(Formats, AreFoundInTemplatesAndByVllmsNames) {
  EXPECT_EQ(detect_output_format("[gMASK]<sop>{% for item in messages %}").calls,
            CallFormat::kGlm4);
  EXPECT_EQ(detect_output_format("[gMASK]sop<|user|>").calls, CallFormat::kChatGlm3);
  EXPECT_EQ(detect_output_format("{{ messages }}").calls, CallFormat::kNone);
  EXPECT_FALSE(detect_output_format("[gMASK]<sop>").reasoning);
  EXPECT_EQ(call_format_of("glm47"), CallFormat::kGlm45);
  EXPECT_EQ(call_format_of("llama3_json"), CallFormat::kLlama3);
  EXPECT_EQ(call_format_of("nonsense"), std::nullopt);
  for (const std::string_view name : call_format_names()) {
    EXPECT_NE(call_format_name(*call_format_of(name)), "");
  }
  EXPECT_TRUE(begins_in_reasoning("<|assistant|>\n<think>\n"));
  EXPECT_FALSE(begins_in_reasoning("<|assistant|><think></think>"));
}

}  // namespace
}  // namespace autoglm::tools
