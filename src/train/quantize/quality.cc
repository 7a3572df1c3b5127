#include "train/quantize/quality.h"

#include <algorithm>

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
  std::vector<NextToken> positions(next.size());
  for (int64_t first = 0; first < rows; first += kBlock) {
    const int64_t n = std::min(kBlock, rows - first);
    head_before.compute(first, n);
    head_after.compute(first, n);
    context.pool.parallel_for(n, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t taken = next[static_cast<size_t>(first + i)];
        if (taken < 0) continue;
        positions[static_cast<size_t>(first + i)] =
            compare_logits(head_before.row(i), head_after.row(i), static_cast<size_t>(taken));
      }
    });
  }
  std::vector<NextToken> predicted;
  for (size_t i = 0; i < next.size(); ++i) {
    if (next[i] >= 0) predicted.push_back(positions[i]);
  }
  return summarize(predicted);
}

}  // namespace autoglm
