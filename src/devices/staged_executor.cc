#include "devices/staged_executor.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace autoglm {

StagedExecutor::StagedExecutor(std::vector<std::unique_ptr<Executor>> stages)
    : stages_(std::move(stages)) {
  AGLM_CHECK(!stages_.empty(), "a model of {} stages", stages_.size());
  limits_ = stages_.front()->limits();
  limits_.page_bytes = 0;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const ExecutorLimits& stage = stages_[i]->limits();
    const int32_t handed = i == 0 ? 0 : stages_[i - 1]->limits().cut_columns;
    AGLM_CHECK(stage.input_columns == handed && stage.page_tokens == limits_.page_tokens,
               "stage {} takes {} columns and pages of {}, where {} and {} come", i,
               stage.input_columns, stage.page_tokens, handed, limits_.page_tokens);
    limits_.max_rows = std::min(limits_.max_rows, stage.max_rows);
    limits_.max_output_rows = std::min(limits_.max_output_rows, stage.max_output_rows);
    limits_.vocab_size = std::min(limits_.vocab_size, stage.vocab_size);
    limits_.max_context = std::min(limits_.max_context, stage.max_context);
    limits_.page_bytes += stage.page_bytes;
  }
  limits_.cut_columns = last().limits().cut_columns;
}

Result<void> StagedExecutor::reserve_pages(int32_t n_pages) {
  for (const auto& stage : stages_) AGLM_TRY(stage->reserve_pages(n_pages));
  return {};
}

void StagedExecutor::read_page(int32_t page, std::span<std::byte> out) {
  for (const auto& stage : stages_) {
    const auto n = static_cast<size_t>(stage->limits().page_bytes);
    stage->read_page(page, out.first(n));
    out = out.subspan(n);
  }
}

void StagedExecutor::write_page(int32_t page, std::span<const std::byte> bytes) {
  for (const auto& stage : stages_) {
    const auto n = static_cast<size_t>(stage->limits().page_bytes);
    stage->write_page(page, bytes.first(n));
    bytes = bytes.subspan(n);
  }
}

bool StagedExecutor::step(const StepInput& input) {
  StepInput part = input;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const bool is_last = i + 1 == stages_.size();
    // Rows of results are the last stage's business.
    part.output_rows = is_last ? input.output_rows : std::span<const int32_t>();
    // What is nearly done is finished (executor.h): the last stage is.
    if (is_last && i > 0) part.give_up = nullptr;
    if (!stages_[i]->step(part)) return false;
    part.hidden_in = stages_[i]->cut();
    part.embeddings = {};
  }
  return true;
}

}  // namespace autoglm
