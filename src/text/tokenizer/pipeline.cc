// The pipeline's two directions.
#include "text/tokenizer/pipeline.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace autoglm {
namespace {

// Longer texts are refused: their ids alone would take gigabytes.
constexpr size_t kMaxTextBytes = size_t{1} << 30;

class PipelineTokenizer : public Tokenizer {
 public:
  explicit PipelineTokenizer(PipelineParts parts) : parts_(std::move(parts)) {}

  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override {
    if (text.size() > kMaxTextBytes) {
      return Error{ErrorCode::kTooLarge, "text is too long", "text",
                   fmt::format("at most {} bytes", kMaxTextBytes),
                   fmt::format("{} bytes", text.size())};
    }
    std::string repaired;
    std::span<const size_t> literal = options.literal;
    if (!is_valid_utf8(text)) {
      // Mending moves the places too.
      if (!literal.empty()) options.parse_special = false;
      literal = {};
      repaired = repair_utf8(text);
      text = repaired;
    }
    std::vector<TokenId> ids;
    ids.reserve(text.size() / 3 + 8);
    std::vector<AddedTokens::Segment> segments;
    TextWork work(text.size());
    AGLM_TRY(parts_.added.cut(text, {.parse_special = options.parse_special, .literal = literal},
                              segments, work));
    for (const AddedTokens::Segment& segment : segments) {
      if (segment.id) {
        ids.push_back(*segment.id);
      } else {
        // Normalizing moves the places: a stretch that has some is text as a whole.
        const auto place = std::lower_bound(literal.begin(), literal.end(), segment.span.begin);
        const bool has_literal = place != literal.end() && *place < segment.span.end;
        AGLM_TRY(encode_segment(segment.span.of(text), segment.span.begin == 0,
                                options.parse_special && !has_literal, ids, work));
      }
    }
    if (!options.add_special_tokens) return ids;
    for (const Frame& frame : parts_.frames) {
      ids.insert(ids.begin(), frame.before.begin(), frame.before.end());
      ids.insert(ids.end(), frame.after.begin(), frame.after.end());
    }
    return ids;
  }

  Result<FramedIds> frame(std::span<const TokenId> first,
                          std::optional<std::span<const TokenId>> second) const override {
    FramedIds framed;
    if (second) {
      if (parts_.frames.size() != 1 || parts_.frames[0].pair.empty()) {
        return Tokenizer::frame(first, second);
      }
      for (const PairPart& part : parts_.frames[0].pair) {
        switch (part.what) {
          case PairPart::What::kFirst: append(framed, first, part.type); break;
          case PairPart::What::kSecond: append(framed, *second, part.type); break;
          case PairPart::What::kSpecial: append(framed, {&part.id, 1}, part.type); break;
        }
      }
      return framed;
    }
    append(framed, first, 0);
    for (const Frame& frame : parts_.frames) {
      framed.ids.insert(framed.ids.begin(), frame.before.begin(), frame.before.end());
      framed.ids.insert(framed.ids.end(), frame.after.begin(), frame.after.end());
    }
    framed.types.resize(framed.ids.size());
    return framed;
  }

  Result<std::string> decode(std::span<const TokenId> ids,
                             bool skip_special_tokens) const override {
    std::vector<std::string> tokens;
    tokens.reserve(ids.size());
    for (const TokenId id : ids) {
      const auto number = static_cast<int32_t>(id);
      if (number < 0 || number >= vocab_size()) {
        return Error{ErrorCode::kInvalidArgument, "token id is out of range", parts_.where,
                     fmt::format("0 to {}", vocab_size() - 1), std::to_string(number)};
      }
      const AddedToken* added = parts_.added.find(id);
      if (added != nullptr) {
        if (!skip_special_tokens || !added->special) tokens.push_back(added->shown);
      } else if (parts_.model->vocabulary().contains(number)) {
        tokens.emplace_back(parts_.model->vocabulary().spelling(number));
      }
    }
    size_t n_bytes = 0;
    for (const std::string& token : tokens) n_bytes += token.size();
    TextWork work(n_bytes);
    for (const DecoderPtr& decoder : parts_.decoders) AGLM_TRY(decoder->apply(tokens, work));
    std::string text;
    for (const std::string& token : tokens) text += token;
    return text;
  }

