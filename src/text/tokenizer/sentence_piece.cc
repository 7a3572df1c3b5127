// The library encodes the text between special tokens.
#include "text/tokenizer/sentence_piece.h"

#include <fmt/format.h>
#include <sentencepiece_processor.h>

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/normalizer.h"

namespace autoglm {
namespace {

using sentencepiece::SentencePieceProcessor;

constexpr std::string_view kMark = "\xE2\x96\x81";
// ChatGLM2 and 3 append these to their 64,789 pieces. "sop" and "eop" are words too: they are
// looked for in text only where the configuration lists them.
constexpr std::array<std::string_view, 9> kChatGlmSpecial = {
    "[MASK]",   "[gMASK]",       "[sMASK]",        "sop", "eop", "<|system|>",
    "<|user|>", "<|assistant|>", "<|observation|>"};

// Added to a serialized model, whose fields it follows and so replaces: normalizer_spec (field 3 of
// the model) with add_dummy_prefix (field 3 of that) false.
constexpr std::string_view kNoDummyPrefix{"\x1A\x02\x18\x00", 4};

// Which parts of a text, as special tokens cut it, get a space before them.
enum class Prefix : uint8_t {
  kModel,  // as the model's file says: each part, as a rule
  kFirst,  // transformers' "legacy": false: the text's own beginning, unless a space is there
  kNone,   // "add_prefix_space": false
};

class SentencePieceTokenizer : public Tokenizer {
 public:
  std::unique_ptr<SentencePieceProcessor> processor;
  Prefix prefix = Prefix::kModel;
  // The same model without a space before its texts; null for Prefix::kModel.
  std::unique_ptr<SentencePieceProcessor> bare;
  AddedTokens searched;  // cut out of text
  AddedTokens appended;  // have ids beyond the pieces; some are not searched
  std::vector<TokenId> before, after;
  std::optional<TokenId> bos_id, eos_id;
  std::string where;
  size_t longest_piece = 0;  // bytes

  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const override {
    std::string repaired;
    std::span<const size_t> literal = options.literal;
    if (!is_valid_utf8(text)) {
      if (!literal.empty()) options.parse_special = false;  // mending moves the places
      literal = {};
      repaired = repair_utf8(text);
      text = repaired;
    }
    TextWork work(text.size());
    std::vector<AddedTokens::Segment> segments;
    AGLM_TRY(searched.cut(text, {.parse_special = options.parse_special, .literal = literal},
                          segments, work));
    std::vector<TokenId> ids;
    if (options.add_special_tokens) ids = before;
    for (const AddedTokens::Segment& segment : segments) {
      if (segment.id) {
        ids.push_back(*segment.id);
        continue;
      }
      std::vector<int> numbers;
      const std::string_view part = segment.span.of(text);
      // The library tries all pieces that begin at each place.
      AGLM_TRY(work.spend(part.size() * (TextWork::kPassCost + longest_piece / 4)));
      const bool at_start = part.data() == text.data();
      const auto status = encoder(part, at_start).Encode({part.data(), part.size()}, &numbers);
      if (!status.ok()) return failure("text cannot be encoded", status.ToString());
      for (const int number : numbers) ids.push_back(TokenId{number});
    }
    if (options.add_special_tokens) ids.insert(ids.end(), after.begin(), after.end());
    return ids;
  }

  Result<FramedIds> frame(std::span<const TokenId> first,
                          std::optional<std::span<const TokenId>> second) const override {
    FramedIds framed = AGLM_TRY(Tokenizer::frame(first, second));
    framed.ids.insert(framed.ids.begin(), before.begin(), before.end());
    framed.ids.insert(framed.ids.end(), after.begin(), after.end());
    framed.types.resize(framed.ids.size());
    return framed;
  }

  Result<std::string> decode(std::span<const TokenId> ids, bool skip_special) const override {
    std::string text;
    std::vector<int> run;
    const auto flush = [&]() -> Result<void> {
      std::string part;
      // Takes the space away again that encoding put before the text.
      const auto& decoder = prefix == Prefix::kModel || (prefix == Prefix::kFirst && text.empty())
                                ? *processor
                                : *bare;
      const auto status = decoder.Decode(run, &part);
      if (!status.ok()) return failure("ids cannot be decoded", status.ToString());
      text += part;
      run.clear();
      return {};
    };
    for (const TokenId id : ids) {
      const auto number = static_cast<int32_t>(id);
      if (number < 0 || number >= vocab_size()) {
        return Error{ErrorCode::kInvalidArgument, "token id is out of range", where,
                     fmt::format("0 to {}", vocab_size() - 1), std::to_string(number)};
      }
      if (const AddedToken* token = special_token(id)) {
        if (skip_special && token->special) continue;
        AGLM_TRY(flush());
        text += token->content;
      } else if (number < processor->GetPieceSize()) {
        run.push_back(number);
      }
    }
    AGLM_TRY(flush());
    return repair_utf8(text);
  }

  std::string token_bytes(TokenId id) const override {
    if (const AddedToken* token = special_token(id)) return token->content;
    const std::string spelling = token_spelling(id);
    if (const auto byte = byte_token_value(spelling)) return {static_cast<char>(*byte)};
    TextWork work(spelling.size());
    Result<std::string> text = replace_literal(spelling, kMark, " ", work);
    return text ? *text : spelling;
  }

  std::string token_spelling(TokenId id) const override {
    if (const AddedToken* token = special_token(id)) return token->content;
    const auto number = static_cast<int32_t>(id);
    if (number < 0 || number >= processor->GetPieceSize()) return {};
    return processor->IdToPiece(number);
  }

