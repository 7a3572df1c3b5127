// One small class a decoder.
#include "text/tokenizer/decoder.h"

#include <array>
#include <utility>

#include "base/utf8.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/normalizer.h"

namespace autoglm {
namespace {

std::string joined(const std::vector<std::string>& tokens) {
  std::string out;
  for (const std::string& token : tokens) out += token;
  return out;
}

class ByteLevelDecoder : public Decoder {
 public:
  Result<void> run(std::vector<std::string>& tokens, TextWork& /*work*/) const override {
    std::string bytes;
    for (const std::string& token : tokens) bytes += byte_level_bytes(token);
    tokens.assign(1, repair_utf8(bytes));
    return {};
  }
  Result<std::string> run_alone(std::string bytes, TextWork& /*work*/) const override {
    return byte_level_bytes(bytes);
  }
};

// A run of byte tokens becomes its text if it is valid UTF-8 as a whole, else one U+FFFD a byte.
class ByteFallbackDecoder : public Decoder {
 public:
  Result<void> run(std::vector<std::string>& tokens, TextWork& /*work*/) const override {
    std::vector<std::string> out;
    std::string run;
    const auto flush = [&] {
      if (run.empty()) return;
      if (is_valid_utf8(run)) {
        out.push_back(std::move(run));
      } else {
        out.insert(out.end(), run.size(), std::string(kReplacementText));
      }
      run.clear();
    };
    for (std::string& token : tokens) {
      if (const std::optional<uint8_t> byte = byte_token_value(token)) {
        run += static_cast<char>(*byte);
      } else {
        flush();
        out.push_back(std::move(token));
      }
    }
    flush();
    tokens = std::move(out);
    return {};
  }
  Result<std::string> run_alone(std::string bytes, TextWork& /*work*/) const override {
    const std::optional<uint8_t> byte = byte_token_value(bytes);
    return byte ? std::string(1, static_cast<char>(*byte)) : bytes;
  }
};

class FuseDecoder : public Decoder {
 public:
  Result<void> run(std::vector<std::string>& tokens, TextWork& /*work*/) const override {
    tokens.assign(1, joined(tokens));
    return {};
  }
};

class StripDecoder : public Decoder {
 public:
  StripDecoder(std::string content, size_t start, size_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  Result<void> run(std::vector<std::string>& tokens, TextWork& /*work*/) const override {
    if (content_.empty()) return {};
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (size_t i = 0; i < start_ && rest.starts_with(content_); ++i) {
        rest.remove_prefix(content_.size());
      }
      for (size_t i = 0; i < stop_ && rest.ends_with(content_); ++i) {
        rest.remove_suffix(content_.size());
      }
      if (rest.size() != token.size()) token = std::string(rest);
    }
    return {};
  }

 private:
  std::string content_;
  size_t start_;
  size_t stop_;
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(std::string literal, std::string content)
      : literal_(std::move(literal)), content_(std::move(content)) {}
  ReplaceDecoder(Regex pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  Result<void> run(std::vector<std::string>& tokens, TextWork& work) const override {
    size_t n_bytes = 0;
    for (std::string& token : tokens) {
      token = AGLM_TRY(replaced(token, work));
      n_bytes += token.size();
      AGLM_TRY(work.check_size(n_bytes));
    }
    return {};
  }
  Result<std::string> run_alone(std::string bytes, TextWork& work) const override {
    return replaced(bytes, work);
  }

 private:
  Result<std::string> replaced(const std::string& token, TextWork& work) const {
    return pattern_ ? replace_matches(token, *pattern_, content_, work)
                    : replace_literal(token, literal_, content_, work);
  }
  std::string literal_;
  std::optional<Regex> pattern_;
  std::string content_;
};

class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(std::string replacement, PrependScheme prepend)
      : replacement_(std::move(replacement)), prepend_(prepend) {}
  Result<void> run(std::vector<std::string>& tokens, TextWork& work) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool drop = i == 0 && prepend_ != PrependScheme::kNever;
      tokens[i] = AGLM_TRY(replace_literal(tokens[i], replacement_, drop ? "" : " ", work));
    }
    return {};
  }
  Result<std::string> run_alone(std::string bytes, TextWork& work) const override {
    return replace_literal(bytes, replacement_, " ", work);
  }

