// The routes of encoders over a scripted one: what is asked of the model, and the shapes of
// answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support/service_fixture.h"

namespace autoglm::serve {
namespace {

using testing::HasSubstr;

json::value posted(RunningService& service, const char* path, const char* body) {
  const HttpAnswer answer = service.post(path, body);
  EXPECT_EQ(answer.status, 200) << path << answer.body;
  return parsed(answer.body);
}

// A text of n bytes has n + 1 tokens, and gives {n + 1, 4, 0}.
TEST(EncoderRoutes, GiveTheTextsOfARequestToTheModelTogether) {
  RunningService service({.encoder = EncoderInfo{}});
  const json::value answer =
      posted(service, "/v1/embeddings", R"({"input":["a","bcd"],"normalize":false,"priority":2})");
  EXPECT_EQ(answer.at("data").as_array().size(), 2u);
  EXPECT_EQ(answer.at("data").at(1).at("embedding"), json::value({4, 4, 0}));
  EXPECT_EQ(answer.at("usage").at("prompt_tokens"), 6);
  const std::vector<EncodingRequest> asked = service.backend().encodings();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].texts.size(), 2u);
  EXPECT_EQ(asked[0].normalize, false);
  EXPECT_EQ(asked[0].scheduling.priority, 2);
}

TEST(EncoderRoutes, ShortenVectorsOnlyWhereTheModelWasTrainedForIt) {
  const char* body = R"({"input":"a","dimensions":2})";
  RunningService fixed({.encoder = EncoderInfo{}});
  EXPECT_THAT(fixed.post("/v1/embeddings", body).body, HasSubstr("Matryoshka"));
  RunningService any({.encoder = EncoderInfo{.shortens = true}});
  EXPECT_EQ(any.post("/v1/embeddings", body).status, 200);
  EXPECT_EQ(any.backend().encodings()[0].dimensions, 2);
  RunningService some({.encoder = EncoderInfo{.shortens = true, .dimensions = {1}}});
  EXPECT_EQ(some.post("/v1/embeddings", body).status, 400);
}

TEST(EncoderRoutes, RerankSortsAndCuts) {
  RunningService service({.encoder = EncoderInfo{.labels = {"relevant"}}});
  const json::value answer = posted(
      service, "/rerank", R"({"query":"q","documents":["a",{"text":"abc"},"ab"],"top_n":2})");
  const json::array& results = answer.at("results").as_array();
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].at("index"), 1);
  EXPECT_EQ(results[0].at("document").at("text"), "abc");
  EXPECT_EQ(results[1].at("index"), 2);
  EXPECT_TRUE(std::string_view(answer.at("id").as_string()).starts_with("rerank-"));
  EXPECT_EQ(service.backend().encodings()[0].texts.size(), 3u);  // each with the query
}

TEST(EncoderRoutes, ScoreOfVectorsIsTheirCosine) {
  RunningService service({.encoder = EncoderInfo{}});
  const json::value answer = posted(service, "/score", R"({"text_1":"ab","text_2":["cd"]})");
  EXPECT_NEAR(answer.at("data").at(0).at("score").to_number<double>(), 1, 1e-6);
  EXPECT_EQ(service.post("/score", R"({"text_1":["a","b"],"text_2":["c"]})").status, 400);
}

TEST(EncoderRoutes, ClassifyNamesTheLikeliest) {
  RunningService service({.encoder = EncoderInfo{.labels = {"no", "yes"}}});
  const json::value answer =
      posted(service, "/classify", R"({"input":["a","abcdef"],"use_activation":false})");
  EXPECT_EQ(answer.at("data").at(0).at("label"), "yes");  // {2, 4}
  EXPECT_EQ(answer.at("data").at(1).at("label"), "no");   // {7, 4}
  EXPECT_FALSE(service.backend().encodings()[0].activate);
}

TEST(EncoderRoutes, SayWhatAModelDoesNotDo) {
  const auto code = [](RunningService& service, const char* path, const char* body) {
    const HttpAnswer answer = service.post(path, body);
    EXPECT_EQ(answer.status, 400) << path;
    return std::string(parsed(answer.body).at("error").at("code").as_string());
  };
  RunningService writer;
  RunningService embedder({.encoder = EncoderInfo{}});
  RunningService classifier({.encoder = EncoderInfo{.labels = {"a", "b"}}});
  constexpr const char* kNo = "unsupported_by_model";
  for (const char* path : {"/score", "/rerank", "/classify"}) {
    EXPECT_EQ(code(writer, path, R"({"input":"a","query":"a"})"), kNo);
  }
  EXPECT_EQ(code(embedder, "/v1/completions", R"({"prompt":"a"})"), kNo);
  EXPECT_EQ(code(embedder, "/classify", R"({"input":"a"})"), kNo);
  EXPECT_EQ(code(classifier, "/v1/embeddings", R"({"input":"a"})"), kNo);
  EXPECT_EQ(code(classifier, "/rerank", R"({"query":"a","documents":["b"]})"), kNo);
}

TEST(EncoderRoutes, EndWithWhatTheModelSays) {
  RunningService failing({.throws_in = "embed", .encoder = EncoderInfo{}});
  EXPECT_EQ(failing.post("/v1/embeddings", R"({"input":"a"})").status, 503);
}

}  // namespace
}  // namespace autoglm::serve
