// Every folder of tests/data/encoders: the tokenizer's ids, the hidden states of all tokens, and
// the vector or the scores of each text, against what transformers computes; and promise 1: a
// text's result is the same bytes alone, in any batch, on any number of threads and instruction
// set. Bounds as in golden_logits_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <random>

#include "autoglm/model.h"
#include "base/files.h"
#include "base/json.h"
#include "formats/checkpoint.h"
#include "formats/safetensors.h"
#include "kernels/isa.h"
#include "runtime/load_executor.h"
#include "support/shared_data.h"

namespace autoglm {
namespace {

struct Golden {
  std::vector<EncoderText> texts;
  std::vector<float> hidden, made;
};

template <class T>
std::vector<T> values_of(const StoredTensor& tensor) {
  std::vector<T> values(tensor.bytes.size() / sizeof(T));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

Result<Golden> read_golden(const std::string& path) {
  const std::string bytes = AGLM_TRY(read_file(path, size_t{1} << 24));
  const auto tensors = AGLM_TRY(parse_safetensors(std::as_bytes(std::span(bytes)), path));
  Golden golden;
  std::vector<int64_t> ids, types, lengths;
  for (const StoredTensor& tensor : tensors) {
    if (tensor.name == "ids") ids = values_of<int64_t>(tensor);
    if (tensor.name == "types") types = values_of<int64_t>(tensor);
    if (tensor.name == "lengths") lengths = values_of<int64_t>(tensor);
    if (tensor.name == "hidden") golden.hidden = values_of<float>(tensor);
    if (tensor.name == "made") golden.made = values_of<float>(tensor);
  }
  size_t at = 0;
  for (const int64_t length : lengths) {
    EncoderText text;
    for (const size_t end = at + static_cast<size_t>(length); at < end; ++at) {
      text.tokens.push_back(static_cast<TokenId>(ids[at]));
      text.token_types.push_back(static_cast<uint8_t>(types[at]));
    }
    golden.texts.push_back(std::move(text));
  }
  return golden;
}

double relative_error(std::span<const float> found, std::span<const float> expected) {
  double difference = 0, norm = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double d = double{found[i]} - double{expected[i]};
    difference += d * d;
    norm += double{expected[i]} * double{expected[i]};
  }
  return std::sqrt(difference / norm);
}

std::vector<float> joined(const std::vector<std::vector<float>>& rows) {
  std::vector<float> all;
  for (const std::vector<float>& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

std::string folder_of(const std::string& name) {
  return source_path("tests/data/encoders/") + name;
}
double bound_of(const std::string& name) { return name.ends_with("_bf16") ? 1e-2 : 1e-4; }

// As the model computes them: not scaled, not activated.
EncodingRequest plain(std::vector<EncoderText> texts) {
  return {.texts = std::move(texts), .normalize = false, .activate = false};
}

class Encoders : public testing::TestWithParam<std::string> {};

TEST_P(Encoders, MakeOfTextsWhatTheReferenceMakes) {
  const std::string folder = folder_of(GetParam());
  const auto golden = read_golden(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message();
  const auto model = GLMModel::from_pretrained(folder, {.threads = 1});
  ASSERT_TRUE(model) << model.error().message();
  const auto texts = json::parse_file(folder + "/texts.json");
  ASSERT_TRUE(texts) << texts.error().message();
  ASSERT_EQ(texts->as_array().size(), golden->texts.size());
  std::vector<EncoderText> read;
  for (size_t i = 0; i < golden->texts.size(); ++i) {
    const json::value& text = texts->as_array()[i];
    const auto pair = [&](size_t side) { return std::string(text.at(side).as_string()); };
    auto made = text.is_array() ? model->encoder_text(pair(0), pair(1))
                                : model->encoder_text(std::string(text.as_string()), std::nullopt);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(made->tokens, golden->texts[i].tokens) << text;
    const std::vector<uint8_t> none(golden->texts[i].tokens.size());
    EXPECT_EQ(made->token_types.empty() ? none : made->token_types, golden->texts[i].token_types);
    read.push_back(*std::move(made));
  }
  const auto made = model->encode(plain(read));
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_LE(relative_error(joined(*made), golden->made), bound_of(GetParam()));
}

// The rows of the last norm, before any is dropped: unfused.
TEST_P(Encoders, HaveTheHiddenStatesOfTheReference) {
  const std::string folder = folder_of(GetParam());
  const auto golden = read_golden(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message();
  const auto checkpoint = Checkpoint::open(folder);
  ASSERT_TRUE(checkpoint) << checkpoint.error().message();
  std::vector<float> last;
  const auto keep = [&](const ComputedRows& rows) {
    if (rows.instruction.node.op != Op::kLayerNorm) return;
    last.clear();
    for (int64_t i = 0; i < rows.n_rows; ++i) {
      const float* row = rows.data + i * rows.instruction.result.stride;
      last.insert(last.end(), row, row + rows.instruction.result.columns);
    }
  };
  auto loaded =
      load_executor(**checkpoint, {.threads = 1, .max_rows = 96, .fuse = false, .on_result = keep});
  ASSERT_TRUE(loaded) << loaded.error().message();
  std::vector<TokenId> tokens;
  std::vector<uint8_t> types;
  std::vector<StepSequence> sequences;
  std::vector<int32_t> rows;
  for (const EncoderText& text : golden->texts) {
    const auto first = static_cast<int32_t>(tokens.size());
    sequences.push_back({.first_row = first, .n_rows = static_cast<int32_t>(text.tokens.size())});
    rows.push_back(first);
    tokens.insert(tokens.end(), text.tokens.begin(), text.tokens.end());
    types.insert(types.end(), text.token_types.begin(), text.token_types.end());
  }
  loaded->executor->step(
      {.tokens = tokens, .token_types = types, .sequences = sequences, .output_rows = rows});
  ASSERT_EQ(last.size(), golden->hidden.size());
  EXPECT_LE(relative_error(last, golden->hidden), bound_of(GetParam()));
}

TEST_P(Encoders, GiveATextTheSameBytesAloneInBatchesAndOnAnyThreads) {
  const std::string folder = folder_of(GetParam());
  const auto golden = read_golden(folder + "/golden.safetensors");
  ASSERT_TRUE(golden) << golden.error().message();
  std::mt19937_64 random(20263);
  for (const char* quantize : {"none", "int8"}) {
    std::vector<std::vector<float>> alone;
    for (const int32_t threads : {1, 2, 3}) {
      // Steps of 40 rows hold some of the texts, and never all.
      const auto model = GLMModel::from_pretrained(
          folder, {.quantize = quantize, .max_batched_tokens = 40, .threads = threads});
      ASSERT_TRUE(model) << model.error().message();
      for (size_t i = 0; i < golden->texts.size() && threads == 1; ++i) {
        const auto one = model->encode(plain({golden->texts[i]}));
        ASSERT_TRUE(one) << one.error().message();
        alone.push_back(one->front());
      }
      for (int round = 0; round < 4; ++round) {
        std::vector<size_t> order;
        std::vector<EncoderText> texts;
        for (int i = 0; i < 20; ++i) order.push_back(random() % golden->texts.size());
        for (const size_t i : order) texts.push_back(golden->texts[i]);
        const auto batch = model->encode(plain(texts));
        ASSERT_TRUE(batch) << batch.error().message();
        for (size_t i = 0; i < order.size(); ++i) {
          EXPECT_EQ((*batch)[i], alone[order[i]]) << quantize << ", " << threads << " threads";
        }
      }
    }
  }
}

TEST(EncoderTexts, AreCutAsTheTokenizersLibraryCutsThem) {
  const auto model = GLMModel::from_pretrained(folder_of("bert_reranker"), {.threads = 1});
  ASSERT_TRUE(model) << model.error().message();
  const auto whole = model->encoder_text("the cat sat on the mat", "a dog");
  ASSERT_TRUE(whole) << whole.error().message();
  ASSERT_EQ(whole->tokens.size(), 11u);
  const auto cut = model->encoder_text("the cat sat on the mat", "a dog", {.max_tokens = 8});
  ASSERT_TRUE(cut) << cut.error().message();
  EXPECT_EQ(cut->token_types, (std::vector<uint8_t>{0, 0, 0, 0, 0, 1, 1, 1}));
  EXPECT_EQ(std::vector(cut->tokens.begin(), cut->tokens.begin() + 4),
            std::vector(whole->tokens.begin(), whole->tokens.begin() + 4));
  const auto one = model->encoder_text("the cat sat", std::nullopt, {.max_tokens = 4});
  ASSERT_TRUE(one) << one.error().message();
  EXPECT_EQ(one->tokens.size(), 4u);
  EXPECT_EQ(one->tokens.back(), whole->tokens.back());
  const auto none = model->encoder_text("the cat", std::nullopt, {.max_tokens = 2});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().where, "truncate_prompt_tokens");
}

TEST(EncoderResults, AreScaledCutAndActivatedAsAsked) {
  const auto model = GLMModel::from_pretrained(folder_of("bert"), {.threads = 1});
  ASSERT_TRUE(model) << model.error().message();
  EncodingRequest request;
  request.texts.push_back(*model->encoder_text("the cat", std::nullopt));
  const auto length = [](const std::vector<float>& v) {
    double squares = 0;
    for (const float x : v) squares += double{x} * double{x};
    return std::sqrt(squares);
  };
  EXPECT_NEAR(length(model->encode(request)->front()), 1, 1e-6);  // as its modules say
  request.dimensions = 5;
  EXPECT_NEAR(length(model->encode(request)->front()), 1, 1e-6);
  EXPECT_EQ(model->encode(request)->front().size(), 5u);
  request.normalize = false;
  EXPECT_GT(length(model->encode(request)->front()), 1.01);

  const auto classifier = GLMModel::from_pretrained(folder_of("bert_classifier"), {.threads = 1});
  ASSERT_TRUE(classifier) << classifier.error().message();
  const auto probabilities = classifier->encode({.texts = request.texts});
  ASSERT_TRUE(probabilities) << probabilities.error().message();
  ASSERT_EQ(probabilities->front().size(), 3u);
  EXPECT_NEAR(probabilities->front()[0] + probabilities->front()[1] + probabilities->front()[2], 1,
              1e-6);
}

TEST(EncoderRequests, ThatMakeNoSenseAreRefused) {
  const auto model = GLMModel::from_pretrained(folder_of("xlm_roberta"), {.threads = 1});
  ASSERT_TRUE(model) << model.error().message();
  EXPECT_EQ(model->info().max_model_len, 32);  // of 34 positions, two behind the padding's id
  const auto refusal = [&](EncodingRequest request) {
    const auto result = model->encode(std::move(request));
    return result ? std::string() : result.error().message();
  };
  using testing::HasSubstr;
  EXPECT_THAT(refusal({}), HasSubstr("texts"));
  EXPECT_THAT(refusal({.texts = {{}}}), HasSubstr("at least one token"));
  EXPECT_THAT(refusal({.texts = {{.tokens = std::vector<TokenId>(33, TokenId{5})}}}),
              HasSubstr("maximum context length is 32"));
  EXPECT_THAT(refusal({.texts = {{.tokens = {TokenId{99999}}}}}), HasSubstr("token ids"));
  EXPECT_THAT(refusal({.texts = {{.tokens = {TokenId{5}}, .token_types = {1}}}}),
              HasSubstr("token_types"));
  EXPECT_THAT(refusal({.texts = {{.tokens = {TokenId{5}}}}, .dimensions = 41}),
              HasSubstr("dimensions"));
  const auto generated = model->generate("a");
  ASSERT_FALSE(generated);
  EXPECT_EQ(generated.error().reason, ErrorReason::kNotThisModel);
}

std::vector<std::string> folders() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_of(""))) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Folders, Encoders, testing::ValuesIn(folders()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace autoglm