 private:
  std::string replacement_;
  PrependScheme prepend_;
};

class WordPieceDecoder : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool clean_up)
      : prefix_(std::move(prefix)), clean_up_(clean_up) {}
  Result<void> run(std::vector<std::string>& tokens, TextWork& work) const override {
    // English punctuation as the reference's decoder tidies it, in its order.
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kTidy = {
        {{" .", "."},
         {" ?", "?"},
         {" !", "!"},
         {" ,", ","},
         {" ' ", "'"},
         {" n't", "n't"},
         {" 'm", "'m"},
         {" do not", " don't"},
         {" 's", "'s"},
         {" 've", "'ve"},
         {" 're", "'re"}}};
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0) {
        if (is_continuation(tokens[i])) {
          tokens[i].erase(0, prefix_.size());
        } else {
          tokens[i].insert(0, 1, ' ');
        }
      }
      if (!clean_up_) continue;
      for (const auto& [untidy, tidy] : kTidy) {
        tokens[i] = AGLM_TRY(replace_literal(tokens[i], untidy, tidy, work));
      }
    }
    return {};
  }
  Result<std::string> run_alone(std::string bytes, TextWork& /*work*/) const override {
    return is_continuation(bytes) ? bytes.substr(prefix_.size()) : bytes;
  }

 private:
  bool is_continuation(const std::string& token) const { return token.starts_with(prefix_); }
  std::string prefix_;
  bool clean_up_;
};

class BpeDecoder : public Decoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  Result<void> run(std::vector<std::string>& tokens, TextWork& work) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      const bool last = i + 1 == tokens.size();
      tokens[i] = AGLM_TRY(replace_literal(tokens[i], suffix_, last ? "" : " ", work));
    }
    return {};
  }
  Result<std::string> run_alone(std::string bytes, TextWork& work) const override {
    return replace_literal(bytes, suffix_, " ", work);
  }

 private:
  std::string suffix_;
};

class SpaceJoiningDecoder : public Decoder {
 public:
  Result<void> run(std::vector<std::string>& tokens, TextWork& /*work*/) const override {
    for (size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, 1, ' ');
    return {};
  }
};

}  // namespace

Result<void> Decoder::apply(std::vector<std::string>& tokens, TextWork& work) const {
  const auto total = [&] {
    size_t bytes = 0;
    for (const std::string& token : tokens) bytes += token.size();
    return bytes;
  };
  AGLM_TRY(work.spend(tokens.size() * TextWork::kStepCost));
  AGLM_TRY(work.spend_pass(total()));
  AGLM_TRY(run(tokens, work));
  return work.check_size(total());
}

Result<std::string> Decoder::alone(std::string bytes, TextWork& work) const {
  AGLM_TRY(work.spend_pass(bytes.size()));
  bytes = AGLM_TRY(run_alone(std::move(bytes), work));
  AGLM_TRY(work.check_size(bytes.size()));
  return bytes;
}

DecoderPtr make_byte_level_decoder() { return std::make_unique<ByteLevelDecoder>(); }
DecoderPtr make_byte_fallback_decoder() { return std::make_unique<ByteFallbackDecoder>(); }
DecoderPtr make_fuse_decoder() { return std::make_unique<FuseDecoder>(); }
DecoderPtr make_strip_decoder(std::string content, size_t start, size_t stop) {
  return std::make_unique<StripDecoder>(std::move(content), start, stop);
}
DecoderPtr make_replace_decoder(std::string literal, std::string content) {
  return std::make_unique<ReplaceDecoder>(std::move(literal), std::move(content));
}
DecoderPtr make_replace_decoder(Regex pattern, std::string content) {
  return std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(content));
}
DecoderPtr make_metaspace_decoder(std::string replacement, PrependScheme prepend) {
  return std::make_unique<MetaspaceDecoder>(std::move(replacement), prepend);
}
DecoderPtr make_word_piece_decoder(std::string prefix, bool clean_up) {
  return std::make_unique<WordPieceDecoder>(std::move(prefix), clean_up);
}
DecoderPtr make_bpe_decoder(std::string suffix) {
  return std::make_unique<BpeDecoder>(std::move(suffix));
}
DecoderPtr make_space_joining_decoder() { return std::make_unique<SpaceJoiningDecoder>(); }

}  // namespace autoglm
