// The document's parts, put together. `truncation` and `padding` are the caller's business and
// ignored.
#include "text/tokenizer/tokenizer_json.h"

#include "text/tokenizer/components.h"

namespace autoglm {
namespace {

// A token that the model knows keeps the model's id, whatever the entry says: so the reference.
Result<void> read_added_tokens(const json::Fields& fields, PipelineParts& parts) {
  if (fields.find("added_tokens") == nullptr) return {};
  const auto read = [&](const json::Fields& entry) -> Result<void> {
    AddedToken token = AGLM_TRY(read_added_token(entry));
    int64_t id = AGLM_TRY(entry.integer("id"));
    if (const auto known = parts.model->vocabulary().find(token.content)) id = *known;
    if (id < 0 || id >= kMaxVocabulary) return entry.wrong("id", "a token id");
    return parts.added.add(std::move(token), TokenId{static_cast<int32_t>(id)}, entry.where());
  };
  return for_each_step(fields, "added_tokens", read);
}

}  // namespace

Result<std::unique_ptr<Tokenizer>> read_tokenizer_json(const json::value& document,
                                                       std::string_view where,
                                                       const TokenizerConfig& config) {
  const json::Fields fields = AGLM_TRY(json::fields_of(document, where));
  PipelineParts parts;
  parts.where = where;
  const json::Fields model = AGLM_TRY(fields.child("model"));
  parts.model = AGLM_TRY(read_model(model));
  AGLM_TRY(read_added_tokens(fields, parts));
  AGLM_TRY(add_missing_tokens(config, parts));
  if (fields.find("normalizer") != nullptr) {
    const json::Fields normalizer = AGLM_TRY(fields.child("normalizer"));
    parts.normalizer = AGLM_TRY(read_normalizer(normalizer));
  }
  if (fields.find("pre_tokenizer") != nullptr) {
    const json::Fields pre_tokenizer = AGLM_TRY(fields.child("pre_tokenizer"));
    AGLM_TRY(read_pre_tokenizer(pre_tokenizer, parts.pre_tokenizers));
  }
  if (fields.find("post_processor") != nullptr) {
    const json::Fields post_processor = AGLM_TRY(fields.child("post_processor"));
    AGLM_TRY(read_post_processor(post_processor, parts.frames));
  }
  if (fields.find("decoder") != nullptr) {
    const json::Fields decoder = AGLM_TRY(fields.child("decoder"));
    AGLM_TRY(read_decoder(decoder, parts.decoders));
  } else {
    parts.decoders.push_back(make_space_joining_decoder());
  }
  apply_config(config, parts);
  return make_pipeline(std::move(parts));
}

}  // namespace autoglm