  std::string token_bytes(TokenId id) const override {
    if (const AddedToken* added = parts_.added.find(id)) return added->content;
    std::string bytes = token_spelling(id);
    TextWork work(bytes.size());
    for (const DecoderPtr& decoder : parts_.decoders) {
      Result<std::string> alone = decoder->alone(bytes, work);
      if (!alone) break;  // decode() gives the error
      bytes = std::move(*alone);
    }
    return bytes;
  }

  std::string token_spelling(TokenId id) const override {
    if (const AddedToken* added = parts_.added.find(id)) return added->content;
    return std::string(parts_.model->vocabulary().spelling(static_cast<int32_t>(id)));
  }

  std::optional<TokenId> token_id(std::string_view spelling) const override {
    if (const std::optional<TokenId> added = parts_.added.id_of(spelling)) return added;
    const std::optional<int32_t> id = parts_.model->vocabulary().find(spelling);
    return id ? std::optional(TokenId{*id}) : std::nullopt;
  }

  bool is_special(TokenId id) const override {
    const AddedToken* added = parts_.added.find(id);
    return added != nullptr && added->special;
  }

  int32_t vocab_size() const override {
    return std::max(parts_.added.end_id(), parts_.model->vocabulary().end_id());
  }
  std::optional<TokenId> bos() const override { return parts_.bos; }
  std::optional<TokenId> eos() const override { return parts_.eos; }

 private:
  static void append(FramedIds& framed, std::span<const TokenId> ids, uint8_t type) {
    framed.ids.insert(framed.ids.end(), ids.begin(), ids.end());
    framed.types.resize(framed.ids.size(), type);
  }

  Result<void> encode_segment(std::string_view text, bool at_origin, bool parse_special,
                              std::vector<TokenId>& ids, TextWork& work) const {
    std::string normalized(text);
    if (parts_.normalizer) {
      normalized = AGLM_TRY(parts_.normalizer->apply(std::move(normalized), work));
    }
    if (!parts_.added.any(true)) return encode_pieces(std::move(normalized), at_origin, ids, work);
    std::vector<AddedTokens::Segment> segments;
    AGLM_TRY(parts_.added.cut(normalized, {.normalized = true, .parse_special = parse_special},
                              segments, work));
    for (const AddedTokens::Segment& segment : segments) {
      if (segment.id) {
        ids.push_back(*segment.id);
      } else {
        AGLM_TRY(encode_pieces(std::string(segment.span.of(normalized)),
                               at_origin && segment.span.begin == 0, ids, work));
      }
    }
    return {};
  }

  Result<void> encode_pieces(std::string text, bool at_origin, std::vector<TokenId>& ids,
                             TextWork& work) const {
    if (text.empty()) return {};
    Pieces pieces;
    pieces.text = std::move(text);
    pieces.spans.push_back({0, pieces.text.size()});
    pieces.first_is_at_origin = at_origin;
    for (const PreTokenizerPtr& step : parts_.pre_tokenizers) AGLM_TRY(step->apply(pieces, work));
    AGLM_TRY(work.spend(pieces.spans.size() * TextWork::kStepCost));
    AGLM_TRY(work.spend_pass(pieces.text.size()));
    for (size_t i = 0; i < pieces.spans.size(); ++i) {
      if (pieces.spans[i].size() > 0) AGLM_TRY(parts_.model->encode(pieces.piece(i), ids, work));
    }
    return {};
  }

  PipelineParts parts_;
};

}  // namespace

Result<FramedIds> Tokenizer::frame(std::span<const TokenId> first,
                                   std::optional<std::span<const TokenId>> second) const {
  if (second) {
    return Error{ErrorCode::kUnsupported, "the tokenizer has no form for two texts", "tokenizer",
                 "a post-processor with a pair", "none"};
  }
  return FramedIds{{first.begin(), first.end()}, std::vector<uint8_t>(first.size())};
}

Frame bert_frame(TokenId cls, TokenId sep) {
  using enum PairPart::What;
  return {.before = {cls},
          .after = {sep},
          .pair = {{kSpecial, cls, 0},
                   {kFirst, {}, 0},
                   {kSpecial, sep, 0},
                   {kSecond, {}, 1},
                   {kSpecial, sep, 1}}};
}

