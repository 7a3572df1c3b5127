// What the fuzz targets of grammars do with one source: compile it, and where that succeeds, follow
// its masks with the rest of the input as choices. Masks must hold exactly what can be taken.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "text/grammar/testing/list_tokenizer.h"

namespace autoglm::grammar {

inline void follow_masks(const StructuredOutput& wish, const Tokenizer& tokenizer,
                         const std::shared_ptr<const Vocabulary>& vocabulary, uint32_t choice) {
  const auto compiled = compile(wish, vocabulary);
  if (!compiled) {
    if (compiled.error().what.empty()) std::abort();
    return;
  }
  GrammarMatcher matcher(*compiled);
  for (int step = 0; step < 12; ++step) {
    const auto mask = matcher.mask();
    if (!mask) return;
    if ((*mask)->n_allowed == 0) {
      if (!matcher.may_end()) std::abort();  // a dead end
      return;
    }
    for (int i = 0; i < 8; ++i) {
      const int32_t id = static_cast<int32_t>((choice + 37U * static_cast<uint32_t>(i)) %
                                              static_cast<uint32_t>(tokenizer.vocab_size()));
      GrammarMatcher copy = matcher;
      if (copy.accept(TokenId{id}) != (*mask)->allows(id)) std::abort();
    }
    choice = choice * 1664525 + 1013904223;
    int32_t nth = static_cast<int32_t>(choice >> 8) % (*mask)->n_allowed;
    int32_t id = 0;
    while (!(*mask)->allows(id) || nth-- > 0) ++id;
    if (!matcher.accept(TokenId{id})) std::abort();
  }
}

inline void follow_grammar(StructuredOutput::Kind kind, std::string_view source) {
  static const ListTokenizer kTokenizer = ListTokenizer::with_all_bytes(
      {"{\"", "\": ", "\", \"", "}}", "true", "12", "ab", "abc", "é", "  ", "\\n"});
  static const auto kVocabulary = Vocabulary::of(kTokenizer, kTokenizer.vocab_size());
  if (source.size() > 4096) return;
  follow_masks({.kind = kind, .text = std::string(source)}, kTokenizer, kVocabulary,
               static_cast<uint32_t>(source.size()));
}

}  // namespace autoglm::grammar
