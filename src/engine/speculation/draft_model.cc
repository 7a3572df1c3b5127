// Rounds: the first catches up and draws one token for whoever has, each further one draws one
// more.
#include "engine/speculation/draft_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace autoglm {
namespace {

int64_t n_known(const DraftOrder& order) {
  return std::ssize(order.prompt) + std::ssize(order.taken) + std::ssize(*order.draft);
}

// Precondition: position < n_known(order).
TokenId token_at(const DraftOrder& order, int64_t position) {
  auto at = static_cast<size_t>(position);
  for (const std::span<const TokenId> part : {order.prompt, order.taken}) {
    if (at < part.size()) return part[at];
    at -= part.size();
  }
  return (*order.draft)[at];
}

}  // namespace

void DraftModel::draft(std::span<DraftOrder> orders, SamplerScratch& scratch, StepCost& cost,
                       const std::function<double()>& clock) {
  for (DraftOrder& order : orders) order.draft->clear();
  // Every round draws for at least one order, or is the last.
  do {
    const double begin = clock();
    const int32_t rows = compute(orders);
    if (rows == 0) break;
    const auto n_drawing = static_cast<int32_t>(drawing_.size());
    for (int32_t i = 0; i < n_drawing; ++i) {
      take(*drawing_[static_cast<size_t>(i)], i, scratch);
    }
    // A prompt that is caught up with comes once; it is no cost of the drafts.
    if (rows <= 2 * n_drawing) cost.add(n_drawing, clock() - begin);
    // Whoever has not caught up waits for the next step, so that no step becomes long.
    for (DraftOrder& order : orders) {
      if (std::find(drawing_.begin(), drawing_.end(), &order) == drawing_.end()) order.most = 0;
    }
  } while (!drawing_.empty());
  for (DraftOrder& order : orders) {
    for (size_t i = order.draft->size(); i > 0 && !order.fault; --i) {
      auto taken_back = order.sampler->take_back((*order.draft)[i - 1]);
      if (!taken_back) order.fault = std::move(taken_back).error();
    }
  }
}

int32_t DraftModel::compute(std::span<DraftOrder> orders) {
  tokens_.clear();
  sequences_.clear();
  output_rows_.clear();
  drawing_.clear();
  const ExecutorLimits& limits = executor_.limits();
  for (DraftOrder& order : orders) {
    if (std::ssize(*order.draft) >= order.most) continue;
    const int64_t known = n_known(order);
    if (*order.computed < 0 || *order.computed > known) {
      order.fault = internal_error(
          fmt::format("{} positions computed for drafts, of {}", *order.computed, known));
      order.most = 0;
      continue;
    }
    const int64_t room = limits.max_rows - std::ssize(tokens_);
    const auto rows = static_cast<int32_t>(std::min(known - *order.computed, room));
    if (rows == 0 || std::ssize(output_rows_) >= limits.max_output_rows) continue;
    sequences_.push_back({.first_row = static_cast<int32_t>(tokens_.size()),
                          .n_rows = rows,
                          .start_position = *order.computed,
                          .pages = order.pages});
    for (int32_t row = 0; row < rows; ++row) {
      tokens_.push_back(token_at(order, *order.computed + row));
    }
    *order.computed += rows;
    if (*order.computed < known) continue;
    output_rows_.push_back(static_cast<int32_t>(tokens_.size()) - 1);
    drawing_.push_back(&order);
  }
  if (tokens_.empty()) return 0;
  executor_.step({.tokens = tokens_, .sequences = sequences_, .output_rows = output_rows_});
  return static_cast<int32_t>(tokens_.size());
}

void DraftModel::take(DraftOrder& order, int32_t output, SamplerScratch& scratch) {
  std::span<const float> logits = executor_.logits(output);
  // Families pad their vocabularies differently; the tokenizers are the same, so the ids are.
  const auto wanted = static_cast<size_t>(target_vocab_size_);
  if (logits.size() < wanted) {
    padded_.assign(wanted, -std::numeric_limits<float>::infinity());
    std::copy(logits.begin(), logits.end(), padded_.begin());
    logits = padded_;
  }
  const auto id = order.sampler->next(logits.first(wanted), scratch);
  if (!id) {
    order.most = 0;  // logits that are no numbers draft nothing
    return;
  }
  order.draft->push_back(*id);
}

}  // namespace autoglm
