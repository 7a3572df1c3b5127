// The interpreter against texts that jinja2 rendered, and against templates meant to hurt.
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <random>

#include "base/files.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

using ::testing::HasSubstr;

// 2025-01-15 12:00 local time, at which the goldens were rendered.
std::chrono::system_clock::time_point golden_time() {
  std::tm local{};
  local.tm_year = 125;
  local.tm_mday = 15;
  local.tm_hour = 12;
  local.tm_isdst = -1;
  return std::chrono::system_clock::from_time_t(std::mktime(&local));
}

Result<std::string> render(std::string_view source, const json::object& context) {
  const ChatTemplate parsed = AGLM_TRY(ChatTemplate::parse(source, "test"));
  return parsed.render(context, golden_time());
}

std::string shown(const Result<std::string>& text) {
  return text ? *text : "ERROR " + text.error().message();
}

std::string rendered(std::string_view source, std::string_view context = "{}") {
  return shown(render(source, json::parse(context, "context").value().as_object()));
}

// Whether the template is refused as out of bounds, rather than for a mistake.
testing::AssertionResult exhausts(std::string_view source) {
  const Result<std::string> text = render(source, {{"l", json::array{1, 2, 3}}});
  if (text) return testing::AssertionFailure() << "rendered " << text->substr(0, 100);
  if (text.error().code == ErrorCode::kTooLarge) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text.error().message();
}

struct Case {
  std::string source, expected;
};

std::vector<Case> language_cases() {
  const std::string path = source_path("tests/data/templates/language.txt");
  const std::string text = read_file(path, 1 << 20).value();
  std::vector<Case> cases;
  for (size_t at = 0; at < text.size();) {
    const size_t middle = text.find("\n----\n", at);
    const size_t end = text.find("\n====\n", middle + 5);
    cases.push_back(
        {text.substr(at, middle - at), text.substr(middle + 6, end - std::min(end, middle + 6))});
    at = end + 6;
  }
  return cases;
}

TEST(ChatTemplate, AgreesWithJinja2OnTheLanguage) {
  const json::value context =
      json::parse_file(source_path("tests/data/templates/language_context.json")).value();
  const std::vector<Case> cases = language_cases();
  ASSERT_GT(cases.size(), 400u);
  for (const Case& c : cases) {
    const Result<std::string> text = render(c.source, context.as_object());
    if (c.expected == "!error") {
      EXPECT_FALSE(text.has_value()) << c.source << "\n" << shown(text);
    } else if (c.expected.starts_with("!raised ")) {
      EXPECT_EQ(text ? "" : text.error().what, c.expected.substr(8)) << c.source;
    } else {
      EXPECT_EQ(shown(text), c.expected) << c.source;
    }
  }
}

TEST(ChatTemplate, AgreesWithJinja2OnPublishedTemplates) {
  const auto folder = shared_data("chat_templates");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const json::value golden = json::parse_file(*folder + "/golden_renders_jinja2.json").value();
  int n_compared = 0;
  for (const auto& [name, expected] : golden.at("expected").as_object()) {
    const std::string source = read_file(*folder + "/" + std::string(name), 1 << 20).value();
    for (const auto& [key, text] : expected.as_object()) {
      json::object context = golden.at("contexts").at(key).as_object();
      context["bos_token"] = "<BOS>";
      context["eos_token"] = "<EOS>";
      context["add_generation_prompt"] = true;
      const Result<std::string> ours = render(source, context);
      if (text.is_null()) {
        EXPECT_FALSE(ours.has_value()) << name << " " << key;
      } else {
        EXPECT_EQ(shown(ours), std::string(text.as_string())) << name << " " << key;
      }
      ++n_compared;
    }
  }
  EXPECT_GT(n_compared, 100);
}

TEST(ChatTemplate, AgreesWithLlamaCppsExpectations) {
  const auto path = shared_data("chat_templates/llamacpp_chat_template_cases.json");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const json::value file = json::parse_file(*path).value();
  for (const json::value& c : file.at("cases").as_array()) {
    // Some expectations of that project are not what jinja2 renders; the file says which.
    if (!c.at("plain_jinja2_agrees").is_bool() || !c.at("plain_jinja2_agrees").as_bool()) continue;
    json::object context{{"messages", file.at("conversation")}, {"add_generation_prompt", true}};
    for (const char* token : {"bos_token", "eos_token"}) {
      context[token] = c.at(token).is_null() ? json::value("") : c.at(token);
    }
    EXPECT_EQ(shown(render(std::string(c.at("template_str").as_string()), context)),
              std::string(c.at("expected_jinja").as_string()))
        << c.at("name");
  }
}

