#include "kernels/attention/attention.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/attention/plan.h"
#include "kernels/attention/stretch.h"
#include "kernels/attention/variants.h"

namespace autoglm {
namespace {

// The parts of a step that was cut into blocks of stretches leave their results in nodes; who ends
// last of a group joins them.
struct Nodes {
  std::atomic_ref<int32_t> ended(int64_t group) const {
    return std::atomic_ref<int32_t>(counts[group]);
  }
  int32_t* counts = nullptr;  // of parts that have ended, by group
  float* floats = nullptr;
  int64_t node_floats = 0;
};

int64_t counts_bytes(int64_t n_threads) {
  return (n_threads * AttentionPlan::kGroupsPerThread * int64_t{sizeof(int32_t)} + 63) / 64 * 64;
}

void run_part(const AttentionVariant& variant, const AttentionArgs& args, const Nodes& nodes,
              AttentionPlan::Work& work, std::byte* scratch) {
  if (work.n_nodes == 1) return variant.run(args, work.part, scratch);
  float* first = nodes.floats + work.node * nodes.node_floats;
  work.part.node = first + work.block * nodes.node_floats;
  variant.run(args, work.part, scratch);
  const int32_t before = nodes.ended(work.group).fetch_add(1, std::memory_order_acq_rel);
  if (before + 1 < work.n_nodes) return;
  work.part.node = nullptr;
  variant.join(args, work.part, work.first_block, work.n_nodes, first);
}

}  // namespace

void check_kv_cache(const KvCache& cache) {
  AGLM_CHECK(cache.dtype == DType::kF32 || cache.dtype == DType::kBF16 ||
                 cache.dtype == DType::kF16 ||
                 (cache.dtype == DType::kI8 && cache.head_dim <= KvCache::kMaxInt8HeadDim),
             "keys and values in {}, heads of {}", dtype_info(cache.dtype).name, cache.head_dim);
  AGLM_CHECK(
      cache.page_stride_bytes >= KvCache::page_bytes(cache.dtype, cache.n_kv_heads, cache.head_dim),
      "pages of {} bytes", cache.page_stride_bytes);
}

void check_kv_sequence(const KvSequence& sequence) {
  const int64_t end = sequence.start_position + sequence.n_rows;
  const auto n_pages = static_cast<int64_t>(sequence.pages.size());
  AGLM_CHECK(end <= n_pages * KvCache::kPageTokens && end <= AttentionPart::kMaxPositions,
             "{} positions in {} pages", end, n_pages);
}

const AttentionVariant& attention_variant(Isa isa) {
  switch (isa) {
    case Isa::kGeneric: return kAttentionGeneric;
    case Isa::kAvx2: return kAttentionAvx2;
    case Isa::kAvx512: return kAttentionAvx512;
    case Isa::kAmx: return kAttentionAmx;
  }
  return kAttentionGeneric;
}

int64_t KvCache::head_bytes(DType dtype, int64_t head_dim) {
  const int64_t elements = 2 * kPageTokens * padded_head(head_dim);
  if (dtype == DType::kI8) return elements + 2 * kPageTokens * int64_t{sizeof(float)};
  return elements * (dtype == DType::kF32 ? 4 : 2);
}

int64_t KvCache::page_bytes(DType dtype, int64_t n_kv_heads, int64_t head_dim) {
  return n_kv_heads * head_bytes(dtype, head_dim);
}

int64_t attention_part_scratch(int64_t head_dim) {
  return int64_t{sizeof(float)} * Stretch::floats(padded_head(head_dim));
}

int64_t attention_scratch_bytes(int64_t n_threads, int64_t head_dim) {
  const int64_t nodes =
      AttentionPlan::kNodesPerThread * fold_floats(padded_head(head_dim)) * int64_t{sizeof(float)};
  return counts_bytes(n_threads) + n_threads * (nodes + attention_part_scratch(head_dim));
}

void attention(const Context& context, const AttentionArgs& args, std::span<std::byte> scratch) {
  check_kv_cache(args.cache);
  for (const KvSequence& sequence : args.sequences) check_kv_sequence(sequence);
  AGLM_CHECK(args.n_heads > 0 && args.n_heads % args.cache.n_kv_heads == 0, "{} heads over {}",
             args.n_heads, args.cache.n_kv_heads);
  const int64_t n_threads = context.pool.size();
  AGLM_CHECK(static_cast<int64_t>(scratch.size()) >=
                 attention_scratch_bytes(n_threads, args.cache.head_dim),
             "scratch of {} bytes", scratch.size());
  const int64_t per_thread = attention_part_scratch(args.cache.head_dim);
  const AttentionPlan plan(args, n_threads);
  const Nodes nodes{.counts = reinterpret_cast<int32_t*>(scratch.data()),
                    .floats = reinterpret_cast<float*>(scratch.data() + counts_bytes(n_threads) +
                                                       n_threads * per_thread),
                    .node_floats = fold_floats(padded_head(args.cache.head_dim))};
  std::fill_n(nodes.counts, plan.n_groups(), 0);
  const AttentionVariant& variant = attention_variant(context.isa);
  std::atomic<int64_t> next{0};
  context.pool.run([&](int index) {
    AttentionPlan walk = plan;
    AttentionPlan::Work work;
    std::byte* mine = scratch.data() + counts_bytes(n_threads) + index * per_thread;
    while (walk.seek(next.fetch_add(1, std::memory_order_relaxed), &work)) {
      run_part(variant, args, nodes, work, mine);
    }
  });
}

}  // namespace autoglm
