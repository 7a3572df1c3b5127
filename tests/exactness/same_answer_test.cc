// Promise 1: a request gets the same tokens and the same log-probabilities, bit for bit, whatever
// runs beside it, with one thread or two, with its prompt computed whole or in pieces, found in the
// prefix cache, brought back from a file or computed anew, preempted or not, with tokens drafted
// ahead in every way, at every precision. 200 random requests are answered one by one without a
// cache, then all at once by engines of other shapes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <future>
#include <random>

#include "autoglm/model.h"
#include "formats/synthetic.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

constexpr int kRequests = 200;

std::vector<GenerationRequest> random_requests(const ModelInfo& info, uint32_t seed) {
  std::mt19937 random(seed);
  const auto pick = [&](int64_t low, int64_t high) {
    return low + static_cast<int64_t>(random() % static_cast<uint64_t>(high - low + 1));
  };
  // Three texts that many prompts begin with, over two pages long.
  std::vector<TokenId> beginnings[3];
  for (auto& beginning : beginnings) {
    for (int i = 0; i < 75; ++i) {
      beginning.push_back(TokenId{static_cast<int32_t>(pick(0, info.vocab_size - 1))});
    }
  }
  std::vector<GenerationRequest> requests(kRequests);
  for (GenerationRequest& request : requests) {
    if (pick(0, 2) == 0) request.prompt = beginnings[pick(0, 2)];
    const int64_t length = pick(0, 3) == 0 ? pick(60, 80) : pick(1, 40);
    for (int64_t i = 0; i < length; ++i) {
      request.prompt.push_back(TokenId{static_cast<int32_t>(pick(0, info.vocab_size - 1))});
    }
    SamplingParams& s = request.sampling;
    s.seed = random();
    // Long answers outgrow the pages that admission keeps free: the small pool then preempts.
    s.max_tokens = pick(0, 3) == 0 ? pick(60, 100) : pick(1, 24);
    s.temperature = static_cast<double>(pick(0, 2)) * 0.5;
    if (pick(0, 2) == 0) s.top_k = static_cast<int32_t>(pick(1, 40));
    if (pick(0, 2) == 0) s.top_p = 0.9;
    if (pick(0, 3) == 0) s.min_p = 0.05;
    if (pick(0, 3) == 0) s.repetition_penalty = 1.1;
    if (pick(0, 3) == 0) s.frequency_penalty = 0.2;
    s.logprobs = 20;
    if (pick(0, 4) == 0) s.prompt_logprobs = 20;
    if (pick(0, 9) == 0) s.n = 2;
    s.ignore_eos = pick(0, 1) == 0;
  }
  return requests;
}

bool same_bits(const TokenLogprob& a, const TokenLogprob& b) {
  return a.id == b.id && a.rank == b.rank && a.logprob == b.logprob;
}

bool same_bits(const PositionLogprobs& a, const PositionLogprobs& b) {
  return same_bits(a.taken, b.taken) &&
         std::equal(a.top.begin(), a.top.end(), b.top.begin(), b.top.end(),
                    [](const auto& x, const auto& y) { return same_bits(x, y); });
}

// Where two answers to one request first differ; empty: nowhere.
std::string difference(const GenerationResult& a, const GenerationResult& b) {
  if (a.choices.size() != b.choices.size()) return "number of choices";
  if (a.prompt_logprobs->size() != b.prompt_logprobs->size()) return "number of prompt logprobs";
  for (size_t i = 1; i < a.prompt_logprobs->size(); ++i) {
    if (!same_bits(*(*a.prompt_logprobs)[i], *(*b.prompt_logprobs)[i])) {
      return "prompt position " + std::to_string(i);
    }
  }
  for (size_t c = 0; c < a.choices.size(); ++c) {
    const Choice& x = a.choices[c];
    const Choice& y = b.choices[c];
    if (x.tokens != y.tokens) return "tokens of choice " + std::to_string(c);
    if (x.text != y.text || x.finish_reason != y.finish_reason) return "text or reason";
    if (x.logprobs.size() != x.tokens.size()) return "logprobs are missing";
    for (size_t i = 0; i < x.logprobs.size(); ++i) {
      if (!same_bits(x.logprobs[i], y.logprobs[i])) {
        return "logprobs of choice " + std::to_string(c) + ", token " + std::to_string(i);
      }
    }
  }
  return {};
}

