// Post-processors of tokenizer.json: what they put before and after the ids of a text, and around
// those of two.
#include <fmt/format.h>

#include <algorithm>

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

// The parts of "single" or "pair".
Result<std::vector<PairPart>> read_parts(const json::Fields& fields, std::string_view key) {
  std::vector<PairPart> parts;
  const json::Fields specials = AGLM_TRY(fields.child("special_tokens"));
  const auto type_of = [](const json::Fields& part) -> Result<uint8_t> {
    const int64_t type = AGLM_TRY(part.integer_or("type_id", 0));
    if (type < 0 || type > 255) return part.wrong("type_id", "0 to 255");
    return static_cast<uint8_t>(type);
  };
  const auto read = [&](const json::Fields& part) -> Result<void> {
    if (part.find("Sequence") != nullptr) {
      const json::Fields text = AGLM_TRY(part.child("Sequence"));
      const json::value* id = text.find("id");
      const bool second = id != nullptr && id->is_string() && id->get_string() == "B";
      const auto what = second ? PairPart::What::kSecond : PairPart::What::kFirst;
      for (const PairPart& before : parts) {
        if (before.what != what) continue;
        return Error{ErrorCode::kUnsupported, "template repeats its text", part.where(), {}, {}};
      }
      const uint8_t type = AGLM_TRY(type_of(text));
      parts.push_back({.what = what, .type = type});
      return {};
    }
    const json::Fields special = AGLM_TRY(part.child("SpecialToken"));
    const uint8_t type = AGLM_TRY(type_of(special));
    const std::string name = AGLM_TRY(special.string("id"));
    const json::Fields token = AGLM_TRY(specials.child(name));
    const json::array* ids = AGLM_TRY(token.list("ids"));
    for (const json::value& id : *ids) {
      const TokenId number = AGLM_TRY(read_id(id, token, "ids"));
      parts.push_back({.what = PairPart::What::kSpecial, .id = number, .type = type});
    }
    return {};
  };
  AGLM_TRY(for_each_step(fields, key, read));
  return parts;
}

Result<Frame> read_template(const json::Fields& fields) {
  Frame frame;
  bool text_seen = false;
  const std::vector<PairPart> single = AGLM_TRY(read_parts(fields, "single"));
  for (const PairPart& part : single) {
    if (part.what == PairPart::What::kSpecial) {
      (text_seen ? frame.after : frame.before).push_back(part.id);
    } else {
      text_seen = true;
    }
  }
  if (!text_seen) return fields.wrong("single", "a place for the text");
  if (fields.find("pair") == nullptr) return frame;
  frame.pair = AGLM_TRY(read_parts(fields, "pair"));
  const auto has = [&](PairPart::What what) {
    return std::ranges::find(frame.pair, what, &PairPart::what) != frame.pair.end();
  };
  if (!has(PairPart::What::kFirst) || !has(PairPart::What::kSecond)) {
    return fields.wrong("pair", "a place for each of two texts");
  }
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
    frames.push_back(bert_frame(cls, sep));
    if (type == "RobertaProcessing") {
      using enum PairPart::What;
      frames.back().pair = {{kSpecial, cls, 0}, {kFirst, {}, 0},  {kSpecial, sep, 0},
                            {kSpecial, sep, 0}, {kSecond, {}, 0}, {kSpecial, sep, 0}};
    }
    return {};
  }
  return unknown_type(fields, "post-processor", type);
}

}  // namespace autoglm
