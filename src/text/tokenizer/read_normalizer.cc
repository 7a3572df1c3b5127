// Normalizers and patterns of tokenizer.json.
#include <fmt/format.h>

#include "base/base64.h"
#include "text/tokenizer/components.h"

namespace autoglm {

Error unknown_type(const json::Fields& fields, std::string_view role, std::string_view type) {
  return Error{ErrorCode::kUnsupported, fmt::format("{} of unknown type", role), fields.where(),
               "a type that this program knows", std::string(type.substr(0, 60))};
}

Result<ReadPattern> read_pattern(const json::Fields& fields) {
  const json::Fields pattern = AGLM_TRY(fields.child("pattern"));
  ReadPattern read;
  if (pattern.find("String") != nullptr) {
    read.literal = AGLM_TRY(pattern.string("String"));
  } else {
    const std::string expression = AGLM_TRY(pattern.string("Regex"));
    read.regex = AGLM_TRY(Regex::compile(expression, pattern.where(), RegexDialect::kOniguruma));
  }
  return read;
}

Result<NormalizerPtr> read_normalizer(const json::Fields& fields) {
  const std::string type = AGLM_TRY(fields.string("type"));
  if (type == "Sequence") {
    std::vector<NormalizerPtr> steps;
    const auto read = [&](const json::Fields& step) -> Result<void> {
      steps.push_back(AGLM_TRY(read_normalizer(step)));
      return {};
    };
    AGLM_TRY(for_each_step(fields, "normalizers", read));
    return make_sequence(std::move(steps));
  }
  if (type == "NFC") return make_unicode_form(NormalForm::kNfc);
  if (type == "NFD") return make_unicode_form(NormalForm::kNfd);
  if (type == "NFKC") return make_unicode_form(NormalForm::kNfkc);
  if (type == "NFKD") return make_unicode_form(NormalForm::kNfkd);
  if (type == "Lowercase") return make_lowercase();
  if (type == "StripAccents") return make_strip_accents();
  if (type == "Nmt") return make_nmt();
  if (type == "ByteLevel") return make_byte_level_normalizer();
  if (type == "Strip") {
    const bool left = AGLM_TRY(fields.boolean_or("strip_left", true));
    const bool right = AGLM_TRY(fields.boolean_or("strip_right", true));
    return make_strip(left, right);
  }
  if (type == "Prepend") return make_prepend(AGLM_TRY(fields.string("prepend")));
  if (type == "Replace") {
    ReadPattern pattern = AGLM_TRY(read_pattern(fields));
    std::string content = AGLM_TRY(fields.string("content"));
    if (pattern.regex) return make_replace(std::move(*pattern.regex), std::move(content));
    return make_replace(std::move(pattern.literal), std::move(content));
  }
  if (type == "BertNormalizer") {
    BertNormalizerOptions options;
    options.clean_text = AGLM_TRY(fields.boolean_or("clean_text", true));
    options.handle_chinese_chars = AGLM_TRY(fields.boolean_or("handle_chinese_chars", true));
    options.lowercase = AGLM_TRY(fields.boolean_or("lowercase", true));
    options.strip_accents = AGLM_TRY(fields.boolean_or("strip_accents", options.lowercase));
    return make_bert_normalizer(options);
  }
  if (type == "Precompiled") {
    if (fields.find("precompiled_charsmap") == nullptr) return make_sequence({});
    const std::string where = fields.where() + ".precompiled_charsmap";
    const std::string encoded = AGLM_TRY(fields.string("precompiled_charsmap"));
    std::string charsmap = AGLM_TRY(decode_base64(encoded, where));
    return make_precompiled(std::move(charsmap), where);
  }
  return unknown_type(fields, "normalizer", type);
}

}  // namespace autoglm