struct Shape {
  const char* name;
  int32_t threads;
  int32_t max_batch_size;
  int32_t max_batched_tokens;
  int64_t pool_sequences;  // the KV pool, in sequences of full length
  SpeculationOptions speculation = {};
  bool prefix_caching = true;
  bool spills = false;  // pages to a file, smaller than what there is to keep
};

Result<GLMModel> load(const std::string& path, const std::string& quantize, const Shape& shape) {
  const std::string spill = testing::TempDir() + "same_answer_test." + std::to_string(getpid());
  LoadOptions options{.quantize = quantize,
                      .kv_cache_memory_bytes = 0,
                      .max_model_len = 256,
                      .max_batch_size = shape.max_batch_size,
                      .max_batched_tokens = shape.max_batched_tokens,
                      .max_queue = kRequests,
                      .enable_prefix_caching = shape.prefix_caching,
                      .threads = shape.threads,
                      .speculation = shape.speculation};
  if (shape.pool_sequences > 0) {
    // Its own default tells how much a token takes.
    auto probe = GLMModel::from_pretrained(path, options);
    if (!probe) return probe;
    const ModelInfo& info = probe->info();
    options.kv_cache_memory_bytes =
        info.kv_pool_bytes / info.kv_pool_tokens * 256 * shape.pool_sequences;
    options.kv_cache_spill_bytes = 2 * options.kv_cache_memory_bytes + (1 << 20);
  }
  if (shape.spills) {
    std::filesystem::remove(spill);
    options.kv_cache_spill_path = spill;
    auto model = GLMModel::from_pretrained(path, options);
    std::filesystem::remove(spill);  // it stays as long as it is open
    return model;
  }
  return GLMModel::from_pretrained(path, options);
}

