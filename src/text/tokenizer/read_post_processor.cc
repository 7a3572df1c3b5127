// Post-processors of tokenizer.json, as far as one text alone is concerned: what they put before
// and after its ids. Pairs of texts are not offered.
#include <fmt/format.h>

#include "text/tokenizer/components.h"

namespace autoglm {
namespace {

Result<TokenId> read_id(const json::value& value, const json::Fields& fields,
                        std::string_view key) {
  if (!value.is_int64() || value.get_int64() < 0 || value.get_int64() >= kMaxVocabulary) {
    return fields.wrong(key, fmt::format("token ids from 0 to {}", kMaxVocabulary - 1));
  }
  return TokenId{static_cast<int32_t>(value.get_int64())};
}

// ["[CLS]", 101]
Result<TokenId> read_named_id(const json::Fields& fields, std::string_view key) {
  const json::array* pair = AGLM_TRY(fields.list(key));
  if (pair->size() != 2) return fields.wrong(key, "a token and its id");
  return read_id((*pair)[1], fields, key);
}

Result<Frame> read_template(const json::Fields& fields) {
  Frame frame;
  bool text_seen = false;
  const json::Fields specials = AGLM_TRY(fields.child("special_tokens"));
  const auto read = [&](const json::Fields& part) -> Result<void> {
    if (part.find("Sequence") != nullptr) {
      if (text_seen) {
        return Error{ErrorCode::kUnsupported, "template repeats its text", part.where(), {}, {}};
      }
      text_seen = true;
      return {};
    }
    const json::Fields special = AGLM_TRY(part.child("SpecialToken"));
    const std::string name = AGLM_TRY(special.string("id"));
    const json::Fields token = AGLM_TRY(specials.child(name));
    const json::array* ids = AGLM_TRY(token.list("ids"));
    for (const json::value& id : *ids) {
      (text_seen ? frame.after : frame.before).push_back(AGLM_TRY(read_id(id, token, "ids")));
    }
    return {};
  };
  AGLM_TRY(for_each_step(fields, "single", read));
  ;
  if (!text_seen) return fields.wrong("single", "a place for the text");
  return frame;
}

}  // namespace

Result<void> read_post_processor(const json::Fields& fields, std::vector<Frame>& frames) {
  const std::string type = AGLM_TRY(fields.string("type"));
  if (type == "Sequence") {
    return for_each_step(fields, "processors", [&](const json::Fields& step) {
      return read_post_processor(step, frames);
    });
  }
  if (type == "ByteLevel") return {};  // trims offsets, which we don't keep
  if (type == "TemplateProcessing") {
    frames.push_back(AGLM_TRY(read_template(fields)));
    return {};
  }
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    const TokenId cls = AGLM_TRY(read_named_id(fields, "cls"));
    const TokenId sep = AGLM_TRY(read_named_id(fields, "sep"));
    frames.push_back({{cls}, {sep}});
    return {};
  }
  return unknown_type(fields, "post-processor", type);
}

}  // namespace autoglm
