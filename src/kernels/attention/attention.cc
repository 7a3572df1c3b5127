#include "kernels/attention/attention.h"

#include <algorithm>
#include <atomic>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/attention/variants.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

constexpr int64_t kPage = KvCache::kPageTokens;

int64_t element_bytes(DType dtype) { return dtype == DType::kF32 ? 4 : 2; }

void check(const KvCache& cache) {
  AGLM_CHECK(
      cache.dtype == DType::kF32 || cache.dtype == DType::kBF16 || cache.dtype == DType::kF16,
      "keys and values in {}", dtype_info(cache.dtype).name);
  AGLM_CHECK(
      cache.page_stride_bytes >= KvCache::page_bytes(cache.dtype, cache.n_kv_heads, cache.head_dim),
      "pages of {} bytes", cache.page_stride_bytes);
}

void check(const KvSequence& sequence) {
  const int64_t end = sequence.start_position + sequence.n_rows;
  AGLM_CHECK(end <= static_cast<int64_t>(sequence.pages.size()) * kPage, "{} positions in {} pages",
             end, sequence.pages.size());
}

const AttentionVariant& variant(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return kAttentionGeneric;
    case Isa::kAvx2: return kAttentionAvx2;
    case Isa::kAvx512:
    case Isa::kAmx: return kAttentionAvx512;
  }
  return kAttentionGeneric;
}

// The parts of a step, numbered: sequence by sequence, and in each by rows, then by heads. Walked
// forward only, so that finding the next part of a thread takes no table.
class PartWalk {
 public:
  PartWalk(const AttentionArgs& args, int64_t threads)
      : args_(args), group_(args.n_heads / args.cache.n_kv_heads) {
    take_heads(std::min(group_, AttentionPart::kMaxQueries));
    // With fewer parts than threads the heads of a group part ways, and a page is read more than
    // once.
    while (heads_ > 1 && total() < threads) take_heads((heads_ + 1) / 2);
  }

  // Part `index`, not less than before; false past the last.
  bool seek(int64_t index, AttentionPart* part) {
    while (at_ < args_.sequences.size() && index >= base_ + parts_of(args_.sequences[at_])) {
      base_ += parts_of(args_.sequences[at_]);
      ++at_;
    }
    if (at_ == args_.sequences.size()) return false;
    const KvSequence& sequence = args_.sequences[at_];
    const int64_t per_rows = args_.cache.n_kv_heads * head_parts_;
    // The last rows see the most keys and go first, so that no thread ends with the longest part.
    const int64_t n_blocks = (sequence.n_rows + rows_ - 1) / rows_;
    const int64_t row = (n_blocks - 1 - (index - base_) / per_rows) * rows_;
    const int64_t kv_head = (index - base_) % per_rows / head_parts_;
    const int64_t in_group = (index - base_) % head_parts_ * heads_;
    *part = {.sequence = &sequence,
             .row = row,
             .n_rows = std::min(rows_, sequence.n_rows - row),
             .kv_head = kv_head,
             .head = kv_head * group_ + in_group,
             .n_heads = std::min(heads_, group_ - in_group)};
    return true;
  }

 private:
  void take_heads(int64_t heads) {
    heads_ = heads;
    head_parts_ = (group_ + heads - 1) / heads;
    rows_ = std::max<int64_t>(1, AttentionPart::kMaxQueries / heads);
  }

  int64_t total() const {
    int64_t sum = 0;
    for (const KvSequence& sequence : args_.sequences) sum += parts_of(sequence);
    return sum;
  }

  int64_t parts_of(const KvSequence& sequence) const {
    return (sequence.n_rows + rows_ - 1) / rows_ * args_.cache.n_kv_heads * head_parts_;
  }

  const AttentionArgs& args_;
  const int64_t group_;     // heads of one key and value head
  int64_t heads_ = 1;       // of one part
  int64_t head_parts_ = 1;  // of one group
  int64_t rows_ = 1;        // of one part
  size_t at_ = 0;           // the sequence that holds the part last sought
  int64_t base_ = 0;        // its first part
};

}  // namespace

int64_t KvCache::page_bytes(DType dtype, int64_t n_kv_heads, int64_t head_dim) {
  return n_kv_heads * 2 * kPageTokens * padded_head(head_dim) * element_bytes(dtype);
}

int64_t attention_part_scratch(int64_t head_dim) {
  const int64_t width = padded_head(head_dim);
  return 4 * (AttentionPart::kMaxQueries * (width + kPage + 16) + 2 * kPage * width);
}

int64_t attention_scratch_bytes(const Context& context, int64_t head_dim) {
  return context.pool.size() * attention_part_scratch(head_dim);
}

void kv_write(const Context& context, const KvWriteArgs& args) {
  check(args.cache);
  const KvCache& cache = args.cache;
  const int64_t width = padded_head(cache.head_dim);
  const int64_t half_head = kPage * width;  // elements of one head's keys, or values
  const auto put = [&](std::byte* base, int64_t element, float value) {
    switch (cache.dtype) {
      case DType::kF32: reinterpret_cast<float*>(base)[element] = value; break;
      case DType::kF16: reinterpret_cast<uint16_t*>(base)[element] = f32_to_f16(value); break;
      default: reinterpret_cast<uint16_t*>(base)[element] = f32_to_bf16(value); break;
    }
  };
  for (const KvSequence& sequence : args.sequences) {
    check(sequence);
    context.pool.parallel_for(sequence.n_rows, 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int64_t position = sequence.start_position + row;
        std::byte* page = cache.data + sequence.pages[static_cast<size_t>(position / kPage)] *
                                           cache.page_stride_bytes;
        const int64_t slot = position % kPage;
        const float* k = args.k + (sequence.first_row + row) * args.k_stride;
        const float* v = args.v + (sequence.first_row + row) * args.v_stride;
        for (int64_t head = 0; head < cache.n_kv_heads; ++head) {
          const int64_t keys = head * 2 * half_head;
          const int64_t values = keys + half_head + slot * width;
          for (int64_t d = 0; d < cache.head_dim; ++d) {
            put(page, keys + d * kPage + slot, k[head * cache.head_dim + d]);
            put(page, values + d, v[head * cache.head_dim + d]);
          }
          for (int64_t d = cache.head_dim; d < width; ++d) put(page, values + d, 0.0f);
        }
      }
    });
  }
}

void attention(const Context& context, const AttentionArgs& args, std::span<std::byte> scratch) {
  check(args.cache);
  for (const KvSequence& sequence : args.sequences) check(sequence);
  AGLM_CHECK(args.n_heads > 0 && args.n_heads % args.cache.n_kv_heads == 0, "{} heads over {}",
             args.n_heads, args.cache.n_kv_heads);
  const int64_t per_thread = attention_part_scratch(args.cache.head_dim);
  AGLM_CHECK(
      static_cast<int64_t>(scratch.size()) >= attention_scratch_bytes(context, args.cache.head_dim),
      "scratch of {} bytes", scratch.size());
  const auto run = variant(context.isa).run;
  std::atomic<int64_t> next{0};
  context.pool.run([&](int index) {
    PartWalk walk(args, context.pool.size());
    AttentionPart part;
    while (walk.seek(next.fetch_add(1, std::memory_order_relaxed), &part)) {
      run(args, part, scratch.data() + index * per_thread);
    }
  });
}

}  // namespace autoglm
