#include "engine/step_batch.h"

#include <algorithm>

namespace autoglm {

void StepBatch::build(std::span<const std::unique_ptr<Sequence>> running) {
  tokens_.clear();
  sequences_.clear();
  output_rows_.clear();
  embeddings_.clear();
  positions_.clear();
  wants_logits_ = false;
  decode_rows_ = prefill_rows_ = draft_rows_ = 0;
  for (const auto& sequence : running) {
    if (sequence->rows > 0) add(*sequence);
  }
  add_positions(running);
}

void StepBatch::add(const Sequence& sequence) {
  const int32_t rows = sequence.rows;
  const int32_t first_row = n_rows();
  sequences_.push_back({.first_row = first_row,
                        .n_rows = rows + sequence.n_drafted(),
                        .start_position = sequence.computed,
                        .pages = sequence.pages});
  const int64_t output_from = sequence.output_from();
  const bool decodes = sequence.n_known() > sequence.n_prompt() && rows == 1;
  (decodes ? decode_rows_ : prefill_rows_) += rows;
  for (int32_t row = 0; row < rows; ++row) {
    tokens_.push_back(sequence.text().at(sequence.computed + row));
    if (sequence.computed + row < output_from) continue;
    output_rows_.push_back(first_row + row);
    wants_logits_ |= !sequence.embeds();
  }
  draft_rows_ += sequence.n_drafted();
  for (const TokenId drafted : sequence.drafts.draft) {
    output_rows_.push_back(n_rows());
    tokens_.push_back(drafted);
  }
  sequence.request->job.rows.append_embeddings(sequence.computed, sequence.computed + rows,
                                               first_row, embeddings_);
}

// Only where one of them is not where its tokens are.
void StepBatch::add_positions(std::span<const std::unique_ptr<Sequence>> running) {
  const bool own = std::ranges::all_of(
      running, [](const auto& s) { return s->rows == 0 || s->request->job.rows.own_positions(); });
  if (own) return;
  for (const auto& sequence : running) {
    const int32_t n = sequence->rows == 0 ? 0 : sequence->rows + sequence->n_drafted();
    for (int32_t row = 0; row < n; ++row) {
      positions_.push_back(sequence->request->job.rows.position(sequence->computed + row));
    }
  }
}

}  // namespace autoglm
