// Normalizers: text to text, before anything is cut. Offsets into the original are not kept: nobody
// asks for them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/text_work.h"
#include "text/tokenizer/unicode.h"

namespace autoglm {

// Immutable after construction: any thread may use it. Text is valid UTF-8 and stays so.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  Result<std::string> apply(std::string text, TextWork& work) const;

 private:
  // One pass has been paid for; what grows the text checks its size on the way.
  virtual Result<std::string> run(std::string text, TextWork& work) const = 0;
};
using NormalizerPtr = std::unique_ptr<const Normalizer>;

struct BertNormalizerOptions {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  bool strip_accents = true;
  bool lowercase = true;
};

NormalizerPtr make_sequence(std::vector<NormalizerPtr> steps);
NormalizerPtr make_unicode_form(NormalForm form);
NormalizerPtr make_lowercase();
NormalizerPtr make_strip_accents();
NormalizerPtr make_nmt();
NormalizerPtr make_strip(bool left, bool right);
NormalizerPtr make_prepend(std::string prefix);
NormalizerPtr make_replace(std::string literal, std::string content);
NormalizerPtr make_replace(Regex pattern, std::string content);
NormalizerPtr make_byte_level_normalizer();
NormalizerPtr make_bert_normalizer(BertNormalizerOptions options);
// `charsmap`: the bytes of SentencePiece's precompiled map.
Result<NormalizerPtr> make_precompiled(std::string charsmap, std::string_view where);

// `text` with every `literal` (not empty) replaced. One pass has been paid for.
Result<std::string> replace_literal(std::string_view text, std::string_view literal,
                                    std::string_view content, TextWork& work);
Result<std::string> replace_matches(std::string_view text, const Regex& pattern,
                                    std::string_view content, TextWork& work);

}  // namespace autoglm
