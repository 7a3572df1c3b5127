// One small class a pre-tokenizer.
#include "text/tokenizer/pre_tokenizer.h"

#include "base/search.h"
#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/patterns.h"
#include "text/tokenizer/unicode.h"

namespace autoglm {
namespace {

// Replaces the spans by what `find` cuts them into.
template <class Find>
Result<void> split_pieces(Pieces& pieces, SplitOptions options, Find find) {
  std::vector<Span> parts;
  std::vector<Span> matches;
  const size_t origin = pieces.spans.empty() ? 0 : pieces.spans.front().begin;
  for (const Span& span : pieces.spans) {
    matches.clear();
    AGLM_TRY(find(span.of(pieces.text), matches));
    cut(span, matches, options.behavior, options.invert, parts);
  }
  pieces.spans = std::move(parts);
  if (pieces.spans.empty() || pieces.spans.front().begin != origin) {
    pieces.first_is_at_origin = false;
  }
  return {};
}

class RegexSplit : public PreTokenizer {
 public:
  RegexSplit(Regex pattern, SplitOptions options)
      : pattern_(std::move(pattern)), options_(options) {}
  Result<void> run(Pieces& pieces, TextWork& work) const override {
    return split_pieces(pieces, options_, [&](std::string_view text, std::vector<Span>& matches) {
      return pattern_.find_all(text, matches, work);
    });
  }

 private:
  Regex pattern_;
  SplitOptions options_;
};

class LiteralSplit : public PreTokenizer {
 public:
  LiteralSplit(std::string literal, SplitOptions options)
      : literal_(std::move(literal)), options_(options) {}
  Result<void> run(Pieces& pieces, TextWork& /*work*/) const override {
    return split_pieces(pieces, options_,
                        [&](std::string_view text, std::vector<Span>& matches) -> Result<void> {
                          if (literal_.empty()) return {};
                          for (size_t at = find_text(text, literal_); at != std::string_view::npos;
                               at = find_text(text, literal_, at + literal_.size())) {
                            matches.push_back({at, at + literal_.size()});
                          }
                          return {};
                        });
  }

 private:
  std::string literal_;
  SplitOptions options_;
};

class CharacterSplit : public PreTokenizer {
 public:
  CharacterSplit(bool (*separator)(char32_t), SplitOptions options)
      : separator_(separator), options_(options) {}
  Result<void> run(Pieces& pieces, TextWork& /*work*/) const override {
    return split_pieces(pieces, options_,
                        [&](std::string_view text, std::vector<Span>& matches) -> Result<void> {
                          for (size_t at = 0; at < text.size();) {
                            const Character c = character_at(text, at);
                            if (separator_(c.code)) matches.push_back({at, at + c.length});
                            at += c.length;
                          }
                          return {};
                        });
  }

 private:
  bool (*separator_)(char32_t);
  SplitOptions options_;
};

class ByteLevel : public PreTokenizer {
 public:
  Result<void> run(Pieces& pieces, TextWork& /*work*/) const override {
    std::string text;
    text.reserve(pieces.text.size() + pieces.text.size() / 2);
    for (Span& span : pieces.spans) {
      const std::string_view piece = span.of(pieces.text);
      const size_t begin = text.size();
      append_byte_level(text, piece);
      span = {begin, text.size()};
    }
    pieces.text = std::move(text);
    return {};
  }
};

class PrefixSpace : public PreTokenizer {
 public:
  Result<void> run(Pieces& pieces, TextWork& /*work*/) const override {
    std::string text;
    text.reserve(pieces.text.size() + pieces.spans.size());
    for (Span& span : pieces.spans) {
      const std::string_view piece = span.of(pieces.text);
      const size_t begin = text.size();
      if (!piece.starts_with(' ')) text += ' ';
      text += piece;
      span = {begin, text.size()};
    }
    pieces.text = std::move(text);
    return {};
  }
};

class Metaspace : public PreTokenizer {
 public:
  Metaspace(std::string replacement, PrependScheme prepend, bool split)
      : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {}

