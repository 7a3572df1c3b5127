// Ranks to vocabulary, in GPT-2's byte alphabet.
#include "text/tokenizer/tiktoken.h"

#include <fmt/format.h>

#include <array>
#include <charconv>

#include "base/base64.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/patterns.h"
#include "text/tokenizer/pipeline.h"

namespace autoglm {
namespace {

// The sizes of the two known tables; special tokens follow.
constexpr int32_t kGlm4Ranks = 151329;
constexpr int32_t kLlama3Ranks = 128000;
constexpr int32_t kLlama3Specials = 256;

constexpr std::array<std::string_view, 14> kGlm4Special = {"<|endoftext|>",
                                                           "[MASK]",
                                                           "[gMASK]",
                                                           "[sMASK]",
                                                           "<sop>",
                                                           "<eop>",
                                                           "<|system|>",
                                                           "<|user|>",
                                                           "<|assistant|>",
                                                           "<|observation|>",
                                                           "<|begin_of_image|>",
                                                           "<|end_of_image|>",
                                                           "<|begin_of_video|>",
                                                           "<|end_of_video|>"};
constexpr std::array<std::string_view, 11> kLlama3Special = {"<|begin_of_text|>",
                                                             "<|end_of_text|>",
                                                             "<|reserved_special_token_0|>",
                                                             "<|reserved_special_token_1|>",
                                                             "<|finetune_right_pad_id|>",
                                                             "<|step_id|>",
                                                             "<|start_header_id|>",
                                                             "<|end_header_id|>",
                                                             "<|eom_id|>",
                                                             "<|eot_id|>",
                                                             "<|python_tag|>"};

struct Line {
  std::string_view token;
  int32_t rank = -1;
};

std::optional<Line> split_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || space == 0) return std::nullopt;
  Line out{line.substr(0, space), -1};
  const char* end = line.data() + line.size();
  const auto [at, code] = std::from_chars(line.data() + space + 1, end, out.rank);
  if (code != std::errc() || at != end || out.rank < 0) return std::nullopt;
  return out;
}

Result<Vocabulary> read_ranks(std::string_view bytes, std::string_view where) {
  Vocabulary vocabulary;
  std::string spelling;
  for (size_t at = 0, number = 1; at < bytes.size(); ++number) {
    size_t end = bytes.find('\n', at);
    if (end == std::string_view::npos) end = bytes.size();
    const std::string_view text = bytes.substr(at, end - at);
    at = end + 1;
    if (text.empty() || text == "\r") continue;
    const std::string place = fmt::format("{}: line {}", where, number);
    const std::optional<Line> line = split_line(text);
    if (!line) {
      return Error{ErrorCode::kCorrupt, "line is malformed", place,
                   "a token in base64 and its rank", std::string(text.substr(0, 60))};
    }
    const std::string token = AGLM_TRY(decode_base64(line->token, place));
    spelling.clear();
    append_byte_level(spelling, token);
    AGLM_TRY(vocabulary.add(spelling, line->rank, place));
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (vocabulary.find(byte_level_character(static_cast<uint8_t>(byte)))) continue;
    return Error{ErrorCode::kCorrupt, "a byte has no token", std::string(where), "all 256 bytes",
                 fmt::format("none for byte {}", byte)};
  }
  return vocabulary;
}

Result<void> add_special(PipelineParts& parts, std::string_view name, int32_t id) {
  return parts.added.add({.content = std::string(name), .special = true}, TokenId{id}, parts.where);
}

Result<void> add_known_specials(PipelineParts& parts, int32_t n_ranks) {
  if (n_ranks == kGlm4Ranks) {
    for (size_t i = 0; i < kGlm4Special.size(); ++i) {
      AGLM_TRY(add_special(parts, kGlm4Special[i], n_ranks + static_cast<int32_t>(i)));
    }
  } else if (n_ranks == kLlama3Ranks) {
    for (int32_t i = 0; i < kLlama3Specials; ++i) {
      const auto n_named = static_cast<int32_t>(kLlama3Special.size());
      const std::string name = i < n_named
                                   ? std::string(kLlama3Special[static_cast<size_t>(i)])
                                   : fmt::format("<|reserved_special_token_{}|>", i - n_named + 2);
      AGLM_TRY(add_special(parts, name, n_ranks + i));
    }
  }
  return {};
}

}  // namespace

bool looks_like_tiktoken(std::string_view bytes) {
  const std::string_view first = bytes.substr(0, std::min(bytes.find('\n'), size_t{4096}));
  const std::optional<Line> line = split_line(first);
  return line && decode_base64(line->token, "").has_value();
}

Result<std::unique_ptr<Tokenizer>> read_tiktoken(std::string_view bytes, std::string_view where,
                                                 const TokenizerConfig& config) {
  PipelineParts parts;
  parts.where = where;
  Vocabulary vocabulary = AGLM_TRY(read_ranks(bytes, where));
  const int32_t n_ranks = vocabulary.end_id();
  const bool known = n_ranks == kGlm4Ranks || n_ranks == kLlama3Ranks;
  if (!known && !config.pattern) {
    return Error{ErrorCode::kUnsupported, "nothing says how to cut text for this table",
                 std::string(where),
                 "GLM-4's or Llama 3's table, or pat_str in tokenizer_config.json",
                 fmt::format("{} ranks", n_ranks)};
  }
  // GLM-4 cuts as Llama 3 does.
  Regex pattern =
      AGLM_TRY(config.pattern ? Regex::compile(*config.pattern, where, RegexDialect::kPcre)
                              : Regex::compile(kLlama3Pattern, where, RegexDialect::kOniguruma));
  parts.pre_tokenizers.push_back(make_split(std::move(pattern), SplitOptions{}));
  parts.pre_tokenizers.push_back(make_byte_level());
  parts.decoders.push_back(make_byte_level_decoder());

  if (config.added.empty()) {
    AGLM_TRY(add_known_specials(parts, n_ranks));
  } else {
    AGLM_TRY(add_config_tokens(config, n_ranks, parts));
  }
  std::vector<int32_t> ranks(static_cast<size_t>(n_ranks));
  for (int32_t id = 0; id < n_ranks; ++id) ranks[static_cast<size_t>(id)] = id;
  parts.model =
      AGLM_TRY(BpeModel::from_ranks(std::move(vocabulary), ranks, {.ignore_merges = true}, where));

  const auto mask = parts.added.id_of("[gMASK]"), sop = parts.added.id_of("<sop>");
  if (mask && sop) {
    parts.frames.push_back({{*mask, *sop}, {}});
    parts.eos = parts.added.id_of("<|endoftext|>");
  } else if (n_ranks == kLlama3Ranks) {
    parts.bos = parts.added.id_of("<|begin_of_text|>");
    parts.eos = parts.added.id_of("<|end_of_text|>");
    if (parts.bos && config.add_bos.value_or(true)) parts.frames.push_back({{*parts.bos}, {}});
  }
  apply_config(config, parts);
  return make_pipeline(std::move(parts));
}

}  // namespace autoglm
