// Promise 1 at the executor: the logits of a sequence are the same bits alone and in any batch, in
// any chunks, with any number of threads, fused or not.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <random>

#include "goldens/run_model.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

using Logits = std::vector<std::vector<float>>;

std::vector<TokenId> random_tokens(std::mt19937_64& random, int32_t vocab, size_t n) {
  std::vector<TokenId> tokens(n);
  for (TokenId& token : tokens) {
    token = static_cast<TokenId>(random() % static_cast<uint64_t>(vocab));
  }
  return tokens;
}

::testing::AssertionResult same_bits(const Logits& a, const Logits& b) {
  if (a.size() != b.size()) {
    return ::testing::AssertionFailure() << a.size() << " and " << b.size() << " positions";
  }
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j < a[i].size(); ++j) {
      if (std::memcmp(&a[i][j], &b[i][j], sizeof(float)) != 0) {
        return ::testing::AssertionFailure()
               << "position " << i << ", token " << j << ": " << a[i][j] << " and " << b[i][j];
      }
    }
  }
  return ::testing::AssertionSuccess();
}

// Several sequences advance together by random stretches until all are done.
std::vector<Logits> run_mixed(RunModel& model, const std::vector<std::vector<TokenId>>& prompts,
                              std::mt19937_64& random) {
  std::vector<RunModel::Sequence> sequences(prompts.size());
  for (;;) {
    std::vector<std::pair<RunModel::Sequence*, std::span<const TokenId>>> work;
    size_t room = RunModel::kRows;
    for (size_t i = 0; i < prompts.size(); ++i) {
      const std::span<const TokenId> left =
          std::span(prompts[i]).subspan(sequences[i].tokens.size());
      if (left.empty() || room == 0 || random() % 4 == 0) continue;
      // One row as in decoding, or a stretch as in prefill.
      const size_t wish = random() % 2 == 0 ? 1 : 1 + random() % 40;
      const size_t n = std::min({wish, left.size(), room});
      room -= n;
      work.emplace_back(&sequences[i], left.first(n));
    }
    std::shuffle(work.begin(), work.end(), random);
    if (!work.empty()) model.step(work);
    const bool done = std::ranges::all_of(sequences, [&](const RunModel::Sequence& s) {
      const size_t i = static_cast<size_t>(&s - sequences.data());
      return s.tokens.size() == prompts[i].size();
    });
    if (done) break;
  }
  std::vector<Logits> results;
  for (RunModel::Sequence& sequence : sequences) {
    results.push_back(sequence.logits);
    model.release(sequence);
  }
  return results;
}

struct Case {
  std::string folder;
  std::string quantize;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.folder << " at " << c.quantize; }

class Exactness : public testing::TestWithParam<Case> {};

TEST_P(Exactness, ASequenceHasTheSameLogitsAloneInBatchesInChunksAndOnAnyThreads) {
  const std::string path = source_path("tests/data/goldens/") + GetParam().folder;
  constexpr uint64_t kSeed = 20261;
  std::mt19937_64 random(kSeed);
  std::vector<std::vector<TokenId>> prompts;
  std::vector<Logits> alone;
  {
    auto model = RunModel::load(path, {.quantize = GetParam().quantize});
    ASSERT_TRUE(model) << model.error().message();
    for (int i = 0; i < 9; ++i) {
      prompts.push_back(random_tokens(random, model->limits().vocab_size, 1 + random() % 90));
      RunModel::Sequence sequence;
      model->feed(sequence, prompts.back());
      alone.push_back(sequence.logits);
      model->release(sequence);
    }
  }
  for (const int32_t threads : {1, 2, 3}) {
    auto model = RunModel::load(path, {.quantize = GetParam().quantize, .threads = threads});
    ASSERT_TRUE(model) << model.error().message();
    for (const size_t chunk : {size_t{1}, size_t{7}, size_t{32}, size_t{33}}) {
      RunModel::Sequence sequence;
      model->feed(sequence, prompts[0], chunk);
      ASSERT_TRUE(same_bits(sequence.logits, alone[0])) << threads << " threads, chunk " << chunk;
      model->release(sequence);
    }
    for (int round = 0; round < 4; ++round) {
      const std::vector<Logits> mixed = run_mixed(*model, prompts, random);
      for (size_t i = 0; i < prompts.size(); ++i) {
        ASSERT_TRUE(same_bits(mixed[i], alone[i]))
            << threads << " threads, round " << round << ", sequence " << i << ", seed " << kSeed;
      }
    }
  }
}

TEST(MixtureExactness, FusedAndUnfusedProgramsGiveTheSameBits) {
  for (const Case& c : {Case{"qwen3_moe", "none"}, Case{"qwen2_moe", "int8"},
                        Case{"glm4_moe", "int4"}, Case{"glm4_moe", "none"}}) {
    const std::string path = source_path("tests/data/goldens/") + c.folder;
    std::mt19937_64 random(7);
    std::vector<Logits> both;
    for (const bool fuse : {true, false}) {
      auto model = RunModel::load(path, {.quantize = c.quantize, .threads = 2, .fuse = fuse});
      ASSERT_TRUE(model) << model.error().message();
      RunModel::Sequence sequence;
      std::mt19937_64 same = random;
      model->feed(sequence, random_tokens(same, model->limits().vocab_size, 70), 31);
      both.push_back(sequence.logits);
    }
    EXPECT_TRUE(same_bits(both[0], both[1])) << c.folder << " at " << c.quantize;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, Exactness,
                         testing::Values(Case{"glm", "none"}, Case{"glm_bf16", "none"},
                                         Case{"glm4_partial", "int8"}, Case{"glm4", "int4"},
                                         Case{"mistral_window", "none"}, Case{"qwen3", "int4"},
                                         Case{"llama_rope_yarn", "int8"}, Case{"qwen3_moe", "none"},
                                         Case{"qwen3_moe_bf16", "none"}, Case{"qwen3_moe", "int8"},
                                         Case{"qwen3_moe_steps", "int4"}, Case{"mixtral", "int4"},
                                         Case{"qwen2_moe", "int4"}, Case{"qwen2_moe_steps", "none"},
                                         Case{"glm4_moe", "none"}, Case{"glm4_moe", "int8"},
                                         Case{"glm4_moe_flat", "int4"}),
                         [](const auto& c) { return c.param.folder + "_" + c.param.quantize; });

}  // namespace
}  // namespace autoglm
