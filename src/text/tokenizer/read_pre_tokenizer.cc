// Pre-tokenizers of tokenizer.json.
#include "base/utf8.h"
#include "text/tokenizer/components.h"
#include "text/tokenizer/unicode.h"

namespace autoglm {
namespace {

Result<SplitBehavior> read_behavior(const json::Fields& fields, std::string_view otherwise) {
  const std::string name = AGLM_TRY(fields.string_or("behavior", otherwise));
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  return fields.wrong("behavior",
                      "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

Result<PrependScheme> read_prepend_scheme(const json::Fields& fields) {
  const bool add_prefix_space = AGLM_TRY(fields.boolean_or("add_prefix_space", true));
  const std::string scheme =
      AGLM_TRY(fields.string_or("prepend_scheme", add_prefix_space ? "always" : "never"));
  if (scheme == "always") return PrependScheme::kAlways;
  if (scheme == "first") return PrependScheme::kFirst;
  if (scheme == "never") return PrependScheme::kNever;
  return fields.wrong("prepend_scheme", "always, first or never");
}

Result<std::string> read_replacement(const json::Fields& fields) {
  std::string replacement = AGLM_TRY(fields.string_or("replacement", "\xE2\x96\x81"));
  if (count_characters(replacement) != 1) return fields.wrong("replacement", "one character");
  return replacement;
}

}  // namespace

Result<void> read_pre_tokenizer(const json::Fields& fields, std::vector<PreTokenizerPtr>& steps) {
  const std::string type = AGLM_TRY(fields.string("type"));
  constexpr SplitOptions kRemove{SplitBehavior::kRemoved, false};
  if (type == "Sequence") {
    return for_each_step(fields, "pretokenizers",
                         [&](const json::Fields& step) { return read_pre_tokenizer(step, steps); });
  }
  if (type == "ByteLevel") {
    const bool add_prefix_space = AGLM_TRY(fields.boolean_or("add_prefix_space", true));
    const bool use_regex = AGLM_TRY(fields.boolean_or("use_regex", true));
    // The space comes before the cut, the alphabet after it: two steps, of which the first writes
    // plain text.
    if (add_prefix_space) steps.push_back(make_prefix_space());
    if (use_regex) steps.push_back(make_split(AGLM_TRY(gpt2_pattern()), SplitOptions{}));
    steps.push_back(make_byte_level());
    return {};
  }
  if (type == "Split") {
    SplitOptions options;
    options.behavior = AGLM_TRY(read_behavior(fields, ""));
    options.invert = AGLM_TRY(fields.boolean_or("invert", false));
    ReadPattern pattern = AGLM_TRY(read_pattern(fields));
    steps.push_back(pattern.regex ? make_split(std::move(*pattern.regex), options)
                                  : make_split(std::move(pattern.literal), options));
    return {};
  }
  if (type == "Metaspace") {
    std::string replacement = AGLM_TRY(read_replacement(fields));
    const PrependScheme prepend = AGLM_TRY(read_prepend_scheme(fields));
    const bool split = AGLM_TRY(fields.boolean_or("split", true));
    steps.push_back(make_metaspace(std::move(replacement), prepend, split));
    return {};
  }
  if (type == "Whitespace") {
    steps.push_back(make_whitespace());
    return {};
  }
  if (type == "WhitespaceSplit") {
    steps.push_back(make_split(is_white_space, kRemove));
    return {};
  }
  if (type == "BertPreTokenizer") {
    steps.push_back(make_split(is_white_space, kRemove));
    steps.push_back(make_split(is_punctuation, SplitOptions{}));
    return {};
  }
  if (type == "Digits") {
    const bool individual = AGLM_TRY(fields.boolean_or("individual_digits", false));
    steps.push_back(make_split(
        is_numeric, {individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous, false}));
    return {};
  }
  if (type == "Punctuation") {
    const SplitBehavior behavior = AGLM_TRY(read_behavior(fields, "Isolated"));
    steps.push_back(make_split(is_punctuation, {behavior, false}));
    return {};
  }
  if (type == "CharDelimiterSplit") {
    const std::string delimiter = AGLM_TRY(fields.string("delimiter"));
    if (count_characters(delimiter) != 1) return fields.wrong("delimiter", "one character");
    steps.push_back(make_split(delimiter, kRemove));
    return {};
  }
  if (type == "FixedLength") {
    const int64_t length = AGLM_TRY(fields.integer_or("length", 5));
    if (length < 1) return fields.wrong("length", "a positive integer");
    steps.push_back(make_fixed_length(static_cast<size_t>(length)));
    return {};
  }
  return unknown_type(fields, "pre-tokenizer", type);
}

Result<void> read_decoder(const json::Fields& fields, std::vector<DecoderPtr>& steps) {
  const std::string type = AGLM_TRY(fields.string("type"));
  if (type == "Sequence") {
    return for_each_step(fields, "decoders",
                         [&](const json::Fields& step) { return read_decoder(step, steps); });
  }
  if (type == "ByteLevel") {
    steps.push_back(make_byte_level_decoder());
  } else if (type == "ByteFallback") {
    steps.push_back(make_byte_fallback_decoder());
  } else if (type == "Fuse") {
    steps.push_back(make_fuse_decoder());
  } else if (type == "Strip") {
    const std::string content = AGLM_TRY(fields.string("content"));
    const int64_t start = AGLM_TRY(fields.integer_or("start", 0));
    const int64_t stop = AGLM_TRY(fields.integer_or("stop", 0));
    if (start < 0 || stop < 0) return fields.wrong(start < 0 ? "start" : "stop", "0 or more");
    steps.push_back(
        make_strip_decoder(content, static_cast<size_t>(start), static_cast<size_t>(stop)));
  } else if (type == "Replace") {
    ReadPattern pattern = AGLM_TRY(read_pattern(fields));
    std::string content = AGLM_TRY(fields.string("content"));
    steps.push_back(pattern.regex
                        ? make_replace_decoder(std::move(*pattern.regex), std::move(content))
                        : make_replace_decoder(std::move(pattern.literal), std::move(content)));
  } else if (type == "Metaspace") {
    std::string replacement = AGLM_TRY(read_replacement(fields));
    const PrependScheme prepend = AGLM_TRY(read_prepend_scheme(fields));
    steps.push_back(make_metaspace_decoder(std::move(replacement), prepend));
  } else if (type == "WordPiece") {
    std::string prefix = AGLM_TRY(fields.string_or("prefix", "##"));
    const bool clean_up = AGLM_TRY(fields.boolean_or("cleanup", true));
    steps.push_back(make_word_piece_decoder(std::move(prefix), clean_up));
  } else if (type == "BPEDecoder") {
    steps.push_back(make_bpe_decoder(AGLM_TRY(fields.string_or("suffix", "</w>"))));
  } else {
    return unknown_type(fields, "decoder", type);
  }
  return {};
}

}  // namespace autoglm
