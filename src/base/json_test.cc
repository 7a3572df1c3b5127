#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace autoglm::json {
namespace {

std::string error_of(std::string_view text, ParseLimits limits = {}) {
  const Result<value> parsed = parse(text, "doc.json", limits);
  return parsed ? "" : parsed.error().message();
}

TEST(Json, ReadsAWholeDocument) {
  const Result<value> parsed = parse(" {\"a\": [1, 2.5, \"x\", null, true]} \n", "doc.json");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(boost::json::serialize(*parsed), R"({"a":[1,2.5E0,"x",null,true]})");
}

TEST(Json, RefusesWhatIsNotOneDocument) {
  EXPECT_NE(error_of(""), "");
  EXPECT_NE(error_of("{\"a\": 1"), "");
  EXPECT_NE(error_of("{} {}"), "");
  EXPECT_NE(error_of("{'a': 1}"), "");
  EXPECT_NE(error_of("[1,]"), "");
  EXPECT_NE(error_of("\"\xff\""), "");  // not UTF-8
  EXPECT_NE(error_of("NaN"), "");
  EXPECT_THAT(error_of("[1, 2, x]"),
              testing::StartsWith("doc.json: JSON is malformed near byte 7"));
}

TEST(Json, BoundsDepthAndSize) {
  EXPECT_EQ(error_of(std::string(100, '[') + std::string(100, ']')), "");
  EXPECT_NE(error_of(std::string(100000, '[')), "");
  EXPECT_EQ(error_of("[1,2]", {.max_bytes = 4}),
            "doc.json: JSON document is too large (expected at most 4 bytes, found 5 bytes)");
}

TEST(JsonFields, SayWhichFieldIsMissingOrWrong) {
  const value document = boost::json::parse(
      R"({"n": 3, "x": 2.0, "s": "t", "big": 1e30, "none": null, "o": {"b": 1}})");
  const Fields fields(document.get_object(), "config.json");
  EXPECT_EQ(*fields.integer("n"), 3);
  EXPECT_EQ(*fields.integer("x"), 2);  // whole, though spelled with a point
  EXPECT_DOUBLE_EQ(*fields.number("n"), 3);
  EXPECT_EQ(fields.integer("big").error().message(),
            "config.json: big: field has the wrong value (expected an integer, found number 1E30)");
  EXPECT_EQ(fields.integer("absent").error().message(),
            "config.json: absent: field is missing (expected an integer, found nothing)");
  EXPECT_FALSE(fields.boolean("s"));
  EXPECT_EQ(*fields.integer_or("none", 7), 7);  // null counts as missing
  EXPECT_FALSE(fields.integer_or("s", 7));      // but a wrong kind is not replaced
  const Result<Fields> child = fields.child("o");
  ASSERT_TRUE(child);
  EXPECT_EQ(child->boolean("b").error().where, "config.json.o: b");
}

TEST(JsonFields, CutLongValuesBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "语";
  const value document{{"s", text}};
  // A quotation mark and 18 characters are 55 bytes of the 57.
  EXPECT_EQ(Fields(document.get_object(), "").integer("s").error().found,
            "string \"" + text.substr(0, size_t{18} * 3) + "...");
}

}  // namespace
}  // namespace autoglm::json
