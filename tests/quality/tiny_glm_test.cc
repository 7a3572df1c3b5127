// tiny-glm against transformers: its perplexity over text it was not trained on, and its greedy
// answers. The references are tests/data/tiny_glm_*.json, written by tools/tiny_glm/evaluate.py.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "autoglm/model.h"
#include "base/files.h"
#include "base/json.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

GLMModel load(const std::string& quantize, const std::string& kv_cache_dtype) {
  auto model = GLMModel::from_pretrained(
      source_path("models/tiny-glm"),
      {.quantize = quantize, .kv_cache_dtype = kv_cache_dtype, .kv_cache_memory_bytes = 64 << 20});
  if (!model) {
    ADD_FAILURE() << model.error().message();
    std::abort();
  }
  return *model;
}

// exp of the mean negative log-likelihood, in windows of `context` tokens that start fresh; the
// first token of a window is not scored.
double perplexity(const GLMModel& model, const std::vector<TokenId>& tokens, size_t context) {
  double sum = 0;
  int64_t scored = 0;
  for (size_t begin = 0; begin < tokens.size(); begin += context) {
    const size_t end = std::min(begin + context, tokens.size());
    GenerationRequest request;
    request.prompt.assign(tokens.begin() + static_cast<int64_t>(begin),
                          tokens.begin() + static_cast<int64_t>(end));
    request.sampling.max_tokens = 0;
    request.sampling.prompt_logprobs = 0;
    const Result<GenerationResult> result = model.generate(std::move(request));
    if (!result) {
      ADD_FAILURE() << result.error().message();
      return 0;
    }
    for (const auto& position : *result->prompt_logprobs) {
      if (!position) continue;
      sum -= static_cast<double>(position->taken.logprob);
      ++scored;
    }
  }
  return std::exp(sum / static_cast<double>(scored));
}

struct Reference {
  std::vector<TokenId> tokens;
  size_t context = 0;
  double perplexity = 0;
};

Reference reference(const GLMModel& model) {
  const auto document = json::parse_file(source_path("tests/data/tiny_glm_perplexity.json"));
  const auto text = read_file(source_path("tests/data/tiny_glm_heldout.txt"), 1 << 20);
  EXPECT_TRUE(document && text);
  const json::object& fields = document->get_object();
  auto tokens = model.tokenize(*text, {.add_special_tokens = false});
  EXPECT_TRUE(tokens);
  EXPECT_EQ(static_cast<int64_t>(tokens->size()), fields.at("tokens").get_int64());
  return {std::move(*tokens), static_cast<size_t>(fields.at("context").get_int64()),
          fields.at("perplexity").to_number<double>()};
}

TEST(TinyGlm, HasThePerplexityThatTransformersFinds) {
  const GLMModel model = load("none", "f32");
  const Reference expected = reference(model);
  const double found = perplexity(model, expected.tokens, expected.context);
  EXPECT_NEAR(found / expected.perplexity, 1, 1e-4);
}

TEST(TinyGlm, LosesLittleToQuantization) {
  const GLMModel whole = load("none", "auto");
  const Reference expected = reference(whole);
  const double none = perplexity(whole, expected.tokens, expected.context);
  const double int8 = perplexity(load("int8", "auto"), expected.tokens, expected.context);
  const double int4 = perplexity(load("int4", "auto"), expected.tokens, expected.context);
  RecordProperty("perplexity_none", std::to_string(none));
  RecordProperty("perplexity_int8", std::to_string(int8));
  RecordProperty("perplexity_int4", std::to_string(int4));
  std::printf("perplexity: none %.3f, int8 %.3f (%+.3f %%), int4 %.3f (%+.3f %%)\n", none, int8,
              (int8 / none - 1) * 100, int4, (int4 / none - 1) * 100);
  EXPECT_LT(int8 / none, 1.005);
  EXPECT_LT(int4 / none, 1.02);
}

TEST(TinyGlm, LosesLittleToKeysAndValuesInInt8) {
  const GLMModel whole = load("none", "bf16");
  const Reference expected = reference(whole);
  const double bf16 = perplexity(whole, expected.tokens, expected.context);
  const double int8 = perplexity(load("none", "int8"), expected.tokens, expected.context);
  std::printf("perplexity: KV bf16 %.4f, int8 %.4f (%+.4f %%)\n", bf16, int8,
              (int8 / bf16 - 1) * 100);
  EXPECT_NEAR(int8 / bf16, 1, 1e-3);
}

TEST(TinyGlm, AnswersAsTransformersDoes) {
  const auto document = json::parse_file(source_path("tests/data/tiny_glm_answers.json"));
  ASSERT_TRUE(document) << document.error().message();
  const GLMModel model = load("none", "f32");
  const auto ids = [](const json::value& list) {
    std::vector<TokenId> out;
    for (const json::value& id : list.get_array()) out.push_back(TokenId{id.to_number<int32_t>()});
    return out;
  };
  ASSERT_FALSE(document->get_array().empty());
  for (const json::value& item : document->get_array()) {
    const json::object& fields = item.get_object();
    const std::vector<TokenId> expected = ids(fields.at("answer_ids"));
    GenerationRequest request;
    request.prompt = ids(fields.at("prompt_ids"));
    request.sampling.temperature = 0;
    request.sampling.max_tokens = static_cast<int64_t>(expected.size());
    const Result<GenerationResult> result = model.generate(std::move(request));
    ASSERT_TRUE(result) << result.error().message();
    EXPECT_EQ(result->choices.front().tokens, expected) << boost::json::serialize(item);
  }
}

}  // namespace
}  // namespace autoglm