TEST(ChatTemplate, NamesLineAndColumnOfASyntaxError) {
  const auto parsed = ChatTemplate::parse("one\n  {{ 你 + }}", "model/chat_template.jinja");
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().where, "model/chat_template.jinja:2:10");
  EXPECT_EQ(parsed.error().found, "'}}'");
}

TEST(ChatTemplate, NamesLineAndColumnOfARuntimeError) {
  const Result<std::string> text = render("a\n{% if true %}{{ 1 / 0 }}{% endif %}", {});
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().where, "test:2:19");
  EXPECT_EQ(text.error().what, "division by zero");
}

TEST(ChatTemplate, PassesOnWhatTheTemplateRaises) {
  const Result<std::string> text = render("{{ raise_exception('roles must alternate') }}", {});
  ASSERT_FALSE(text.has_value());
  EXPECT_EQ(text.error().what, "roles must alternate");
}

TEST(ChatTemplate, RefusesIntegersOver64Bits) {
  EXPECT_THAT(rendered("{{ 9223372036854775807 + 1 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(rendered("{{ 10 ** 30 }}"), HasSubstr("64 bits"));
  EXPECT_THAT(rendered("{{ 99999999999999999999 }}"), HasSubstr("64 bits"));
}

TEST(ChatTemplate, RefusesOtherTemplates) {
  for (const std::string_view tag :
       {"include 'a'", "import 'a' as b", "from 'a' import b", "extends 'a'"}) {
    EXPECT_THAT(rendered("{% " + std::string(tag) + " %}"),
                HasSubstr("a chat template stands alone"));
  }
}

TEST(ChatTemplate, KeepsTheSandboxClosed) {
  EXPECT_THAT(rendered("{{ ''.__class__.__mro__ }}"), HasSubstr("unsafe"));
  EXPECT_THAT(rendered("{{ [].append(1) }}"), HasSubstr("unsafe"));
  EXPECT_THAT(rendered("{{ '{0.__class__.x}'.format('') }}"), HasSubstr("unsafe"));
}

TEST(ChatTemplate, BoundsTextAndLists) {
  EXPECT_TRUE(exhausts("{{ 'a' * 1000000000 }}"));
  EXPECT_TRUE(exhausts("{{ [1] * 1000000000 }}"));
  EXPECT_TRUE(exhausts("{{ 'a'.ljust(1000000000) }}"));
  EXPECT_TRUE(exhausts("{{ '%1000000000d' % 1 }}"));
  EXPECT_TRUE(exhausts("{{ '{:1000000000}'.format(1) }}"));
  EXPECT_TRUE(exhausts("{{ 'a'|indent(1000000000, true) }}"));
  EXPECT_TRUE(exhausts("{{ l|batch(1000000000, 1)|list }}"));
  EXPECT_TRUE(exhausts("{{ ('a' * 10000)|replace('a', 'b' * 10000) }}"));
  EXPECT_THAT(rendered("{{ range(1000000000) }}"), HasSubstr("Range too big"));
}

TEST(ChatTemplate, BoundsWork) {
  EXPECT_TRUE(
      exhausts("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"));
  EXPECT_TRUE(
      exhausts("{% set n = namespace(s='ab') %}{% for a in range(99999) %}"
               "{% set n.s = n.s ~ n.s %}{% endfor %}"));
  EXPECT_TRUE(
      exhausts("{% set n = namespace(s='a' * 1000000) %}{% for a in range(99999) %}"
               "{% set n.s = n.s|reverse %}{% endfor %}"));
}

TEST(ChatTemplate, BoundsNesting) {
  EXPECT_TRUE(exhausts("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"));
  EXPECT_TRUE(exhausts("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}"));
  EXPECT_TRUE(exhausts(
      "{% set n = namespace(x=1) %}{% for a in range(99999) %}{% set n.x = [n.x] %}{% endfor %}"));
  EXPECT_TRUE(
      exhausts("{% set n = namespace(x=[1]) %}{% for a in range(99999) %}"
               "{% set n.x = n.x|map('string') %}{% endfor %}{{ n.x|list }}"));
  // Lists that share their parts: few of them describe more items than could ever be visited.
  EXPECT_TRUE(
      exhausts("{% set n = namespace(x=[1]) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% "
               "endfor %}"));
  EXPECT_FALSE(ChatTemplate::parse("{{ " + std::string(100000, '('), "t").has_value());
  EXPECT_FALSE(ChatTemplate::parse("{{ " + std::string(100000, '-') + "1 }}", "t").has_value());
  std::string ifs, sums = "{{ 1";
  for (int i = 0; i < 10000; ++i) {
    ifs += "{% if 1 %}";
    sums += "+1";
  }
  EXPECT_FALSE(ChatTemplate::parse(ifs, "t").has_value());
  EXPECT_FALSE(ChatTemplate::parse(sums + " }}", "t").has_value());
}

TEST(ChatTemplate, LeavesNothingBehindWhenValuesReferToThemselves) {
  // The leak checker of the sanitizer build is what fails here.
  EXPECT_EQ(
      rendered(
          "{% set n = namespace() %}{% set n.n = n %}"
          "{% for x in [1] %}{% macro f() %}{% endmacro %}{% set n.f = f %}{% set n.l = loop %}"
          "{% endfor %}ok"),
      "ok");
}

TEST(ChatTemplate, FindsByRoleWhetherItTakesParts) {
  const auto format = [](std::string_view source, std::string_view role = "user") {
    return ChatTemplate::parse(source, "t").value().content_format(role);
  };
  EXPECT_EQ(format("{% for m in messages %}{{ m.content }}{% endfor %}"), ContentFormat::kString);
  // A list alone.
  EXPECT_EQ(format("{% for m in messages %}{% for p in m['content'] %}{{ p.text }}{% endfor %}"
                   "{% endfor %}"),
            ContentFormat::kParts);
  // A list would show as Python's.
  EXPECT_EQ(
      format("{% for m in messages %}{% for p in m['content'] %}{{ p }}{% endfor %}{% endfor %}"),
      ContentFormat::kString);
  // GLM-4.5: a user's parts are read, a tool's list is one of results.
  constexpr std::string_view kByRole =
      "{% for m in messages %}{% if m.content is string %}{{ m.content }}"
      "{% elif m.role == 'tool' %}{% for r in m.content %}{{ r.output if r.output is defined else "
      "r "
      "}}{% endfor %}{% else %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endif %}"
      "{% endfor %}";
  EXPECT_EQ(format(kByRole, "user"), ContentFormat::kParts);
  EXPECT_EQ(format(kByRole, "system"), ContentFormat::kParts);
  EXPECT_EQ(format(kByRole, "assistant"), ContentFormat::kParts);
  EXPECT_EQ(format(kByRole, "tool"), ContentFormat::kString);
  // Where the conversation is refused, the template's source says it.
  constexpr std::string_view kRefuses =
      "{{ raise_exception('no') }}{% for m in messages %}{% set c = m.get('content') %}"
      "{% for p in c %}{{ p.text }}{% endfor %}{% endfor %}";
  EXPECT_EQ(format(kRefuses), ContentFormat::kParts);
  EXPECT_EQ(format("{{ raise_exception('no') }}{{ messages[0].get('role') }}"),
            ContentFormat::kString);
  EXPECT_EQ(
      format(
          "{% for m in messages %}{% set c = m.content %}{% for p in c %}{% endfor %}{% endfor %}"),
      ContentFormat::kParts);
  EXPECT_EQ(format("{% macro text(c) %}{% for p in c %}{% endfor %}{% endmacro %}"
                   "{% for m in messages %}{{ text(m.content) }}{% endfor %}"),
            ContentFormat::kParts);
  EXPECT_EQ(format("{% for line in messages[0].content.split('x') %}{{ line }}{% endfor %}"),
            ContentFormat::kString);
}

TEST(ChatTemplate, EndsInTextOrErrorWhateverIsDoneToATemplate) {
  const std::string seed =
      read_file(source_path("tests/fuzz/corpus/chat_template/conversation.jinja"), 1 << 16).value();
  const json::object context =
      json::parse(R"({"messages":[{"role":"user","content":"é"}],"tools":[{"a":1}]})", "t")
          .value()
          .as_object();
  std::mt19937 random(1);
  int n_rendered = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string source = seed;
    for (int wound = 0; wound < 3; ++wound) {
      const size_t at = random() % (source.size() + 1);
      const size_t other = random() % (source.size() + 1);
      if (random() % 2 == 0) {
        source.erase(at, random() % 8);
      } else {
        source.insert(at, source.substr(other, random() % 12));
      }
    }
    const Result<std::string> text = render(source, context);
    if (text) {
      ++n_rendered;
    } else {
      EXPECT_FALSE(text.error().what.empty());
      EXPECT_THAT(text.error().where, HasSubstr("test:"));
    }
  }
  EXPECT_GT(n_rendered, 30);  // the wounds are small: some templates survive
}

}  // namespace
}  // namespace autoglm
