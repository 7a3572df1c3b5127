// Ids that others published for real vocabularies: llama.cpp's test vectors, vectors made with
// transformers, and the prompts of four chat models.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <span>

#include "base/files.h"
#include "base/json.h"
#include "runtime/load_tokenizer.h"
#include "support/shared_data.h"
#include "text/tokenizer.h"

namespace autoglm {
namespace {

using Ids = std::vector<int64_t>;
using TokenizerPtr = std::shared_ptr<const Tokenizer>;

TokenizerPtr open(const std::string& path) {
  Result<TokenizerPtr> tokenizer = load_tokenizer(path);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message();
  return tokenizer ? *tokenizer : nullptr;
}

// Some formats are known by the name of their file: a copy of the folder's files under other names.
class Folder {
 public:
  explicit Folder(std::string_view name)
      : path_(std::filesystem::temp_directory_path() /
              ("autoglm-" + std::string(name) + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  void link(const std::string& from, std::string_view name) {
    std::filesystem::create_symlink(std::filesystem::absolute(from), path_ / name);
  }
  void write(std::string_view name, std::string_view text) {
    ASSERT_TRUE(write_file((path_ / name).string(), std::as_bytes(std::span(text))));
  }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

Ids encode(const Tokenizer& tokenizer, std::string_view text, EncodeOptions options) {
  const Result<std::vector<TokenId>> ids = tokenizer.encode(text, options);
  EXPECT_TRUE(ids) << ids.error().message();
  Ids numbers;
  if (!ids) return numbers;
  for (const TokenId id : *ids) numbers.push_back(static_cast<int32_t>(id));
  return numbers;
}

std::string decode(const Tokenizer& tokenizer, const Ids& numbers, bool skip_special) {
  std::vector<TokenId> ids;
  for (const int64_t number : numbers) ids.push_back(TokenId{static_cast<int32_t>(number)});
  const Result<std::string> text = tokenizer.decode(ids, skip_special);
  EXPECT_TRUE(text);
  std::string streamed;
  StreamDecoder stream(tokenizer, skip_special);
  for (const TokenId id : ids) streamed += stream.push(id);
  streamed += stream.finish();
  EXPECT_EQ(streamed, text.value());
  return text.value();
}

Ids ids_of(const json::value& list) {
  Ids ids;
  for (const json::value& id : list.as_array()) ids.push_back(id.as_int64());
  return ids;
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  for (size_t at = 0;;) {
    const size_t end = text.find(separator, at);
    parts.emplace_back(text.substr(at, end - at));
    if (end == std::string_view::npos) return parts;
    at = end + separator.size();
  }
}

// llama.cpp's vectors: texts in NAME.gguf.inp, a line of ids for each in NAME.gguf.out.
void check_llama_cpp_vectors(const Tokenizer& tokenizer, const std::string& vectors) {
  const std::string inputs = read_file(vectors + ".inp", 1 << 20).value();
  const std::string outputs = read_file(vectors + ".out", 1 << 20).value();
  const std::vector<std::string> texts = split(inputs, "\n__ggml_vocab_test__\n");
  const std::vector<std::string> lines = split(outputs, "\n");
  ASSERT_GE(lines.size(), texts.size() - 1);
  ASSERT_GT(texts.size(), 30u);
  // What follows the last separator is the file's end, not a text.
  for (size_t i = 0; i + 1 < texts.size(); ++i) {
    Ids expected;
    for (const std::string& number : split(lines[i], " ")) {
      if (!number.empty()) expected.push_back(std::stoll(number));
    }
    const Ids found = encode(tokenizer, texts[i], {.add_special_tokens = false});
    EXPECT_EQ(found, expected) << "text " << i << ": \"" << texts[i] << "\"";
  }
}

TEST(TokenizerConformance, GgufVocabulariesGiveLlamaCppsIds) {
  for (const char* name : {"gpt-2", "llama-spm"}) {
    const auto path =
        shared_data(std::string("tokenizers/ggml-vocab/ggml-vocab-") + name + ".gguf");
    if (!path) GTEST_SKIP() << kNoSharedData;
    const TokenizerPtr tokenizer = open(*path);
    ASSERT_TRUE(tokenizer);
    SCOPED_TRACE(name);
    check_llama_cpp_vectors(*tokenizer, *path);
  }
}

TEST(TokenizerConformance, EveryGgufVocabularyRoundTrips) {
  for (const char* name :
       {"deepseek-coder", "deepseek-llm", "gpt-2", "llama-spm", "phi-3", "starcoder"}) {
    const auto path =
        shared_data(std::string("tokenizers/ggml-vocab/ggml-vocab-") + name + ".gguf");
    if (!path) GTEST_SKIP() << kNoSharedData;
    const TokenizerPtr tokenizer = open(*path);
    ASSERT_TRUE(tokenizer);
    const std::string text = "Hello, 世界! 1234 \n\n  \tnaïve 🙂 don't";
    const Ids ids = encode(*tokenizer, text, {.add_special_tokens = false});
    EXPECT_EQ(decode(*tokenizer, ids, false), text) << name;
    EXPECT_LT(ids.size(), text.size()) << name;
  }
}

TEST(TokenizerConformance, BertFromGgufCutsWordsIntoPieces) {
  const auto path = shared_data("tokenizers/ggml-vocab/ggml-vocab-bert-bge.gguf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const TokenizerPtr tokenizer = open(*path);
  ASSERT_TRUE(tokenizer);
  // BERT's uncased vocabulary, whose ids are widely known.
  EXPECT_EQ(encode(*tokenizer, "Hello, tokenizers!", {.add_special_tokens = false}),
            (Ids{7592, 1010, 19204, 17629, 2015, 999}));
}

// As BERT was trained: [CLS] and [SEP] around every text, whatever keys the file has for them.
TEST(TokenizerConformance, BertFromGgufFramesItsTexts) {
  const auto path = shared_data("tokenizers/ggml-vocab/ggml-vocab-bert-bge.gguf");
  if (!path) GTEST_SKIP() << kNoSharedData;
  const TokenizerPtr tokenizer = open(*path);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(encode(*tokenizer, "Hello!", {}), (Ids{101, 7592, 999, 102}));
}

// Where "legacy" is false, a space goes before the text's own beginning alone: the tokens that
// transformers 5.24 gives for Llama 2's tokenizer.model, but for two spaces in a row, where it
// merges by rank what the format's own library (sentencepiece 0.2) merges by score; that library is
// followed.
TEST(TokenizerConformance, LegacyOfSentencePieceIsFollowed) {
  const auto file = shared_data("tokenizers/llama2/tokenizer.model");
  if (!file) GTEST_SKIP() << kNoSharedData;
  struct Row {
    const char* text;
    std::vector<std::string> first, none;  // "legacy": false; "add_prefix_space": false
  };
  const Row rows[] = {{"hello", {"▁hello"}, {"hello"}},
                      {" hello", {"▁hello"}, {"▁hello"}},
                      {"  hello", {"▁", "▁hello"}, {"▁", "▁hello"}},
                      {"<s>hello", {"<s>", "hello"}, {"<s>", "hello"}},
                      {"<s> hello", {"<s>", "▁hello"}, {"<s>", "▁hello"}},
                      {"a</s>b", {"▁a", "</s>", "b"}, {"a", "</s>", "b"}},
                      {"a</s> b", {"▁a", "</s>", "▁b"}, {"a", "</s>", "▁b"}},
                      {"a <s> b", {"▁a", "▁", "<s>", "▁b"}, {"a", "▁", "<s>", "▁b"}},
                      {"\nhello", {"▁", "<0x0A>", "hello"}, {"<0x0A>", "hello"}},
                      {"</s>\nhi", {"</s>", "<0x0A>", "hi"}, {"</s>", "<0x0A>", "hi"}},
                      {" ", {"▁"}, {"▁"}},
                      {"hi<s>", {"▁hi", "<s>"}, {"hi", "<s>"}}};
  for (const bool first : {true, false}) {
    Folder folder(first ? "legacy" : "no-prefix");
    folder.link(*file, "tokenizer.model");
    folder.write("tokenizer_config.json",
                 first ? R"({"legacy": false})" : R"({"add_prefix_space": false})");
    const TokenizerPtr tokenizer = open(folder.path());
    ASSERT_TRUE(tokenizer);
    for (const Row& row : rows) {
      const auto ids = tokenizer->encode(row.text, {.add_special_tokens = false});
      ASSERT_TRUE(ids) << row.text;
      std::vector<std::string> spelled;
      for (const TokenId id : *ids) spelled.push_back(tokenizer->token_spelling(id));
      EXPECT_EQ(spelled, first ? row.first : row.none) << row.text;
      // What encoding added goes again; a space that the text began with may go with it.
      const std::string back = tokenizer->decode(*ids, false).value();
      const std::string text = row.text;
      EXPECT_TRUE(back == text || (first && " " + back == text)) << back;
    }
  }
}

TEST(TokenizerConformance, Qwen2FilesGiveLlamaCppsIds) {
  const auto folder = shared_data("tokenizers/qwen2");
  const auto vectors = shared_data("tokenizers/ggml-vocab");
  if (!folder || !vectors) GTEST_SKIP() << kNoSharedData;
  const TokenizerPtr tokenizer = open(*folder);
  ASSERT_TRUE(tokenizer);
  check_llama_cpp_vectors(*tokenizer, *vectors + "/ggml-vocab-qwen2.gguf");
  EXPECT_TRUE(tokenizer->is_special(TokenId{151644}));
  EXPECT_EQ(tokenizer->eos(), TokenId{151643});
}

TEST(TokenizerConformance, Llama2SentencePieceGivesLlamaCppsIds) {
  const auto folder = shared_data("tokenizers/llama2");
  const auto vectors = shared_data("tokenizers/ggml-vocab");
  if (!folder || !vectors) GTEST_SKIP() << kNoSharedData;
  const TokenizerPtr tokenizer = open(*folder);
  ASSERT_TRUE(tokenizer);
  check_llama_cpp_vectors(*tokenizer, *vectors + "/ggml-vocab-llama-spm.gguf");
  EXPECT_EQ(encode(*tokenizer, "Hello", {}), (Ids{1, 15043}));
}

// {"datasets": [{"input", "ids", "decoded"}, ...]}, made with transformers.
void check_transformers_vectors(const Tokenizer& tokenizer, const std::string& path) {
  const json::value document = json::parse_file(path).value();
  const json::array& cases = document.at("datasets").as_array();
  ASSERT_GT(cases.size(), 30u);
  for (const json::value& example : cases) {
    const std::string text(example.at("input").as_string());
    const Ids expected = ids_of(example.at("ids"));
    EXPECT_EQ(encode(tokenizer, text, {}), expected) << text;
    EXPECT_EQ(decode(tokenizer, expected, true), example.at("decoded").as_string()) << text;
  }
}

TEST(TokenizerConformance, ChatGlm3GivesTransformersIdsAndText) {
  const auto folder = shared_data("tokenizers/chatglm3");
  const auto vectors = shared_data("tokenizers/fib/THUDM--chatglm3-6b.json");
  if (!folder || !vectors) GTEST_SKIP() << kNoSharedData;
  const TokenizerPtr tokenizer = open(*folder);
  ASSERT_TRUE(tokenizer);
  check_transformers_vectors(*tokenizer, *vectors);
  EXPECT_EQ(tokenizer->token_id("<|observation|>"), TokenId{64797});
  EXPECT_EQ(encode(*tokenizer, "[gMASK]sop<|user|>", {.add_special_tokens = false}),
            (Ids{64790, 64792, 64795}));
}

TEST(TokenizerConformance, Gpt2RanksGiveTransformersIds) {
  const auto ranks = shared_data("tokenizers/openai/gpt2.tiktoken");
  const auto vectors = shared_data("tokenizers/fib/gpt2.json");
  const auto swift = shared_data("tokenizers/hf-swift/gpt2_encoded_tokens.json");
  if (!ranks || !vectors || !swift) GTEST_SKIP() << kNoSharedData;
  Folder folder("gpt2");
  folder.link(*ranks, "tokenizer.model");
  const std::string config =
      R"({"pat_str": "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
          "added_tokens_decoder": {"50256": {"content": "<|endoftext|>", "special": true}}})";
  ASSERT_TRUE(
      write_file(folder.path() + "/tokenizer_config.json", std::as_bytes(std::span(config))));
  const TokenizerPtr tokenizer = open(folder.path());
  ASSERT_TRUE(tokenizer);
  check_transformers_vectors(*tokenizer, *vectors);
  const json::value long_text = json::parse_file(*swift).value();
  EXPECT_EQ(encode(*tokenizer, long_text.at("text").as_string(), {}),
            ids_of(long_text.at("token_ids")));
}

TEST(TokenizerConformance, Llama2GivesTransformersIdsForALongText) {
  const auto folder = shared_data("tokenizers/llama2");
  const auto swift = shared_data("tokenizers/hf-swift/llama_encoded.json");
  if (!folder || !swift) GTEST_SKIP() << kNoSharedData;
  const TokenizerPtr tokenizer = open(*folder);
  ASSERT_TRUE(tokenizer);
  const json::value long_text = json::parse_file(*swift).value();
  EXPECT_EQ(encode(*tokenizer, long_text.at("text").as_string(), {}),
            ids_of(long_text.at("token_ids")));
}

TEST(TokenizerConformance, ChatPromptsGiveThePublishedIds) {
  const auto path = shared_data("tokenizers/glm4/chat_prompt_ids.json");
  const auto glm4 = shared_data("tokenizers/glm4");
  const auto llama3 = shared_data("tokenizers/llama3");
  const auto qwen = shared_data("tokenizers/qwen2");
  const auto llama2 = shared_data("tokenizers/llama2");
  if (!path || !glm4 || !llama3 || !qwen || !llama2) GTEST_SKIP() << kNoSharedData;
  const json::value document = json::parse_file(*path).value();
  const json::object& models = document.at("models").as_object();
  const json::value& published = models.at("THUDM/glm-4-9b-chat");
  const TokenizerPtr glm = open(*glm4);
  ASSERT_TRUE(glm);
  for (size_t i = 0; i < published.at("prompts").as_array().size(); ++i) {
    const std::string prompt(published.at("prompts").as_array()[i].as_string());
    EXPECT_EQ(encode(*glm, prompt, {.add_special_tokens = false}),
              ids_of(published.at("ids").as_array()[i]))
        << prompt;
  }
  // [gMASK] and <sop> are what the tokenizer itself puts first.
  EXPECT_EQ(encode(*glm, "hello", {}), (Ids{151331, 151333, 14978}));
  // The others come as ids alone: decoding and encoding again must give them back.
  const std::array<std::pair<const char*, std::string>, 3> others = {
      {{"meta-llama/Meta-Llama-3-8B-Instruct", *llama3},
       {"Qwen/Qwen-7B-Chat", *qwen},
       {"meta-llama/Llama-2-7b-chat-hf", *llama2}}};
  for (const auto& [name, folder] : others) {
    const TokenizerPtr tokenizer = open(folder);
    ASSERT_TRUE(tokenizer);
    for (const json::value& list : models.at(name).at("ids").as_array()) {
      const Ids ids = ids_of(list);
      const std::string prompt = decode(*tokenizer, ids, false);
      EXPECT_EQ(encode(*tokenizer, prompt, {.add_special_tokens = false}), ids)
          << name << ": " << prompt;
    }
  }
}

TEST(TokenizerConformance, Llama3RanksGiveWholeWordsOfThePublishedPrompts) {
  const auto folder = shared_data("tokenizers/llama3");
  if (!folder) GTEST_SKIP() << kNoSharedData;
  const TokenizerPtr tokenizer = open(*folder);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(encode(*tokenizer,
                   "<|start_header_id|>user<|end_header_id|>\n\nhello<|eot_id|>"
                   "<|start_header_id|>assistant<|end_header_id|>\n\n",
                   {}),
            (Ids{128000, 128006, 882, 128007, 271, 15339, 128009, 128006, 78191, 128007, 271}));
}

TEST(TokenizerConformance, SmallLlamaDocumentKeepsItsOwnIds) {
  const auto file = shared_data("tokenizers/ollama/mini_llama.json");
  if (!file) GTEST_SKIP() << kNoSharedData;
  Folder folder("mini-llama");
  folder.link(*file, "tokenizer.json");
  const TokenizerPtr tokenizer = open(folder.path());
  ASSERT_TRUE(tokenizer);
  // Its merges don't reach whole words, and it does not ask for words to be looked up first.
  EXPECT_EQ(encode(*tokenizer, "hello<|end_of_text|>'m", {}),
            (Ids{71, 68, 75, 75, 78, 128001, 2846}));
  EXPECT_EQ(decode(*tokenizer, {15339, 1917, 128001}, true), "hello world");
}

}  // namespace
}  // namespace autoglm
