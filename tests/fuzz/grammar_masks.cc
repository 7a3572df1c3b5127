// Masks of bounded grammars, where whole subtrees of the vocabulary are taken at once by a count of
// characters: over GLM-4's own vocabulary, where AUTOGLM_TEST_DATA names the folder that has it,
// and over one that was made with subtrees as large.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "grammar_source.h"
#include "text/grammar/testing/random_wish.h"

namespace autoglm::grammar {
namespace {

struct Words {
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const Vocabulary> vocabulary;
};

Words made() {
  auto tokenizer = std::make_shared<ListTokenizer>(ListTokenizer::with_large_subtrees());
  return {tokenizer, Vocabulary::of(*tokenizer, tokenizer->vocab_size())};
}

Words real() {
  const char* folder = std::getenv("AUTOGLM_TEST_DATA");
  if (folder == nullptr) return {};
  auto tokenizer = Tokenizer::from_directory(std::string(folder) + "/tokenizers/glm4");
  if (!tokenizer) return {};
  const std::shared_ptr<const Tokenizer> shared = std::move(*tokenizer);
  return {shared, Vocabulary::of(*shared, shared->vocab_size())};
}

}  // namespace
}  // namespace autoglm::grammar

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace autoglm::grammar;
  static const Words kAll[] = {made(), real()};
  if (size > 256) return 0;
  const autoglm::StructuredOutput wish = RandomWish(std::span(data, size)).wish();
  for (const Words& words : kAll) {
    if (words.vocabulary == nullptr) continue;
    follow_masks(wish, *words.tokenizer, words.vocabulary, static_cast<uint32_t>(size));
  }
  return 0;
}
