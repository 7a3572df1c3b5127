#include "engine/request_check.h"

#include <gtest/gtest.h>

#include <limits>

namespace autoglm {
namespace {

constexpr RequestLimits kLimits{.vocab_size = 100, .max_model_len = 50, .pool_tokens = 64};

GenerationRequest good() { return {.prompt = {TokenId{1}, TokenId{2}}}; }

// The parameter that the error names, after `change` made a good request bad.
template <class Change>
std::string refused(Change change) {
  GenerationRequest request = good();
  change(request, request.sampling);
  const auto result = check_request(request, kLimits);
  return result ? "accepted" : result.error().where;
}

TEST(RequestCheck, AcceptsWhatIsInRange) {
  EXPECT_TRUE(check_request(good(), kLimits));
  EXPECT_EQ(answer_limit(good(), kLimits), 48);
  GenerationRequest full = good();
  full.sampling.max_tokens = 48;
  full.sampling.min_tokens = 48;
  EXPECT_TRUE(check_request(full, kLimits));
}

TEST(RequestCheck, NamesTheParameterThatIsOutOfRange) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(refused([](auto& r, auto&) { r.prompt.clear(); }), "prompt");
  EXPECT_EQ(refused([](auto& r, auto&) { r.prompt.push_back(TokenId{100}); }), "prompt");
  EXPECT_EQ(refused([](auto& r, auto&) { r.prompt.push_back(TokenId{-1}); }), "prompt");
  EXPECT_EQ(refused([](auto& r, auto&) { r.prompt.resize(51); }), "prompt");
  EXPECT_EQ(refused([](auto& r, auto&) { r.prompt.resize(50); }), "max_tokens");
  EXPECT_EQ(refused([](auto& r, auto&) { r.prediction = std::vector{TokenId{100}}; }),
            "prediction");
  EXPECT_EQ(refused([](auto& r, auto&) { r.prediction = std::vector<TokenId>(51); }), "prediction");
  EXPECT_EQ(refused([](auto&, auto& s) { s.num_speculative_tokens = -1; }),
            "num_speculative_tokens");
  EXPECT_EQ(refused([](auto&, auto& s) { s.max_tokens = 49; }), "max_tokens");
  EXPECT_EQ(refused([](auto&, auto& s) { s.max_tokens = -1; }), "max_tokens");
  EXPECT_EQ(refused([](auto&, auto& s) { s.min_tokens = 49; }), "min_tokens");
  EXPECT_EQ(refused([&](auto&, auto& s) { s.temperature = nan; }), "temperature");
  EXPECT_EQ(refused([](auto&, auto& s) { s.temperature = -0.1; }), "temperature");
  EXPECT_EQ(refused([](auto&, auto& s) { s.top_k = -2; }), "top_k");
  EXPECT_EQ(refused([](auto&, auto& s) { s.top_p = 0; }), "top_p");
  EXPECT_EQ(refused([](auto&, auto& s) { s.min_p = 1.1; }), "min_p");
  EXPECT_EQ(refused([](auto&, auto& s) { s.repetition_penalty = 0; }), "repetition_penalty");
  EXPECT_EQ(refused([](auto&, auto& s) { s.presence_penalty = 2.1; }), "presence_penalty");
  EXPECT_EQ(refused([&](auto&, auto& s) { s.frequency_penalty = nan; }), "frequency_penalty");
  EXPECT_EQ(refused([](auto&, auto& s) {
              s.logit_bias = std::map<int32_t, double>{{100, 1}};
            }),
            "logit_bias");
  EXPECT_EQ(refused([](auto&, auto& s) {
              s.logit_bias = std::map<int32_t, double>{{1, 101}};
            }),
            "logit_bias");
  EXPECT_EQ(refused([](auto&, auto& s) { s.stop_token_ids = {TokenId{100}}; }), "stop_token_ids");
  EXPECT_EQ(refused([](auto&, auto& s) { s.stop = {""}; }), "stop");
  EXPECT_EQ(refused([](auto&, auto& s) { s.stop = {"\xff"}; }), "stop");
  EXPECT_EQ(refused([](auto&, auto& s) { s.n = 0; }), "n");
  EXPECT_EQ(refused([](auto&, auto& s) { s.n = 129; }), "n");
  EXPECT_EQ(refused([](auto&, auto& s) { s.logprobs = 21; }), "logprobs");
  EXPECT_EQ(refused([](auto&, auto& s) { s.prompt_logprobs = -1; }), "prompt_logprobs");
}

}  // namespace
}  // namespace autoglm