  std::optional<TokenId> token_id(std::string_view spelling) const override {
    if (const auto id = appended.id_of(spelling)) return id;
    const int number = processor->PieceToId({spelling.data(), spelling.size()});
    // The library answers with the unknown token's id for what it does not know.
    if (number < 0 || processor->IdToPiece(number) != spelling) return std::nullopt;
    return TokenId{number};
  }

  bool is_special(TokenId id) const override {
    const AddedToken* token = special_token(id);
    return token != nullptr && token->special;
  }
  int32_t vocab_size() const override {
    return std::max(processor->GetPieceSize(), appended.end_id());
  }
  std::optional<TokenId> bos() const override { return bos_id; }
  std::optional<TokenId> eos() const override { return eos_id; }

  Error failure(std::string what, std::string found) const {
    return Error{ErrorCode::kInvalidArgument, std::move(what), where, {}, std::move(found)};
  }

 private:
  const SentencePieceProcessor& encoder(std::string_view part, bool at_start) const {
    if (prefix == Prefix::kModel) return *processor;
    const bool has_space = part.starts_with(' ') || part.starts_with(kMark);
    return prefix == Prefix::kFirst && at_start && !has_space ? *processor : *bare;
  }

  const AddedToken* special_token(TokenId id) const {
    const AddedToken* token = searched.find(id);
    return token != nullptr ? token : appended.find(id);
  }
};

Result<void> add_chatglm(SentencePieceTokenizer& tokenizer) {
  const int32_t first = tokenizer.processor->GetPieceSize();
  for (size_t i = 0; i < kChatGlmSpecial.size(); ++i) {
    const AddedToken token{.content = std::string(kChatGlmSpecial[i]), .special = true};
    const TokenId id{first + static_cast<int32_t>(i)};
    AGLM_TRY(tokenizer.appended.add(token, id, tokenizer.where));
    if (token.content != "sop" && token.content != "eop") {
      AGLM_TRY(tokenizer.searched.add(token, id, tokenizer.where));
    }
  }
  tokenizer.before = {TokenId{first + 1}, TokenId{first + 3}};  // [gMASK] sop
  return {};
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> read_sentence_piece(std::string_view bytes, std::string where,
                                                       const TokenizerConfig& config) {
  auto tokenizer = std::make_unique<SentencePieceTokenizer>();
  tokenizer->where = std::move(where);
  tokenizer->processor = std::make_unique<SentencePieceProcessor>();
  const SentencePieceProcessor& processor = *tokenizer->processor;
  const auto status = tokenizer->processor->LoadFromSerializedProto({bytes.data(), bytes.size()});
  if (!status.ok()) {
    return Error{ErrorCode::kCorrupt, "SentencePiece model does not load", tokenizer->where,
                 "a SentencePiece or tiktoken file", status.ToString()};
  }
  const bool chatglm = config.tokenizer_class == "ChatGLMTokenizer";
  if (!chatglm && !config.add_prefix_space.value_or(true)) {
    tokenizer->prefix = Prefix::kNone;
  } else if (!chatglm && !config.legacy.value_or(true)) {
    tokenizer->prefix = Prefix::kFirst;
  }
  if (tokenizer->prefix != Prefix::kModel) {
    tokenizer->bare = std::make_unique<SentencePieceProcessor>();
    const std::string changed = std::string(bytes) + std::string(kNoDummyPrefix);
    const auto loaded = tokenizer->bare->LoadFromSerializedProto(changed);
    if (!loaded.ok()) {
      return Error{ErrorCode::kCorrupt, "SentencePiece model does not load", tokenizer->where,
                   "a SentencePiece file", loaded.ToString()};
    }
  }
  for (int id = 0; id < processor.GetPieceSize(); ++id) {
    tokenizer->longest_piece = std::max(tokenizer->longest_piece, processor.IdToPiece(id).size());
    if (!processor.IsControl(id) && !processor.IsUnknown(id)) continue;
    // ChatGLM's tokenizer takes "</s>" in a text for five characters.
    AddedTokens& tokens = chatglm ? tokenizer->appended : tokenizer->searched;
    AGLM_TRY(tokens.add({.content = processor.IdToPiece(id), .special = true}, TokenId{id},
                        tokenizer->where));
  }
  if (chatglm) AGLM_TRY(add_chatglm(*tokenizer));
  for (const auto& [id, token] : config.added) {
    if (id >= kMaxVocabulary) {
      return Error{ErrorCode::kCorrupt, "token id is out of range",
                   tokenizer->where + ": added_tokens_decoder",
                   fmt::format("0 to {}", kMaxVocabulary - 1), std::to_string(id)};
    }
    AddedToken added = token;
    added.normalized = false;  // nothing is normalized before the library does it
    added.special = added.special || chatglm;
    const TokenId number{static_cast<int32_t>(id)};
    AGLM_TRY(tokenizer->appended.add(added, number, tokenizer->where));
    AGLM_TRY(tokenizer->searched.add(std::move(added), number, tokenizer->where));
  }
  AGLM_TRY(tokenizer->searched.finish(nullptr));
  if (processor.bos_id() >= 0) tokenizer->bos_id = TokenId{processor.bos_id()};
  if (processor.eos_id() >= 0) tokenizer->eos_id = TokenId{processor.eos_id()};
  if (!chatglm) {
    // Llama's tokenizer puts <s> first unless told otherwise.
    if (config.add_bos.value_or(true) && tokenizer->bos_id) {
      tokenizer->before.push_back(*tokenizer->bos_id);
    }
    if (config.add_eos.value_or(false) && tokenizer->eos_id) {
      tokenizer->after.push_back(*tokenizer->eos_id);
    }
  }
  return std::unique_ptr<Tokenizer>(std::move(tokenizer));
}

}  // namespace autoglm
