#include "formats/chat_template_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "formats/gguf_writer.h"
#include "support/scratch_folder.h"

namespace autoglm {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class ChatTemplates : public ::testing::Test {
 protected:
  NamedTemplates found() const {
    auto templates = read_chat_templates(folder_.path());
    EXPECT_TRUE(templates) << templates.error().message();
    return templates ? *templates : NamedTemplates();
  }
  std::string error() const {
    const auto templates = read_chat_templates(folder_.path());
    return templates ? "read" : templates.error().message();
  }

  ScratchFolder folder_;
};

TEST_F(ChatTemplates, AreFoundInEveryPlaceWhereTheyMayLive) {
  EXPECT_EQ(found(), NamedTemplates());
  folder_.write("tokenizer_config.json", R"({"eos_token": "x"})");
  folder_.write("chat_template.json", R"({"chat_template": "processor"})");
  EXPECT_EQ(found(), (NamedTemplates{{"default", "processor"}}));
  folder_.write("tokenizer_config.json", R"({"chat_template": "one"})");
  EXPECT_EQ(found(), (NamedTemplates{{"default", "one"}}));
  folder_.write("tokenizer_config.json",
                R"({"chat_template": [{"name": "tool_use", "template": "t"},
                                      {"name": "default", "template": "d"}]})");
  EXPECT_EQ(found(), (NamedTemplates{{"default", "d"}, {"tool_use", "t"}}));
  folder_.write("tokenizer_config.json", R"({"chat_template": {"default": "d", "rag": "r"}})");
  EXPECT_EQ(found(), (NamedTemplates{{"default", "d"}, {"rag", "r"}}));
  // Files of their own replace all that the configuration says.
  folder_.write("additional_chat_templates/tool_use.jinja", "file t");
  folder_.write("additional_chat_templates/notes.txt", "no template");
  EXPECT_EQ(found(), (NamedTemplates{{"tool_use", "file t"}}));
  folder_.write("chat_template.jinja", "file d");
  EXPECT_EQ(found(), (NamedTemplates{{"default", "file d"}, {"tool_use", "file t"}}));
}

TEST_F(ChatTemplates, OfTheWrongKindAreRefusedByField) {
  for (const char* config :
       {R"({"chat_template": 4})", R"({"chat_template": [4]})",
        R"({"chat_template": [{"name": "default"}]})", R"({"chat_template": {"default": 4}})"}) {
    folder_.write("tokenizer_config.json", config);
    EXPECT_THAT(error(), AllOf(HasSubstr("tokenizer_config.json"), HasSubstr("chat_template")))
        << config;
  }
  std::string many = R"({"chat_template": [)";
  for (int i = 0; i < 100; ++i) {
    many += (i > 0 ? "," : "") + std::string(R"({"name": "n)") + std::to_string(i) +
            R"(", "template": ""})";
  }
  folder_.write("tokenizer_config.json", many + "]}");
  EXPECT_THAT(error(), HasSubstr("too many chat templates"));
}

TEST_F(ChatTemplates, OfAGgufFileHaveTheirNamesInTheKeys) {
  GgufMetadata metadata;
  metadata.add_string("tokenizer.chat_template", "d");
  metadata.add_string("tokenizer.chat_template.tool_use", "t");
  metadata.add_strings("tokenizer.chat_templates", std::vector<std::string>{"tool_use"});
  const std::string file = folder_.write("v.gguf", gguf_header(metadata, {}));
  const auto templates = read_chat_templates(file);
  ASSERT_TRUE(templates) << templates.error().message();
  EXPECT_EQ(*templates, (NamedTemplates{{"default", "d"}, {"tool_use", "t"}}));
}

TEST_F(ChatTemplates, AreReadAsTheyWereWritten) {
  const NamedTemplates templates{{"default", "d"}, {"tool_use", "t"}, {"../out", "never written"}};
  ASSERT_TRUE(write_chat_templates(templates, folder_.path()));
  EXPECT_EQ(found(), (NamedTemplates{{"default", "d"}, {"tool_use", "t"}}));
}

}  // namespace
}  // namespace autoglm