  Result<void> run(Pieces& pieces, TextWork& /*work*/) const override {
    std::string text;
    text.reserve(pieces.text.size() + pieces.text.size() / 2);
    std::vector<Span> spans;
    std::vector<Span> marks;
    for (size_t i = 0; i < pieces.spans.size(); ++i) {
      const size_t begin = text.size();
      for (const char c : pieces.piece(i)) {
        if (c == ' ') {
          text += replacement_;
        } else {
          text += c;
        }
      }
      const bool prepend =
          prepend_ == PrependScheme::kAlways ||
          (prepend_ == PrependScheme::kFirst && i == 0 && pieces.first_is_at_origin);
      if (prepend && !std::string_view(text).substr(begin).starts_with(replacement_)) {
        text.insert(begin, replacement_);
      }
      const Span whole{begin, text.size()};
      if (!split_) {
        spans.push_back(whole);
        continue;
      }
      marks.clear();
      for (size_t at = text.find(replacement_, begin); at != std::string::npos;
           at = text.find(replacement_, at + replacement_.size())) {
        marks.push_back({at - begin, at - begin + replacement_.size()});
      }
      cut(whole, marks, SplitBehavior::kMergedWithNext, false, spans);
    }
    pieces.text = std::move(text);
    pieces.spans = std::move(spans);
    return {};
  }

 private:
  std::string replacement_;  // one character
  PrependScheme prepend_;
  bool split_;
};

class FixedLength : public PreTokenizer {
 public:
  explicit FixedLength(size_t n_characters) : n_characters_(n_characters) {}
  Result<void> run(Pieces& pieces, TextWork& /*work*/) const override {
    std::vector<Span> parts;
    for (const Span& span : pieces.spans) {
      Span part{span.begin, span.begin};
      size_t n = 0;
      while (part.end < span.end) {
        part.end += character_at(pieces.text, part.end).length;
        if (++n == n_characters_ || part.end >= span.end) {
          parts.push_back(part);
          part.begin = part.end;
          n = 0;
        }
      }
    }
    pieces.spans = std::move(parts);
    return {};
  }

 private:
  size_t n_characters_;
};

class Whitespace : public PreTokenizer {
 public:
  Result<void> run(Pieces& pieces, TextWork& /*work*/) const override {
    enum class Kind { kSpace, kWord, kOther };
    const auto kind_of = [](char32_t c) {
      if (is_word(c)) return Kind::kWord;
      return is_white_space(c) ? Kind::kSpace : Kind::kOther;
    };
    return split_pieces(pieces, {SplitBehavior::kRemoved, true},
                        [&](std::string_view text, std::vector<Span>& matches) -> Result<void> {
                          Kind previous = Kind::kSpace;
                          for (size_t at = 0; at < text.size();) {
                            const Character c = character_at(text, at);
                            const Kind kind = kind_of(c.code);
                            if (kind != Kind::kSpace) {
                              if (kind == previous) {
                                matches.back().end += c.length;
                              } else {
                                matches.push_back({at, at + c.length});
                              }
                            }
                            previous = kind;
                            at += c.length;
                          }
                          return {};
                        });
  }
};

}  // namespace

Result<void> PreTokenizer::apply(Pieces& pieces, TextWork& work) const {
  AGLM_TRY(work.spend(pieces.spans.size() * TextWork::kStepCost));
  AGLM_TRY(work.spend_pass(pieces.text.size()));
  AGLM_TRY(run(pieces, work));
  return work.check_size(pieces.text.size());
}

PreTokenizerPtr make_split(Regex pattern, SplitOptions options) {
  return std::make_unique<RegexSplit>(std::move(pattern), options);
}

PreTokenizerPtr make_split(std::string literal, SplitOptions options) {
  return std::make_unique<LiteralSplit>(std::move(literal), options);
}

PreTokenizerPtr make_split(bool (*separator)(char32_t), SplitOptions options) {
  return std::make_unique<CharacterSplit>(separator, options);
}

PreTokenizerPtr make_byte_level() { return std::make_unique<ByteLevel>(); }
PreTokenizerPtr make_prefix_space() { return std::make_unique<PrefixSpace>(); }

Result<Regex> gpt2_pattern() {
  return Regex::compile(kGpt2Pattern, "GPT-2", RegexDialect::kOniguruma);
}

PreTokenizerPtr make_metaspace(std::string replacement, PrependScheme prepend, bool split) {
  return std::make_unique<Metaspace>(std::move(replacement), prepend, split);
}

PreTokenizerPtr make_fixed_length(size_t n_characters) {
  return std::make_unique<FixedLength>(n_characters);
}

PreTokenizerPtr make_whitespace() { return std::make_unique<Whitespace>(); }

}  // namespace autoglm
