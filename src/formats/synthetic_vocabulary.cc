#include "formats/synthetic_vocabulary.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "base/utf8.h"

namespace autoglm {
namespace {

constexpr std::array<std::string_view, 3> kSpecials{"<|endoftext|>", "<|user|>", "<|assistant|>"};

// GPT-2's character for each byte: itself where it is printable, else one from U+0100 on.
std::array<std::string, 256> byte_characters() {
  std::array<std::string, 256> characters;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
    append_utf8(characters[byte], printable ? byte : next++);
  }
  return characters;
}

// Bytes in the order in which pairs of them become tokens: those of ordinary English first.
std::vector<uint8_t> bytes_by_use() {
  std::vector<uint8_t> order;
  std::array<bool, 256> seen{};
  for (const char c : std::string_view(" etaoinshrdlucmfwygpbvkxqjz")) {
    order.push_back(static_cast<uint8_t>(c));
    seen[static_cast<uint8_t>(c)] = true;
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (!seen[static_cast<size_t>(byte)]) order.push_back(static_cast<uint8_t>(byte));
  }
  return order;
}

}  // namespace

SyntheticVocabulary synthetic_vocabulary(int64_t size) {
  AGLM_CHECK(size >= 256 + static_cast<int64_t>(kSpecials.size()), "{} tokens", size);
  const auto characters = byte_characters();
  SyntheticVocabulary vocabulary;
  vocabulary.tokens.assign(characters.begin(), characters.end());
  const size_t merged = static_cast<size_t>(size) - 256 - kSpecials.size();
  const std::vector<uint8_t> order = bytes_by_use();
  std::vector<std::string> lefts;  // what the next round lengthens by one byte
  for (const uint8_t byte : order) lefts.push_back(characters[byte]);
  while (vocabulary.merges.size() < merged) {
    std::vector<std::string> longer;
    // Along diagonals, so that pairs of frequent bytes come before those with a rare one.
    for (size_t sum = 0; sum < lefts.size() + order.size(); ++sum) {
      for (size_t right = 0; right <= std::min(sum, order.size() - 1); ++right) {
        const size_t left = sum - right;
        if (left >= lefts.size() || vocabulary.merges.size() == merged) continue;
        const std::string& end = characters[order[right]];
        longer.push_back(lefts[left] + end);
        vocabulary.tokens.push_back(longer.back());
        vocabulary.merges.push_back(lefts[left] + " " + end);
      }
    }
    lefts = std::move(longer);
  }
  vocabulary.specials_begin = static_cast<int64_t>(vocabulary.tokens.size());
  vocabulary.tokens.insert(vocabulary.tokens.end(), kSpecials.begin(), kSpecials.end());
  return vocabulary;
}

std::string tokenizer_json(const SyntheticVocabulary& vocabulary) {
  json::object ids;
  ids.reserve(vocabulary.tokens.size());
  json::array added;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const auto id = static_cast<int64_t>(i);
    if (id < vocabulary.specials_begin) {
      ids[vocabulary.tokens[i]] = id;
      continue;
    }
    added.push_back(json::object{{"id", id},
                                 {"content", vocabulary.tokens[i]},
                                 {"single_word", false},
                                 {"lstrip", false},
                                 {"rstrip", false},
                                 {"normalized", false},
                                 {"special", true}});
  }
  json::array merges(vocabulary.merges.begin(), vocabulary.merges.end());
  const json::object byte_level{{"type", "ByteLevel"},
                                {"add_prefix_space", false},
                                {"trim_offsets", true},
                                {"use_regex", true}};
  const json::object tokenizer{{"version", "1.0"},
                               {"truncation", nullptr},
                               {"padding", nullptr},
                               {"added_tokens", std::move(added)},
                               {"normalizer", nullptr},
                               {"pre_tokenizer", byte_level},
                               {"post_processor", nullptr},
                               {"decoder", byte_level},
                               {"model", json::object{{"type", "BPE"},
                                                      {"dropout", nullptr},
                                                      {"unk_token", nullptr},
                                                      {"continuing_subword_prefix", nullptr},
                                                      {"end_of_word_suffix", nullptr},
                                                      {"fuse_unk", false},
                                                      {"byte_fallback", false},
                                                      {"vocab", std::move(ids)},
                                                      {"merges", std::move(merges)}}}};
  return boost::json::serialize(tokenizer);
}

void add_vocabulary(const SyntheticVocabulary& vocabulary, GgufMetadata& metadata) {
  std::vector<int32_t> types(vocabulary.tokens.size(), 1);
  for (size_t i = static_cast<size_t>(vocabulary.specials_begin); i < types.size(); ++i) {
    types[i] = 3;  // control
  }
  metadata.add_string("tokenizer.ggml.model", "gpt2");
  metadata.add_string("tokenizer.ggml.pre", "gpt-2");
  metadata.add_strings("tokenizer.ggml.tokens", vocabulary.tokens);
  metadata.add_integers("tokenizer.ggml.token_type", types);
  metadata.add_strings("tokenizer.ggml.merges", vocabulary.merges);
  metadata.add_uint32("tokenizer.ggml.eos_token_id",
                      static_cast<uint32_t>(vocabulary.specials_begin));
  metadata.add_uint32("tokenizer.ggml.padding_token_id",
                      static_cast<uint32_t>(vocabulary.specials_begin));
  metadata.add_bool("tokenizer.ggml.add_bos_token", false);
}

}  // namespace autoglm
