// Lengths, contents, arrivals and bodies of a load; what its figures come to.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "cli/load/driver.h"
#include "cli/load/lengths.h"
#include "cli/load/request_form.h"
#include "cli/load/summary.h"
#include "cli/load/svg_plot.h"
#include "cli/load/workload.h"

namespace autoglm::load {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

std::vector<double> sampled(const std::string& text, int n = 20000) {
  Random random(7);
  const LengthDistribution lengths = *LengthDistribution::parse(text, "flag");
  std::vector<double> values;
  for (int i = 0; i < n; ++i) values.push_back(static_cast<double>(lengths.sample(random)));
  return values;
}

TEST(Lengths, FollowTheirDistributions) {
  EXPECT_THAT(sampled("128", 10), Each(128));
  EXPECT_THAT(sampled("fixed:7", 10), Each(7));
  const Distribution uniform = Distribution::of(sampled("uniform:64:256"));
  EXPECT_EQ(uniform.min, 64);
  EXPECT_EQ(uniform.max, 256);
  EXPECT_NEAR(uniform.mean, 160, 2);
  const Distribution lognormal = Distribution::of(sampled("lognormal:100:0.5:2000"));
  EXPECT_NEAR(lognormal.p50, 100, 2);
  // The 90th percentile of a normal distribution lies 1.2816 deviations above its middle.
  EXPECT_NEAR(lognormal.p90, 100 * std::exp(0.5 * 1.2816), 5);
  EXPECT_LE(Distribution::of(sampled("lognormal:100:3:500")).max, 500);
  const LengthDistribution around = LengthDistribution::around(100, 0.25);
  EXPECT_EQ(around.describe(), "uniform:75:125");
}

TEST(Lengths, WhatIsNoDistributionIsRefusedByTheFlagsName) {
  for (const char* wrong : {"", "0", "-1", "x", "1.5", "uniform:5", "uniform:9:5", "uniform:1:2:3",
                            "lognormal:5", "lognormal:5:x", "lognormal:5:9", "lognormal:5:1:2",
                            "normal:1:2", "128:", "lognormal:5:nan"}) {
    const auto parsed = LengthDistribution::parse(wrong, "--random-input-len");
    ASSERT_FALSE(parsed) << wrong;
    EXPECT_EQ(parsed.error().where, "--random-input-len");
  }
}

WorkloadOptions mixed() {
  WorkloadOptions options;
  options.input = *LengthDistribution::parse("uniform:10:20", "");
  options.prefix_tokens = 50;
  options.n_prefixes = 4;
  options.turns = 3;
  options.structured_ratio = 0.25;
  return options;
}

TEST(Workload, TheSeedAndTheNumberAloneDecideAConversation) {
  WorkloadOptions options = mixed();
  const Conversation first = make_conversation(options, 5);
  const Conversation again = make_conversation(options, 5);
  EXPECT_EQ(first.prefix_seed, again.prefix_seed);
  EXPECT_EQ(first.turns[2].content_seed, again.turns[2].content_seed);
  EXPECT_NE(first.turns[0].content_seed, make_conversation(options, 6).turns[0].content_seed);
  options.seed = 1;
  EXPECT_NE(first.turns[0].content_seed, make_conversation(options, 5).turns[0].content_seed);
}

TEST(Workload, SharesPrefixesAndMixesInStructuredTurns) {
  const WorkloadOptions options = mixed();
  std::set<uint64_t> prefixes;
  double structured = 0;
  for (int i = 0; i < 2000; ++i) {
    const Conversation conversation = make_conversation(options, i);
    prefixes.insert(conversation.prefix_seed);
    for (const Turn& turn : conversation.turns) structured += turn.structured ? 1 : 0;
  }
  EXPECT_EQ(prefixes.size(), 4u);
  EXPECT_NEAR(structured / 6000, 0.25, 0.03);
}

TEST(Workload, IdsStayInTheVocabularyAndAboveTheSpecialOnes) {
  const std::vector<int32_t> ids = random_ids(3, 5000, 1000);
  EXPECT_EQ(*std::min_element(ids.begin(), ids.end()), 256);
  EXPECT_EQ(*std::max_element(ids.begin(), ids.end()), 999);
  EXPECT_EQ(random_ids(3, 5000, 1000), ids);
  for (const int32_t id : random_ids(3, 100, 10)) EXPECT_TRUE(id >= 0 && id < 10);
  const std::string words = random_words(1, 50);
  EXPECT_EQ(std::count(words.begin(), words.end(), ' '), 49);
}

TEST(Arrivals, ArePoissonUnlessBurstier) {
  RunOptions options{.request_rate = 20};
  std::vector<double> gaps;
  for (int i = 0; i < 20000; ++i) gaps.push_back(arrival_gap_s(options, i));
  const Distribution poisson = Distribution::of(gaps);
  EXPECT_NEAR(poisson.mean, 0.05, 0.002);
  EXPECT_NEAR(poisson.std, 0.05, 0.003);  // an exponential's deviation is its mean
  options.burstiness = 0.25;
  for (int i = 0; i < 20000; ++i) gaps[static_cast<size_t>(i)] = arrival_gap_s(options, i);
  const Distribution bursty = Distribution::of(gaps);
  EXPECT_NEAR(bursty.mean, 0.05, 0.004);
  EXPECT_NEAR(bursty.std, 0.1, 0.01);  // mean / sqrt(shape)
}

json::object parsed(const std::string& body) { return json::parse(body, "body")->as_object(); }

TEST(Bodies, OfACompletionHoldExactlyAsManyIdsAsPlanned) {
  RequestForm form{.model = "m", .token_ids = true, .vocab_size = 4096};
  form.extra["temperature"] = 0;
  WorkloadOptions options = mixed();
  options.turns = 1;
  options.structured_ratio = 1;
  const Conversation conversation = make_conversation(options, 0);
  Dialogue dialogue(form, conversation);
  const json::object body = parsed(dialogue.next_body());
  EXPECT_EQ(std::ssize(body.at("prompt").as_array()), 50 + conversation.turns[0].input_tokens);
  EXPECT_EQ(body.at("max_tokens"), 64);
  EXPECT_EQ(body.at("stream"), true);
  EXPECT_EQ(body.at("stream_options").at("include_usage"), true);
  EXPECT_EQ(body.at("temperature"), 0);
  EXPECT_EQ(body.at("response_format").at("type"), "json_schema");
}

TEST(Bodies, OfAConversationCarryWhatTheServerSaid) {
  const RequestForm form{.path = "/v1/chat/completions", .tokens_per_word = 2};
  const Conversation conversation = make_conversation(mixed(), 0);
  Dialogue dialogue(form, conversation);
  dialogue.next_body();
  dialogue.answered("an answer");
  const json::object body = parsed(dialogue.next_body());
  std::vector<std::string> roles;
  for (const json::value& message : body.at("messages").as_array()) {
    roles.emplace_back(message.at("role").as_string());
  }
  EXPECT_THAT(roles, ElementsAre("system", "user", "assistant", "user"));
  EXPECT_EQ(body.at("messages").at(2).at("content"), "an answer");
  const std::string prefix(body.at("messages").at(0).at("content").as_string());
  EXPECT_EQ(std::count(prefix.begin(), prefix.end(), ' '), 24);  // 50 tokens are 25 words
}

TEST(Figures, PercentilesLieBetweenValuesAsNumpysDo) {
  const Distribution d = Distribution::of({4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(d.p50, 2.5);
  EXPECT_DOUBLE_EQ(d.percentile(90), 3.7);
  EXPECT_DOUBLE_EQ(d.percentile(100), 4);
  EXPECT_DOUBLE_EQ(d.mean, 2.5);
  EXPECT_NEAR(d.std, 1.118034, 1e-6);
  EXPECT_EQ(Distribution::of({}).percentile(50), 0);
}

Observation answered(double start_s, double first_s, double end_s, int64_t tokens) {
  Observation seen;
  seen.start_s = start_s;
  seen.first_piece_s = first_s;
  seen.end_s = end_s;
  seen.output_tokens = tokens;
  seen.input_tokens = 10;
  return seen;
}

TEST(Figures, GoodputCountsWhatMeetsEveryLimit) {
  RunResult run{.duration_s = 2};
  run.observations.push_back(answered(0, 0.1, 1.1, 11));   // ttft 100, tpot 100
  run.observations.push_back(answered(0, 0.1, 0.3, 11));   // ttft 100, tpot 20
  run.observations.push_back(answered(1, 1.9, 2.0, 11));   // ttft 900, tpot 10
  run.observations.push_back(answered(1, 1.05, 1.05, 1));  // one token: no tpot
  Observation lost;
  lost.start_s = lost.end_s = 0.5;
  lost.failure = Failure::kStatus;
  lost.status = 429;
  lost.detail = "queue full";
  run.observations.push_back(lost);
  const Summary s = summarize(run, *parse_objective({"ttft:500", "tpot:50"}));
  EXPECT_EQ(s.completed, 4);
  EXPECT_EQ(s.failed, 1);
  EXPECT_EQ(s.good, 2);
  EXPECT_EQ(s.output_tokens, 34);
  EXPECT_DOUBLE_EQ(s.per_second(s.output_tokens), 17);
  EXPECT_EQ(s.tpot_ms.n, 3);
  EXPECT_DOUBLE_EQ(s.ttft_ms.max, 900);
  EXPECT_EQ(s.peak_concurrency, 3);
  EXPECT_EQ(s.errors.at("http status 429"), 1);
  EXPECT_EQ(s.error_examples.at("http status 429"), "queue full");
  for (const char* wrong : {"ttft", "ttft:", "ttft:0", "ttft:-1", "itl:5", "ttft:5x", "ttft:nan"}) {
    EXPECT_FALSE(parse_objective({wrong})) << wrong;
  }
}

TEST(Plots, TicksAreRoundAndReachTheTop) {
  EXPECT_THAT(ticks(5), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(ticks(0.6), ::testing::SizeIs(7));
  EXPECT_DOUBLE_EQ(ticks(1234).back(), 1500);
  EXPECT_DOUBLE_EQ(ticks(0).back(), 1);
  for (double top = 1e-6; top < 1e9; top *= 1.7) {
    const std::vector<double> marks = ticks(top);
    EXPECT_LE(marks.size(), 8u) << top;
    EXPECT_GE(marks.back(), top * (1 - 1e-6)) << top;
  }
  EXPECT_EQ(escaped("<a b='\"&'>"), "&lt;a b=&#39;&quot;&amp;&#39;&gt;");
}

}  // namespace
}  // namespace autoglm::load
