#include "train/quantize/quality.h"

#include <algorithm>
#include <cmath>

#include "base/aligned_buffer.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/linear/linear.h"

namespace autoglm {
namespace {

constexpr int64_t kBlock = 32;  // rows of logits at a time: 20 MB each side for 150,000 tokens

// Logits of a block of rows of one of the two models.
class Head {
 public:
  static Result<Head> make(const Context& context, const HeadInput& input) {
    Head head(context, input);
    head.logits_ = AGLM_TRY(
        AlignedBuffer::allocate(static_cast<size_t>(kBlock * input.head->n()) * sizeof(float)));
    head.scratch_ = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(
        std::max<int64_t>(64, linear_scratch_bytes(context, *input.head, kBlock)))));
    return head;
  }
  void compute(int64_t first, int64_t n) {
    linear(*context_,
           {.weight = input_.head,
            .m = n,
            .x = input_.hidden->row(first),
            .x_stride = input_.hidden->stride,
            .y = logits_.as<float>(),
            .y_stride = input_.head->n()},
           {scratch_.data(), scratch_.size()});
  }
  std::span<const float> row(int64_t i) const {
    return {logits_.as<float>() + i * input_.head->n(), static_cast<size_t>(input_.head->n())};
  }

 private:
  Head(const Context& context, const HeadInput& input) : context_(&context), input_(input) {}
  const Context* context_;
  HeadInput input_;
  AlignedBuffer logits_;
  AlignedBuffer scratch_;
};

// log(sum(exp(logits)))
double log_sum(std::span<const float> logits) {
  const double largest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

struct Position {
  double nll_before = 0;
  double nll_after = 0;
  double kl = 0;
  bool same_top1 = false;
};

Position compare_rows(std::span<const float> before, std::span<const float> after, size_t taken) {
  const double log_before = log_sum(before);
  const double log_after = log_sum(after);
  double kl = 0;
  for (size_t i = 0; i < before.size(); ++i) {
    const double p = before[i] - log_before;
    kl += std::exp(p) * (p - (after[i] - log_after));
  }
  return {.nll_before = log_before - before[taken],
          .nll_after = log_after - after[taken],
          .kl = std::max(0.0, kl),
          .same_top1 = std::ranges::max_element(before) - before.begin() ==
                       std::ranges::max_element(after) - after.begin()};
}

}  // namespace

Result<Quality> compare(const Context& context, std::span<const std::vector<TokenId>> sequences,
                        const HeadInput& before, const HeadInput& after) {
  std::vector<int64_t> next;  // the token after each row, or -1
  for (const std::vector<TokenId>& sequence : sequences) {
    for (size_t i = 1; i < sequence.size(); ++i) next.push_back(static_cast<int64_t>(sequence[i]));
    next.push_back(-1);
  }
  const auto rows = static_cast<int64_t>(next.size());
  AGLM_CHECK(before.hidden->rows == rows && after.hidden->rows == rows, "{} and {} rows for {}",
             before.hidden->rows, after.hidden->rows, rows);
  Head head_before = AGLM_TRY(Head::make(context, before));
  Head head_after = AGLM_TRY(Head::make(context, after));
  std::vector<Position> positions(next.size());
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t n = std::min(kBlock, rows - first);
    head_before.compute(first, n);
    head_after.compute(first, n);
    context.pool.parallel_for(n, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t taken = next[static_cast<size_t>(first + i)];
        if (taken < 0) continue;
        positions[static_cast<size_t>(first + i)] =
            compare_rows(head_before.row(i), head_after.row(i), static_cast<size_t>(taken));
      }
    });
  }
  Quality quality;
  double nll_before = 0;
  double nll_after = 0;
  std::vector<double> kl;
  for (size_t i = 0; i < next.size(); ++i) {
    if (next[i] < 0) continue;
    nll_before += positions[i].nll_before;
    nll_after += positions[i].nll_after;
    quality.kl_mean += positions[i].kl;
    quality.same_top1 += positions[i].same_top1 ? 1 : 0;
    kl.push_back(positions[i].kl);
  }
  if (kl.empty()) return quality;
  const auto n = static_cast<double>(kl.size());
  quality.tokens = static_cast<int64_t>(kl.size());
  quality.perplexity_before = std::exp(nll_before / n);
  quality.perplexity_after = std::exp(nll_after / n);
  quality.kl_mean /= n;
  quality.same_top1 /= n;
  std::ranges::sort(kl);
  quality.kl_99 = kl[static_cast<size_t>(0.99 * (n - 1))];
  return quality;
}

}  // namespace autoglm
