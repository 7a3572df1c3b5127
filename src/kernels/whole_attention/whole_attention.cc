#include "kernels/whole_attention/whole_attention.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/whole_attention/variants.h"

namespace autoglm {

WholeAttentionVariant whole_attention_variant(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return kWholeAttentionGeneric;
    case Isa::kAvx2: return kWholeAttentionAvx2;
    case Isa::kAvx512:
    case Isa::kAmx: return kWholeAttentionAvx512;
  }
  return kWholeAttentionGeneric;
}

int64_t whole_attention_scratch_bytes(const Context& context, int64_t head_dim, int64_t max_rows) {
  return context.pool.size() * WholeAttentionMemory(head_dim, max_rows).floats() *
         int64_t{sizeof(float)};
}

void whole_attention(const Context& context, const WholeAttentionArgs& args,
                     std::span<std::byte> scratch) {
  AGLM_CHECK(args.n_heads > 0 && args.head_dim > 0, "{} heads of {}", args.n_heads, args.head_dim);
  int64_t longest = 1;
  int64_t n_parts = 0;
  const auto parts_of = [](const TextRows& text) {
    return (text.n_rows + WholeAttentionPart::kMostRows - 1) / WholeAttentionPart::kMostRows;
  };
  for (const TextRows& text : args.texts) {
    longest = std::max(longest, text.n_rows);
    n_parts += parts_of(text) * args.n_heads;
  }
  AGLM_CHECK(static_cast<int64_t>(scratch.size()) >=
                 whole_attention_scratch_bytes(context, args.head_dim, longest),
             "scratch of {} bytes for texts of {} rows", scratch.size(), longest);
  const int64_t thread_floats = WholeAttentionMemory(args.head_dim, longest).floats();
  const WholeAttentionVariant variant = whole_attention_variant(context.isa);
  auto* memory = reinterpret_cast<float*>(scratch.data());

  // Threads take the next part as they come; each walks the texts as far as that once.
  std::atomic<int64_t> next{0};
  const auto work = [&](int index) {
    auto text = args.texts.begin();
    int64_t passed = 0;  // parts of the texts before
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < n_parts;
         i = next.fetch_add(1, std::memory_order_relaxed)) {
      while (i - passed >= parts_of(*text) * args.n_heads) {
        passed += parts_of(*text) * args.n_heads;
        ++text;
      }
      const int64_t begin = (i - passed) / args.n_heads * WholeAttentionPart::kMostRows;
      variant(args,
              {.text = *text,
               .head = (i - passed) % args.n_heads,
               .begin = begin,
               .end = std::min(text->n_rows, begin + WholeAttentionPart::kMostRows)},
              memory + index * thread_floats);
    }
  };
  if (n_parts == 1) return work(0);
  context.pool.run(work);
}

}  // namespace autoglm
