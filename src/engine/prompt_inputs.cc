#include "engine/prompt_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/digest.h"

namespace autoglm {
namespace {

// Rotary angles are exact in double far beyond it; an answer's positions still fit behind it.
constexpr int32_t kMaxPosition = 1 << 30;

constexpr RotaryPosition same_thrice(int64_t at) {
  const auto p = static_cast<int32_t>(at);
  return {p, p, p};
}

Error invalid(std::string where, std::string expected, std::string found) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = "input of the prompt does not fit",
          .where = std::move(where),
          .expected = std::move(expected),
          .found = std::move(found)};
}

template <class T>
void add(Sha256& digest, const T& value) {
  digest.add(std::as_bytes(std::span(&value, 1)));
}

}  // namespace

PromptRows::PromptRows(const PromptInputs& inputs, int64_t n_prompt, int32_t hidden_size,
                       int32_t page_tokens) {
  if (inputs.embeddings.empty() && inputs.positions.empty()) return;
  inputs_ = &inputs;
  n_prompt_ = n_prompt;
  columns_ = hidden_size;
  if (!inputs.positions.empty()) {
    int32_t largest = 0;
    for (const RotaryPosition& position : inputs.positions) {
      largest = std::max(largest, *std::ranges::max_element(position));
    }
    answer_shift_ = largest + 1 - n_prompt;
  }
  for (int64_t page = 0; page * page_tokens < n_prompt; ++page) {
    marks_.push_back(make_mark(page, page_tokens));
  }
  answer_mark_ = make_mark(std::ssize(marks_), page_tokens);
}

RotaryPosition PromptRows::position(int64_t at) const {
  if (own_positions()) return same_thrice(at);
  if (at < n_prompt_) return inputs_->positions[static_cast<size_t>(at)];
  return same_thrice(at + answer_shift_);
}

void PromptRows::append_embeddings(int64_t begin, int64_t end, int32_t first_row,
                                   std::vector<StepEmbeddings>& out) const {
  if (plain()) return;
  for (const PromptEmbeddings& given : inputs_->embeddings) {
    const int64_t given_end = given.first_position + std::ssize(given.values) / columns_;
    const int64_t from = std::max(begin, given.first_position);
    const int64_t to = std::min(end, given_end);
    if (from >= to) continue;
    out.push_back(
        {.first_row = first_row + static_cast<int32_t>(from - begin),
         .values = std::span(given.values)
                       .subspan(static_cast<size_t>((from - given.first_position) * columns_),
                                static_cast<size_t>((to - from) * columns_))});
  }
}

const std::string& PromptRows::mark(int64_t page) const {
  return page < std::ssize(marks_) ? marks_[static_cast<size_t>(page)] : answer_mark_;
}

// Rows that are what tokens would be leave no mark: who gives a text its own positions shares pages
// with who gives none. Positions count as shifts against the tokens' own, so that all pages of the
// answer alone have one mark, also where a later prompt repeats it.
std::string PromptRows::make_mark(int64_t page, int32_t page_tokens) const {
  Sha256 digest;
  bool is_plain = true;
  const int64_t begin = page * page_tokens;
  const int64_t end = begin + page_tokens;
  std::vector<StepEmbeddings> given;
  append_embeddings(begin, std::min(end, n_prompt_), 0, given);
  for (const StepEmbeddings& rows : given) {
    is_plain = false;
    digest.add("embeddings");
    add(digest, rows.first_row);
    add(digest, rows.values.size());
    digest.add(std::as_bytes(rows.values));
  }
  for (int64_t at = begin; at < end; ++at) {
    RotaryPosition shift = position(at);
    for (int32_t& component : shift) component -= static_cast<int32_t>(at);
    if (shift == RotaryPosition{}) continue;
    is_plain = false;
    digest.add("shift");
    add(digest, at - begin);
    add(digest, shift);
  }
  return is_plain ? std::string() : digest.finish();
}

Result<void> check_inputs(const PromptInputs& inputs, int64_t n_prompt, int32_t hidden_size) {
  int64_t free_from = 0;
  for (size_t i = 0; i < inputs.embeddings.size(); ++i) {
    const PromptEmbeddings& given = inputs.embeddings[i];
    const std::string where = fmt::format("inputs.embeddings[{}]", i);
    const int64_t rows = std::ssize(given.values) / hidden_size;
    if (rows == 0 || rows * hidden_size != std::ssize(given.values)) {
      return invalid(where + ".values", fmt::format("rows of {} numbers", hidden_size),
                     fmt::format("{} numbers", given.values.size()));
    }
    if (given.first_position < free_from || given.first_position > n_prompt - rows) {
      return invalid(where + ".first_position",
                     fmt::format("{} rows within positions {} to {}", rows, free_from, n_prompt),
                     fmt::format("{}", given.first_position));
    }
    free_from = given.first_position + rows;
    const auto wrong =
        std::ranges::find_if(given.values, [](float value) { return !std::isfinite(value); });
    if (wrong != given.values.end()) {
      return invalid(where + ".values", "finite numbers",
                     fmt::format("{} at {}", *wrong, wrong - given.values.begin()));
    }
  }
  if (inputs.positions.empty()) return {};
  if (std::ssize(inputs.positions) != n_prompt) {
    return invalid("inputs.positions", fmt::format("one for each of {} tokens", n_prompt),
                   fmt::format("{}", inputs.positions.size()));
  }
  for (size_t i = 0; i < inputs.positions.size(); ++i) {
    for (const int32_t component : inputs.positions[i]) {
      if (component >= 0 && component <= kMaxPosition) continue;
      return invalid(fmt::format("inputs.positions[{}]", i), fmt::format("0 to {}", kMaxPosition),
                     fmt::format("{}", component));
    }
  }
  return {};
}

}  // namespace autoglm