Result<void> add_config_tokens(const TokenizerConfig& config, int32_t first_id,
                               PipelineParts& parts) {
  const std::string where = parts.where + ": added_tokens_decoder";
  for (const auto& [id, token] : config.added) {
    if (id >= kMaxVocabulary) {
      return Error{ErrorCode::kCorrupt, "token id is out of range", where,
                   fmt::format("0 to {}", kMaxVocabulary - 1), std::to_string(id)};
    }
    if (id < first_id) continue;
    AddedToken added = token;
    added.special = added.special || std::find(config.special.begin(), config.special.end(),
                                               token.content) != config.special.end();
    AGLM_TRY(parts.added.add(std::move(added), TokenId{static_cast<int32_t>(id)}, where));
  }
  return {};
}

Result<void> add_missing_tokens(const TokenizerConfig& config, PipelineParts& parts) {
  const auto add = [&](AddedToken token) -> Result<void> {
    if (token.content.empty() || parts.added.id_of(token.content)) return {};
    const Vocabulary& known = parts.model->vocabulary();
    const int64_t next = std::max<int64_t>(parts.added.end_id(), std::ssize(known));
    const int64_t id = known.find(token.content).value_or(static_cast<int32_t>(next));
    if (id >= kMaxVocabulary) {
      return Error{ErrorCode::kCorrupt, "too many added tokens", parts.where,
                   fmt::format("ids from 0 to {}", kMaxVocabulary - 1), std::to_string(id)};
    }
    return parts.added.add(std::move(token), TokenId{static_cast<int32_t>(id)}, parts.where);
  };
  auto by_id = config.added;
  std::sort(by_id.begin(), by_id.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (auto& [id, token] : by_id) AGLM_TRY(add(std::move(token)));
  for (const auto& name : {config.bos, config.eos, config.unknown, config.padding}) {
    if (name) AGLM_TRY(add({.content = *name, .special = true}));
  }
  for (const std::string& name : config.special) {
    AGLM_TRY(add({.content = name, .special = true}));
  }
  return {};
}

void apply_config(const TokenizerConfig& config, PipelineParts& parts) {
  const auto id_of = [&](const std::optional<std::string>& name) -> std::optional<TokenId> {
    if (!name) return std::nullopt;
    if (const std::optional<TokenId> added = parts.added.id_of(*name)) return added;
    const std::optional<int32_t> id = parts.model->vocabulary().find(*name);
    return id ? std::optional(TokenId{*id}) : std::nullopt;
  };
  if (!parts.bos) parts.bos = id_of(config.bos);
  if (!parts.eos) parts.eos = id_of(config.eos);
  if (!parts.frames.empty()) return;
  Frame frame;
  if (config.add_bos.value_or(false) && parts.bos) frame.before.push_back(*parts.bos);
  if (config.add_eos.value_or(false) && parts.eos) frame.after.push_back(*parts.eos);
  parts.frames.push_back(std::move(frame));
}

Result<std::unique_ptr<Tokenizer>> make_pipeline(PipelineParts parts) {
  AGLM_TRY(parts.added.finish(parts.normalizer.get()));
  const auto known = [&](TokenId id) {
    return parts.added.find(id) != nullptr ||
           parts.model->vocabulary().contains(static_cast<int32_t>(id));
  };
  std::vector<TokenId> used;
  for (const Frame& frame : parts.frames) {
    used.insert(used.end(), frame.before.begin(), frame.before.end());
    used.insert(used.end(), frame.after.begin(), frame.after.end());
    for (const PairPart& part : frame.pair) {
      if (part.what == PairPart::What::kSpecial) used.push_back(part.id);
    }
  }
  if (parts.bos) used.push_back(*parts.bos);
  if (parts.eos) used.push_back(*parts.eos);
  constexpr size_t kMaxFramed = 1024;  // real frames are of some four tokens
  if (used.size() > kMaxFramed) {
    return Error{ErrorCode::kCorrupt, "post-processor adds too many tokens", parts.where,
                 fmt::format("at most {}", kMaxFramed), std::to_string(used.size())};
  }
  for (const TokenId id : used) {
    if (known(id)) continue;
    return Error{ErrorCode::kCorrupt, "special token is not in the vocabulary", parts.where,
                 "the id of a token", std::to_string(static_cast<int32_t>(id))};
  }
  return std::unique_ptr<Tokenizer>(new PipelineTokenizer(std::move(parts)));
}

}  // namespace autoglm