void expect_same_answers(const std::string& path, const std::string& quantize) {
  const auto alone = load(path, quantize, {"alone", 1, 1, 512, 0, {}, false});
  ASSERT_TRUE(alone) << alone.error().message();
  const auto requests = random_requests(alone->info(), 20261);
  std::vector<GenerationResult> expected;
  for (const GenerationRequest& request : requests) {
    auto result = alone->generate(request);
    ASSERT_TRUE(result) << result.error().message();
    expected.push_back(std::move(*result));
  }

  const std::vector<Shape> shapes = {
      {"one thread, whole prompts, batches of 16", 1, 16, 512, 0},
      {"two threads, whole prompts, batches of 16", 2, 16, 512, 0},
      {"one thread, prompts in pieces, batches of 5", 1, 5, 23, 0},
      {"two threads, prompts in pieces, batches of 7", 2, 7, 17, 0},
      {"two threads, a pool that preempts", 2, 12, 64, 2},
      {"two threads, a pool that preempts and no cache", 2, 12, 64, 2, {}, false},
      {"two threads, a pool that preempts and spills", 2, 12, 64, 2, {}, true, true},
      {"prompt lookup, as it pays", 2, 16, 512, 0, {.method = "ngram"}},
      {"prompt lookup of single tokens, always",
       1,
       5,
       64,
       0,
       {.method = "ngram",
        .num_speculative_tokens = 5,
        .prompt_lookup_min = 1,
        .prompt_lookup_max = 2,
        .adaptive = false}},
      {"the model at int4 drafts for itself, a pool that preempts",
       2,
       12,
       64,
       2,
       {.method = "draft_model",
        .num_speculative_tokens = 4,
        .model = path,
        .quantize = "int4",
        .adaptive = false}},
  };
  for (const Shape& shape : shapes) {
    SCOPED_TRACE(shape.name);
    const auto model = load(path, quantize, shape);
    ASSERT_TRUE(model) << model.error().message();
    std::vector<size_t> order(requests.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(7));
    std::vector<std::future<Result<GenerationResult>>> answers(requests.size());
    for (const size_t i : order) {
      GenerationRequest request = requests[i];
      if (i % 4 == 0) {
        // Predicted, but for a token in the middle.
        std::vector<TokenId> prediction = expected[i].choices[0].tokens;
        if (i % 8 == 0) prediction[prediction.size() / 2] = TokenId{1};
        request.prediction = std::move(prediction);
      }
      answers[i] =
          std::async(std::launch::async, [&, request] { return model->generate(request); });
    }
    int different = 0;
    for (size_t i = 0; i < requests.size(); ++i) {
      const auto answer = answers[i].get();
      ASSERT_TRUE(answer) << answer.error().message();
      const std::string where = difference(expected[i], *answer);
      if (!where.empty() && ++different <= 3) ADD_FAILURE() << "request " << i << ": " << where;
    }
    EXPECT_EQ(different, 0) << "of " << requests.size();
    // How many there are depends on when the threads above run; the engine's seeded simulation
    // (engine_core_test.cc) is where preemption is certain.
    const EngineStats stats = model->stats();
    std::printf(
        "%s: %lld preemptions, %lld of %lld drafted tokens accepted, %lld of %lld prompt tokens "
        "found, %lld pages spilled, %lld read\n",
        shape.name, static_cast<long long>(stats.preemptions),
        static_cast<long long>(stats.spec_decode_accepted_tokens),
        static_cast<long long>(stats.spec_decode_draft_tokens),
        static_cast<long long>(stats.prefix_cache_hits),
        static_cast<long long>(stats.prefix_cache_queries),
        static_cast<long long>(stats.kv_spill_pages_written),
        static_cast<long long>(stats.kv_spill_pages_read));
    EXPECT_EQ(stats.prefix_cache_hits > 0, shape.prefix_caching);
    EXPECT_EQ(stats.kv_spill_pages_written > 0, shape.spills);
    EXPECT_EQ(stats.kv_spill_failures, 0);
    if (shape.speculation.method == "none") {
      EXPECT_EQ(stats.spec_decode_draft_tokens, 0);
    } else if (!shape.speculation.adaptive) {
      EXPECT_GT(stats.spec_decode_accepted_tokens, 0);
    }
  }
}

class SameAnswer : public testing::TestWithParam<std::string> {};

TEST_P(SameAnswer, Stories260KInAnyCompany) {
  const auto path = shared_data("weights/stories260K/hf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  expect_same_answers(*path, GetParam());
}

TEST_P(SameAnswer, TheEmbeddedModelInAnyCompany) {
  const std::string path = source_path("models/tiny-glm");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "models/tiny-glm is not in this checkout";
  expect_same_answers(path, GetParam());
}

// A mixture of random weights: whom a token shares its experts with changes nothing.
TEST(SameAnswerOfAMixture, InAnyCompany) {
  const std::string path = testing::TempDir() + "same_answer_mixture." + std::to_string(getpid());
  SyntheticShape shape = synthetic_preset("tiny", "Glm4MoeForCausalLM").value();
  shape.hidden_size = 64;
  shape.intermediate_size = 96;
  shape.heads = 4;
  shape.kv_heads = 2;
  shape.head_dim = 16;
  shape.vocab_size = 300;
  shape.expert_size = 48;
  shape.experts_per_token = 3;
  const auto written = write_synthetic({.path = path, .shape = shape});
  ASSERT_TRUE(written) << written.error().message();
  for (const char* quantize : {"none", "int4"}) expect_same_answers(path, quantize);
  std::filesystem::remove_all(path);
}

INSTANTIATE_TEST_SUITE_P(Precisions, SameAnswer,
                         testing::Values("none", "int8", "int5", "int4", "int4-g64", "int3",
                                         "int2-g64"),
                         [](const auto& precision) {
                           std::string name = precision.param;
                           std::erase(name, '-');
                           return name;
                         });

}  // namespace
}  // namespace autoglm
