#include "train/quantize/calibration_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/files.h"
#include "text/tokenizer.h"

namespace autoglm {
namespace {

constexpr size_t kMaxTextBytes = size_t{64} << 20;
// Fewer rows than this leave most directions of a layer's input unseen.
constexpr int64_t kLeastTokens = 512;

class Reader {
 public:
  Reader(const Tokenizer& tokenizer, int64_t vocab_size)
      : tokenizer_(tokenizer), vocab_(vocab_size) {}

  Result<std::vector<TokenId>> tokens(const std::string& path, int64_t least) const {
    const std::string text = AGLM_TRY(read_text_file(path, kMaxTextBytes));
    std::vector<TokenId> ids =
        AGLM_TRY(tokenizer_.encode(text, {.add_special_tokens = false, .parse_special = false}));
    if (static_cast<int64_t>(ids.size()) < least) {
      return Error{ErrorCode::kInvalidArgument, "text is too short", path,
                   fmt::format("at least {} tokens", least), fmt::format("{}", ids.size())};
    }
    for (const TokenId id : ids) {
      if (static_cast<int64_t>(id) >= vocab_) {
        return Error{ErrorCode::kCorrupt, "tokenizer knows tokens that the model does not", path,
                     fmt::format("ids below {}", vocab_), fmt::format("{}", static_cast<int>(id))};
      }
    }
    return ids;
  }

 private:
  const Tokenizer& tokenizer_;
  int64_t vocab_;
};

// Windows from all over the text, at most `most` tokens of them.
void add_windows(std::span<const TokenId> ids, int64_t window, int64_t most,
                 std::vector<std::vector<TokenId>>& out) {
  const int64_t available = (static_cast<int64_t>(ids.size()) + window - 1) / window;
  const int64_t wanted = std::clamp<int64_t>(most / window, 1, available);
  for (int64_t i = 0; i < wanted; ++i) {
    const int64_t begin = i * available / wanted * window;
    const int64_t n = std::min<int64_t>(window, static_cast<int64_t>(ids.size()) - begin);
    if (n < 2 && i > 0) continue;  // one token predicts nothing
    const auto part = ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(n));
    out.emplace_back(part.begin(), part.end());
  }
}

}  // namespace

int64_t CalibrationText::calibration_rows() const {
  int64_t rows = 0;
  for (size_t i = 0; i < first_evaluation; ++i) rows += static_cast<int64_t>(sequences[i].size());
  return rows;
}

Result<CalibrationText> read_calibration(const Model& model, const QuantizeOptions& options) {
  CalibrationText text;
  if (options.calibration.empty() && options.evaluation.empty()) return text;
  AGLM_CHECK(options.tokenizer != nullptr, "texts without a tokenizer");
  const Reader reader(*options.tokenizer, model.vocab_size);
  const int64_t window = std::min(options.window, model.max_context);
  std::vector<TokenId> calibration;
  std::vector<TokenId> evaluation;
  if (!options.calibration.empty()) {
    calibration = AGLM_TRY(reader.tokens(options.calibration, kLeastTokens));
  }
  if (!options.evaluation.empty()) {
    evaluation = AGLM_TRY(reader.tokens(options.evaluation, 2));
  } else if (options.evaluate) {
    // The text's last eighth is kept from calibration.
    const size_t kept = calibration.size() - calibration.size() / 8;
    evaluation.assign(calibration.begin() + static_cast<long>(kept), calibration.end());
    calibration.resize(kept);
  }
  if (!calibration.empty()) {
    add_windows(calibration, window, options.calibration_tokens, text.sequences);
  }
  text.first_evaluation = text.sequences.size();
  if (!evaluation.empty()) {
    add_windows(evaluation, window, options.evaluation_tokens, text.sequences);
  }
  return text;
}

}  // namespace autoglm
