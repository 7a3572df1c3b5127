// The engine's view of a compiled model: tokens and pages in, logits out. The CPU's implementation
// is devices/cpu/; tests of the engine use a fake. One caller at a time.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "autoglm/generation.h"
#include "autoglm/result.h"

namespace autoglm {

// A stretch of one sequence in a step: rows [first_row, first_row + n_rows) of the step's tokens
// are its positions [start_position, start_position + n_rows).
struct StepSequence {
  int32_t first_row = 0;
  int32_t n_rows = 0;
  int64_t start_position = 0;
  // Page numbers in the KV pool, enough for start_position + n_rows tokens; page i holds positions
  // [i * page_tokens, (i + 1) * page_tokens). None where page_bytes is 0: such a model keeps
  // nothing from step to step, and sequences come whole.
  std::span<const int32_t> pages;
};

// Rows of the step that do not come from the embedding table.
struct StepEmbeddings {
  int32_t first_row = 0;
  std::span<const float> values;  // [rows, hidden_size]
};

struct StepInput {
  std::span<const TokenId> tokens;  // [n_rows in all]
  // Of models that read two texts together: which of them each row is of. Empty: all are 0.
  std::span<const uint8_t> token_types;
  std::span<const StepEmbeddings> embeddings;  // in place of the tokens at their rows
  // One for each row, for rotary embeddings alone: caches and masks follow the sequences'
  // positions. Empty: these are meant.
  std::span<const RotaryPosition> positions;
  // Of a stage that is not the first (ExecutorLimits::input_columns): [n_rows in all, columns], the
  // cut of the stage before. Tokens are then only counted.
  std::span<const float> hidden_in;
  std::span<const StepSequence> sequences;  // together they cover `tokens`, in order
  // Ascending rows whose results are wanted. Of a model that pools its texts (Op::kPool): one for
  // each sequence.
  std::span<const int32_t> output_rows;
  bool logits = true;  // false: of those, only their last hidden states
  // Where given: once it is true, the step need not be finished. From any thread.
  const std::atomic<bool>* give_up = nullptr;
};

struct ExecutorLimits {
  int32_t max_rows = 0;         // tokens of one step
  int32_t max_output_rows = 0;  // rows of logits of one step
  int32_t vocab_size = 0;
  int32_t hidden_size = 0;
  int32_t n_scores = 0;     // that a classifier gives; 0: it is none
  int32_t token_types = 1;  // that it tells apart
  // Of a part of a model (graph/stages.h): columns that it is handed in place of tokens, and that
  // it hands on in place of logits; 0: it begins with tokens, it ends with logits.
  int32_t input_columns = 0;
  int32_t cut_columns = 0;
  int64_t max_context = 0;  // positions the model was made for
  int32_t page_tokens = 0;  // positions of one KV page
  int64_t page_bytes = 0;   // of one page over all layers, keys and values
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual const ExecutorLimits& limits() const = 0;
  // Reserves the KV pool, once. Pages need not be cleared before they are used again.
  virtual Result<void> reserve_pages(int32_t n_pages) = 0;
  // A page's keys and values, [page_bytes]: with them it can be moved elsewhere and back.
  virtual void read_page(int32_t page, std::span<std::byte> out) = 0;
  virtual void write_page(int32_t page, std::span<const std::byte> bytes) = 0;
  // Precondition: within limits(), token ids below vocab_size, pages within the pool. Never fails:
  // what could fail was reserved before. False: it was given up, there are no results, and the KV
  // pool holds anything at the step's own positions.
  virtual bool step(const StepInput& input) = 0;
  // Of the last step that was not given up; `index` counts output_rows. [vocab_size], if it wanted
  // logits, and [hidden_size].
  virtual std::span<const float> logits(int32_t index) const = 0;
  virtual std::span<const float> hidden_state(int32_t index) const = 0;
  // Of a classifier: [n_scores].
  virtual std::span<const float> scores(int32_t /*index*/) const { return {}; }
  // Of a stage that is not the last, after a step: [n_rows in all, cut_columns].
  virtual std::span<const float> cut() const { return {}; }
};

}  // namespace autoglm
