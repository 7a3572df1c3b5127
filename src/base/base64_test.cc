#include "base/base64.h"

#include <gtest/gtest.h>

namespace autoglm {
namespace {

std::string encoded(std::string_view text) {
  return encode_base64(std::as_bytes(std::span(text.data(), text.size())));
}

TEST(Base64, WritesAndReadsTheVectorsOfItsStandard) {
  // RFC 4648, section 10.
  constexpr std::pair<std::string_view, std::string_view> kVectors[] = {{"", ""},
                                                                        {"f", "Zg=="},
                                                                        {"fo", "Zm8="},
                                                                        {"foo", "Zm9v"},
                                                                        {"foob", "Zm9vYg=="},
                                                                        {"fooba", "Zm9vYmE="},
                                                                        {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : kVectors) {
    EXPECT_EQ(encoded(bytes), text);
    EXPECT_EQ(decode_base64(text, "here").value(), bytes);
  }
}

TEST(Base64, ReadsEveryByteBack) {
  std::string all;
  for (int i = 0; i < 256; ++i) {
    all += static_cast<char>(i);
    EXPECT_EQ(decode_base64(encoded(all), "here").value(), all);
  }
}

TEST(Base64, RefusesWhatIsNotInGroupsOfFourDigits) {
  for (const std::string_view text : {"Zg", "Zg=", "Z===", "====", "Zm9v\n", "Zm9 ", " Zm9",
                                      "Zm9v====", "Zg==Zg==", "Zm-v", "Zm\0v"}) {
    EXPECT_FALSE(decode_base64(text, "here")) << text;
  }
}

}  // namespace
}  // namespace autoglm
