// What an encoder is asked and what it answers: a model that reads whole texts and writes none. It
// makes a vector of each text, or, as a classifier, a score for each of its labels.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/result.h"

#pragma GCC visibility push(default)
namespace autoglm {

struct EncoderInfo {
  std::string pooling{};    // how the rows of a text become one: "mean", "cls", "last", ...
  bool normalizes = false;  // vectors are scaled to length 1 unless a request says otherwise
  std::vector<std::string> labels{};  // of a classifier; empty: it makes vectors
  // Vectors may be cut to their first numbers: to these lengths, or, where none is named, to any.
  bool shortens = false;
  std::vector<int64_t> dimensions{};
};

// A text, or two that are read together, as an encoder takes it.
struct EncoderText {
  std::vector<TokenId> tokens{};  // special tokens too
  // Which of two texts each token counts to, for models that tell them apart. Empty: all are 0.
  std::vector<uint8_t> token_types{};
};

struct EncoderTextOptions {
  bool add_special_tokens = true;
  bool parse_special = true;  // "[SEP]" in the text becomes one token
  // Longer texts are cut at their end to so many tokens, special ones included; of two, the longer
  // one first.
  std::optional<int64_t> max_tokens{};
};

struct EncodingRequest {
  std::vector<EncoderText> texts{};  // at least one
  // Of vectors; unset: as EncoderInfo says.
  std::optional<bool> normalize{};
  std::optional<int64_t> dimensions{};  // of a vector's first so many numbers; see EncoderInfo
  bool activate = true;  // scores as the model gives them to users; false: as it computes them
  std::string request_id{};
  Scheduling scheduling{};
};

// One vector, or the scores, of each text. Called once, on the engine's thread: must return quickly
// and must not call back into the engine.
using EncodingCallback = std::function<void(Result<std::vector<std::vector<float>>>)>;

}  // namespace autoglm
#pragma GCC visibility pop
