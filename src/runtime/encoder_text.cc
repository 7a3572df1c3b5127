#include "runtime/encoder_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace autoglm {
namespace {

using Ids = std::vector<TokenId>;

void cut_to(Ids& ids, int64_t n) {
  if (std::ssize(ids) > n) ids.resize(static_cast<size_t>(n));
}

// As the tokenizers library cuts a pair by "longest_first": the longer text first, then both to
// halves.
void cut_pair(Ids& first, Ids& second, int64_t room) {
  if (std::ssize(first) + std::ssize(second) <= room) return;
  Ids& shorter = first.size() > second.size() ? second : first;
  Ids& longer = first.size() > second.size() ? first : second;
  int64_t least = std::ssize(shorter);
  int64_t most = least > room ? least : std::max(least, room - least);
  if (least + most > room) {
    least = room / 2;
    most = least + room % 2;
  }
  cut_to(shorter, least);
  cut_to(longer, most);
}

}  // namespace

Result<EncoderText> make_encoder_text(const Tokenizer& tokenizer, std::string_view text,
                                      std::optional<std::string_view> second,
                                      const EncoderTextOptions& options) {
  const EncodeOptions plain{.add_special_tokens = false, .parse_special = options.parse_special};
  Ids first_ids = AGLM_TRY(tokenizer.encode(text, plain));
  Ids second_ids;
  if (second) second_ids = AGLM_TRY(tokenizer.encode(*second, plain));
  const bool framed = options.add_special_tokens || second;
  const auto frame = [&](const Ids& a, const Ids& b) {
    return tokenizer.frame(a, second ? std::optional(std::span(b)) : std::nullopt);
  };
  if (options.max_tokens) {
    int64_t room = *options.max_tokens;
    if (framed) {
      const FramedIds none = AGLM_TRY(frame({}, {}));
      room -= std::ssize(none.ids);
    }
    if (room < 1) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "no token of the text is left",
                   .where = "truncate_prompt_tokens",
                   .expected = fmt::format("more than {}", *options.max_tokens - room),
                   .found = fmt::format("{}", *options.max_tokens)};
    }
    if (second) {
      cut_pair(first_ids, second_ids, room);
    } else {
      cut_to(first_ids, room);
    }
  }
  if (!framed) return EncoderText{.tokens = std::move(first_ids)};
  FramedIds whole = AGLM_TRY(frame(first_ids, second_ids));
  return EncoderText{.tokens = std::move(whole.ids), .token_types = std::move(whole.types)};
}

}  // namespace autoglm
