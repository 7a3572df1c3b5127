// Whatever stands in a message, a line of the log is one line, and one JSON object where it should
// be.
#include "base/log.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

#include "base/json.h"
#include "base/visible_text.h"

namespace autoglm {
namespace {

const std::string_view kHostile[] = {
    "plain",
    "/models/it's \"mine\"/x",
    "back\\slash\\",
    "\\\"",
    "\"}\n{\"level\":\"error\",\"message\":\"forged",
    "one\ntwo\rthree\ttab",
    "\x1b[2J\x1b[31mred",
    std::string_view("nul\0nul", 7),
    "\xff\xfe\xc0\xaf",
    "\xed\xa0\x80 half",
    "\u2028\u202e\u009b\x7f",
    "%v %* {} {0} %",
    "智谱 🎉",
    "",
};

std::string logged(std::string_view format, std::string_view text) {
  std::ostringstream stream;
  const auto made =
      make_logger("info", format, std::make_shared<spdlog::sinks::ostream_sink_mt>(stream));
  EXPECT_TRUE(made);
  (*made)->warn("{}", text);
  return stream.str();
}

TEST(Log, EveryMessageIsOneLine) {
  for (const char* format : {"text", "json"}) {
    for (const std::string_view text : kHostile) {
      const std::string line = logged(format, text);
      ASSERT_TRUE(line.ends_with('\n'));
      EXPECT_EQ(visible(line.substr(0, line.size() - 1)), line.substr(0, line.size() - 1));
    }
  }
}

TEST(Log, EveryJsonLineIsAnObjectWithTheMessage) {
  for (const std::string_view text : kHostile) {
    const std::string line = logged("json", text);
    const auto parsed = json::parse(line, "line");
    ASSERT_TRUE(parsed) << line;
    const auto fields = json::fields_of(*parsed, "line");
    EXPECT_EQ(*fields->string("message"), visible(text));
    EXPECT_EQ(*fields->string("level"), "warning");
    EXPECT_EQ(fields->raw().size(), 3U);
  }
}

TEST(Log, LevelsAndFormatsThatDoNotExistAreErrors) {
  EXPECT_FALSE(configure_log("loud", "text"));
  EXPECT_FALSE(configure_log("info", "xml"));
}

TEST(Log, ALibrarySaysWarningsAndKeepsToStandardError) {
  EXPECT_EQ(logger()->level(), spdlog::level::warn);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  logger()->info("not said");
  logger()->warn("said");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("said"), std::string::npos);
  EXPECT_EQ(said.find("not"), std::string::npos);
}

TEST(Log, AMessageErasesTheLineThatIsDrawn) {
  set_line_is_drawn(true);
  EXPECT_TRUE(logged("text", "x").starts_with("\r\033[K"));
  EXPECT_TRUE(logged("json", "x").starts_with("{"));
  set_line_is_drawn(false);
  EXPECT_FALSE(logged("text", "x").starts_with("\r"));
}

}  // namespace
}  // namespace autoglm
