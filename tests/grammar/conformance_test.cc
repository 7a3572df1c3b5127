// Published suites: JSON-Schema-Test-Suite, JSONTestSuite, llama.cpp's grammar cases and grammars,
// and a schema file of our own (tests/data/grammar) that every checkout has.
//
// An invalid instance must never be accepted. A valid one may be missed only for the reasons that
// docs/structured-output.md states; how many are is fixed here, so that a change is seen.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "base/files.h"
#include "grammar/instances.h"
#include "support/shared_data.h"
#include "text/grammar/testing/grammars.h"

namespace autoglm::grammar {
namespace {

struct Counts {
  int schemas = 0, refused = 0;
  int valid_taken = 0, valid_missed = 0;
  int invalid_rejected = 0, invalid_taken = 0;
};

std::string string_or(const json::object& o, std::string_view key) {
  const json::value* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

// One group of the suites: a schema, and instances that satisfy it or do not.
void run_group(json::object group, std::string_view dialect, const std::string& file,
               Counts& counts) {
  json::value& schema = group["schema"];
  if (!dialect.empty() && schema.is_object() && !schema.get_object().contains("$schema")) {
    schema.get_object()["$schema"] = dialect;
  }
  ++counts.schemas;
  const auto program = compile_program(
      {.kind = Kind::kJson, .text = boost::json::serialize(schema), .field = "schema"});
  const bool never = !program && program.error().what == "no text can satisfy it";
  if (!program && !never) {
    ++counts.refused;
    return;
  }
  std::vector<std::string> names;
  collect_names(schema, names);
  for (const json::value& test : group["tests"].as_array()) {
    const json::object& t = test.as_object();
    const std::string text = instance_text(t.at("data"), names);
    const bool taken = !never && takes(*program, text);
    const bool valid = t.at("valid").as_bool();
    ++(valid   ? taken ? counts.valid_taken : counts.valid_missed
       : taken ? counts.invalid_taken
               : counts.invalid_rejected);
    EXPECT_FALSE(taken && !valid) << file << ": " << string_or(group, "description") << ": "
                                  << string_or(t, "description") << ": " << text;
  }
}

Counts run_folder(const std::string& folder, std::string_view dialect) {
  Counts counts;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    const auto document = json::parse_file(entry.path().string());
    EXPECT_TRUE(document) << entry.path();
    if (!document) continue;
    if (document->is_array()) {
      for (const json::value& group : document->get_array()) {
        run_group(group.as_object(), dialect, entry.path().filename(), counts);
      }
    } else {
      run_group(document->as_object(), dialect, entry.path().filename(), counts);
    }
  }
  std::printf(
      "%s: %d schemas, %d refused; valid: %d taken, %d missed; invalid: %d rejected, %d taken\n",
      folder.c_str(), counts.schemas, counts.refused, counts.valid_taken, counts.valid_missed,
      counts.invalid_rejected, counts.invalid_taken);
  return counts;
}

TEST(Conformance, OwnSchemas) {
  const Counts counts = run_folder(source_path("tests/data/grammar"), "");
  EXPECT_EQ(counts.valid_taken, 9);
  EXPECT_EQ(counts.valid_missed, 0);
  EXPECT_EQ(counts.refused, 0);
}

TEST(Conformance, JsonSchemaTestSuite2020) {
  const auto folder = shared_data("structured_output/json-schema-test-suite/draft2020-12");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const Counts counts = run_folder(*folder, "");
  EXPECT_GE(counts.valid_taken, 852);
  EXPECT_LE(counts.valid_missed, 69);
  EXPECT_LE(counts.refused, 119);
}

TEST(Conformance, JsonSchemaTestSuite7) {
  const auto folder = shared_data("structured_output/json-schema-test-suite/draft7");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const Counts counts = run_folder(*folder, "http://json-schema.org/draft-07/schema#");
  EXPECT_GE(counts.valid_taken, 676);
  EXPECT_LE(counts.valid_missed, 41);
  EXPECT_LE(counts.refused, 54);
}

TEST(Conformance, Maskbench) {
  const auto folder = shared_data("structured_output/maskbench");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const Counts counts = run_folder(*folder, "");
  EXPECT_GE(counts.valid_taken, 35);
  EXPECT_LE(counts.valid_missed, 2);
  EXPECT_LE(counts.refused, 11);
}

TEST(Conformance, JsonTestSuite) {
  const auto folder = shared_data("structured_output/json-test-suite/test_parsing");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const Program program = compiled(Kind::kJson, "true", "[ \\t\\r\\n]*");
  int n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(*folder)) {
    const auto file = read_file(entry.path().string(), size_t{1} << 22);
    std::string text = file ? *file : "";
    // White space around a text is no part of the grammar.
    text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    text.resize(text.find_last_not_of(" \t\r\n") + 1);
    const std::string name = entry.path().filename();
    const bool taken = takes(program, text);
    EXPECT_FALSE(name[0] == 'y' && !taken) << name;
    EXPECT_FALSE(name[0] == 'n' && taken) << name;
    ++n;
  }
  EXPECT_GT(n, 300);
}

TEST(Conformance, LlamaCppGrammarCases) {
  const auto path = shared_data("structured_output/gbnf_and_schema_cases.json");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const auto cases = json::parse_file(*path);
  ASSERT_TRUE(cases);
  // llama.cpp's schemas mean something else here and there: {} is an object, integers have at most
  // 16 digits. Its cases for these are left out.
  const std::set<std::string> other = {"empty schema (object)"};
  for (const json::value& one : cases->as_array()) {
    const json::object& c = one.as_object();
    const bool is_schema = c.at("kind") == "schema";
    if (other.contains(string_or(c, "name"))) continue;
    const Program program =
        compiled(is_schema ? Kind::kJson : Kind::kGrammar, string_or(c, "body"));
    for (const json::value& text : c.at("accept").as_array()) {
      EXPECT_TRUE(takes(program, std::string_view(text.as_string())))
          << c.at("name") << ": " << text;
    }
    for (const json::value& text : c.at("reject").as_array()) {
      const std::string_view rejected = text.as_string();
      const bool only_long = is_schema && rejected.size() > 16;
      EXPECT_FALSE(!only_long && takes(program, rejected)) << c.at("name") << ": " << text;
    }
  }
}

TEST(Conformance, PublishedGrammars) {
  const auto folder = shared_data("structured_output/gbnf");
  const auto lark = shared_data("structured_output/lark/rfc.lark");
  if (!folder || !lark) GTEST_SKIP() << kNoSharedData;
  const auto grammar = [](const std::string& path) {
    const auto source = read_file(path, size_t{1} << 20);
    return compiled(Kind::kGrammar, source ? *source : "");
  };
  const Program chess = grammar(*folder + "/chess.gbnf");
  EXPECT_TRUE(takes(chess, "1. e4 e5\n2. Nf3 Nc6\n"));
  EXPECT_FALSE(takes(chess, "1. e9 e5\n2. Nf3 Nc6\n"));
  const Program arithmetic = grammar(*folder + "/arithmetic.gbnf");
  EXPECT_TRUE(takes(arithmetic, "1+(x2*3)=5\n"));
  EXPECT_FALSE(takes(arithmetic, "1+=5\n"));
  const Program json = grammar(*folder + "/json.gbnf");
  EXPECT_TRUE(takes(json, R"({"a": [1, "x"]})"));
  EXPECT_FALSE(takes(json, R"({"a": [1, "x"})"));
  for (const char* name : {"c", "english", "japanese", "json_arr", "list"}) {
    grammar(fmt::format("{}/{}.gbnf", *folder, name));
  }
  const Program rfc = grammar(*lark);
  EXPECT_TRUE(takes(rfc,
                    "<rfc number=\"1\"><front><title>x</title><author></author></front>"
                    "<middle><section></section></middle></rfc>"));
  EXPECT_FALSE(takes(rfc, "<rfc><middle></middle></rfc>"));
}

}  // namespace
}  // namespace autoglm::grammar
