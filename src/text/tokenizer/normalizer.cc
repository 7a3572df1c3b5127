// One small class a normalizer.
#include "text/tokenizer/normalizer.h"

#include <type_traits>

#include "base/search.h"
#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"

namespace autoglm {
namespace {

// A normalizer that is a function of the text alone.
template <class Function>
class Map : public Normalizer {
 public:
  explicit Map(Function function) : function_(std::move(function)) {}

 private:
  Result<std::string> run(std::string text, TextWork& work) const override {
    if constexpr (std::is_invocable_v<Function, std::string, TextWork&>) {
      return function_(std::move(text), work);
    } else {
      return function_(std::move(text));
    }
  }

  Function function_;
};

template <class Function>
NormalizerPtr make_map(Function function) {
  return std::make_unique<Map<Function>>(std::move(function));
}

template <class Keep>
std::string keep_characters(std::string_view text, Keep keep) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    if (keep(c.code)) out.append(text, i, c.length);
    i += c.length;
  }
  return out;
}

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<NormalizerPtr> steps) : steps_(std::move(steps)) {}

 private:
  Result<std::string> run(std::string text, TextWork& work) const override {
    for (const NormalizerPtr& step : steps_) text = AGLM_TRY(step->apply(std::move(text), work));
    return text;
  }

  std::vector<NormalizerPtr> steps_;
};

std::string strip(std::string text, bool left, bool right) {
  size_t begin = 0, end = text.size();
  if (left) {
    while (begin < end && is_white_space(character_at(text, begin).code)) {
      begin += character_at(text, begin).length;
    }
  }
  while (right && end > begin) {
    const size_t last = character_begin(text, end - 1);
    if (!is_white_space(character_at(text, last).code)) break;
    end = last;
  }
  return text.substr(begin, end - begin);
}

// The clean-up of neural machine translation (the reference's Nmt).
std::string clean_for_translation(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    const char32_t u = c.code;
    if ((u >= 1 && u <= 8) || u == 0x0B || (u >= 0x0E && u <= 0x1F) || u == 0x7F || u == 0x8F ||
        u == 0x9F) {
      // dropped
    } else if (u == 9 || u == 0x0A || u == 0x0C || u == 0x0D || u == 0x1680 ||
               (u >= 0x200B && u <= 0x200F) || u == 0x2028 || u == 0x2029 || u == 0x2581 ||
               u == 0xFEFF || u == 0xFFFD) {
      out += ' ';
    } else {
      out.append(text, i, c.length);
    }
    i += c.length;
  }
  return out;
}

std::string bert_clean(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    const bool space = is_white_space(c.code);
    const bool plain_control = c.code == '\t' || c.code == '\n' || c.code == '\r';
    const bool dropped = c.code == 0 || c.code == 0xFFFD || is_other(c.code);
    if (plain_control || (space && !dropped)) {
      out += ' ';
    } else if (!dropped) {
      out.append(text, i, c.length);
    }
    i += c.length;
  }
  return out;
}

std::string isolate_chinese(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Character c = character_at(text, i);
    const bool chinese = is_cjk(c.code);
    if (chinese) out += ' ';
    out.append(text, i, c.length);
    if (chinese) out += ' ';
    i += c.length;
  }
  return out;
}

std::string bert_normalize(std::string text, BertNormalizerOptions options) {
  if (options.clean_text) text = bert_clean(text);
  if (options.handle_chinese_chars) text = isolate_chinese(text);
  if (options.strip_accents) {
    text = keep_characters(normalize_unicode(text, NormalForm::kNfd),
                           [](char32_t c) { return !is_nonspacing_mark(c); });
  }
  if (options.lowercase) text = to_lower(text);
  return text;
}

}  // namespace

Result<std::string> Normalizer::apply(std::string text, TextWork& work) const {
  AGLM_TRY(work.spend_pass(text.size()));
  text = AGLM_TRY(run(std::move(text), work));
  AGLM_TRY(work.check_size(text.size()));
  return text;
}

Result<std::string> replace_literal(std::string_view text, std::string_view literal,
                                    std::string_view content, TextWork& work) {
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (;;) {
    const size_t found = literal.empty() ? std::string_view::npos : find_text(text, literal, at);
    if (found == std::string_view::npos) break;
    out.append(text, at, found - at).append(content);
    AGLM_TRY(work.check_size(out.size()));
    at = found + literal.size();
  }
  out.append(text, at, text.size() - at);
  return out;
}

Result<std::string> replace_matches(std::string_view text, const Regex& pattern,
                                    std::string_view content, TextWork& work) {
  std::vector<Span> matches;
  AGLM_TRY(pattern.find_all(text, matches, work));
  std::string out;
  out.reserve(text.size());
  size_t at = 0;
  for (const Span& match : matches) {
    out.append(text, at, match.begin - at).append(content);
    AGLM_TRY(work.check_size(out.size()));
    at = match.end;
  }
  out.append(text, at, text.size() - at);
  return out;
}

NormalizerPtr make_sequence(std::vector<NormalizerPtr> steps) {
  return std::make_unique<SequenceNormalizer>(std::move(steps));
}

NormalizerPtr make_unicode_form(NormalForm form) {
  return make_map([form](const std::string& text) { return normalize_unicode(text, form); });
}

NormalizerPtr make_lowercase() {
  return make_map([](const std::string& text) { return to_lower(text); });
}

NormalizerPtr make_strip_accents() {
  return make_map([](const std::string& text) {
    return keep_characters(text, [](char32_t c) { return !is_mark(c); });
  });
}

NormalizerPtr make_nmt() {
  return make_map([](const std::string& text) { return clean_for_translation(text); });
}

NormalizerPtr make_strip(bool left, bool right) {
  return make_map([left, right](std::string text) { return strip(std::move(text), left, right); });
}

NormalizerPtr make_prepend(std::string prefix) {
  return make_map([prefix = std::move(prefix)](std::string text) {
    return text.empty() ? text : prefix + std::move(text);
  });
}

NormalizerPtr make_replace(std::string literal, std::string content) {
  return make_map([literal = std::move(literal), content = std::move(content)](
                      const std::string& text, TextWork& work) {
    return replace_literal(text, literal, content, work);
  });
}

NormalizerPtr make_replace(Regex pattern, std::string content) {
  return make_map([pattern = std::move(pattern), content = std::move(content)](
                      const std::string& text, TextWork& work) {
    return replace_matches(text, pattern, content, work);
  });
}

NormalizerPtr make_byte_level_normalizer() {
  return make_map([](const std::string& text) {
    std::string out;
    append_byte_level(out, text);
    return out;
  });
}

NormalizerPtr make_bert_normalizer(BertNormalizerOptions options) {
  return make_map([options](std::string text) { return bert_normalize(std::move(text), options); });
}

}  // namespace autoglm
