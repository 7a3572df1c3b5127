#include "guard/api_key.h"

#include <gtest/gtest.h>

#include <set>

namespace autoglm::guard {
namespace {

TEST(ApiKey, IsKnownByItsForm) {
  std::set<std::string> texts;
  for (int i = 0; i < 100; ++i) {
    const auto key = make_api_key();
    ASSERT_TRUE(key);
    EXPECT_EQ(key->text.size(), 63U);
    EXPECT_EQ(key->text.substr(0, 14), "aglm_" + key->id + "_");
    EXPECT_EQ(api_key_id(key->text), key->id);
    texts.insert(key->text);
  }
  EXPECT_EQ(texts.size(), 100U);
}

TEST(ApiKey, EveryChangeOfOneCharacterIsSeen) {
  const std::string text = make_api_key()->text;
  for (size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'a', 'Z', '0', '_', ' ', '\0', '\xff'}) {
      std::string changed = text;
      changed[i] = c;
      if (changed == text) continue;
      EXPECT_EQ(api_key_id(changed), std::nullopt) << i << " " << c;
    }
  }
  EXPECT_EQ(api_key_id(""), std::nullopt);
  EXPECT_EQ(api_key_id(text + "0"), std::nullopt);
  EXPECT_EQ(api_key_id(text.substr(0, text.size() - 1)), std::nullopt);
}

// A key made by this rule elsewhere: CRC-32 of "aglm_...", as zlib computes it, in base 62.
TEST(ApiKey, TheCheckIsTheUsualCrc32) {
  const std::string text = "aglm_ABCDEFGH_" + std::string(43, 'x');
  EXPECT_EQ(api_key_id(text + "CHECK0"), std::nullopt);
  EXPECT_EQ(api_key_id(text + "3xl7UD"), std::optional<std::string>("ABCDEFGH"));
}

}  // namespace
}  // namespace autoglm::guard
