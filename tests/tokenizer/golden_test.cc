// Every component of tokenizer.json against ids and texts of the reference, over the small
// documents of tests/data/tokenizers (tools/goldens/make_tokenizers.py).
#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>

#include "base/json.h"
#include "support/shared_data.h"
#include "text/tokenizer.h"

namespace autoglm {
namespace {

using Ids = std::vector<int64_t>;

std::vector<std::string> golden_names() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(source_path("tests/data/tokenizers"))) {
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class TokenizerGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(TokenizerGolden, IdsAndTextEqualTheReference) {
  const std::string folder = source_path("tests/data/tokenizers/" + GetParam());
  const Result<std::unique_ptr<Tokenizer>> opened = Tokenizer::from_directory(folder);
  ASSERT_TRUE(opened) << opened.error().message();
  const Tokenizer& tokenizer = **opened;
  const json::value golden = json::parse_file(folder + "/golden.json").value();
  ASSERT_GT(golden.as_array().size(), 20u);
  for (const json::value& example : golden.as_array()) {
    const std::string text(example.at("text").as_string());
    for (const bool framed : {true, false}) {
      const auto ids = tokenizer.encode(text, {.add_special_tokens = framed});
      ASSERT_TRUE(ids) << ids.error().message();
      Ids found, expected;
      for (const TokenId id : *ids) found.push_back(static_cast<int32_t>(id));
      for (const json::value& id : example.at(framed ? "ids" : "plain_ids").as_array()) {
        expected.push_back(id.as_int64());
      }
      EXPECT_EQ(found, expected) << "\"" << text << "\"";
      if (!framed) continue;
      for (const bool skip : {true, false}) {
        const Result<std::string> decoded = tokenizer.decode(*ids, skip);
        ASSERT_TRUE(decoded);
        EXPECT_EQ(*decoded, example.at(skip ? "decoded_without_special" : "decoded").as_string());
        StreamDecoder stream(tokenizer, skip);
        std::string streamed;
        for (const TokenId id : *ids) streamed += stream.push(id);
        EXPECT_EQ(streamed + stream.finish(), *decoded) << "\"" << text << "\"";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, TokenizerGolden, ::testing::ValuesIn(golden_names()),
                         [](const auto& golden) { return golden.param; });

}  // namespace
}  // namespace autoglm
