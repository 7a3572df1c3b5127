// Stores keys and values in the pages' layouts (attention.h).
#include <algorithm>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/variants.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

constexpr int64_t kPage = KvCache::kPageTokens;

// Where one head of a token goes.
struct Slot {
  std::byte* head = nullptr;  // the head's part of the page
  int64_t slot = 0;           // the token's place in the page
  int64_t head_dim = 0;
  int64_t width = 0;  // head_dim, padded
};

template <class Stored, class Convert>
void put_floats(const Slot& at, const float* k, const float* v, Convert convert) {
  auto* key = reinterpret_cast<Stored*>(at.head) + at.slot;
  auto* value = reinterpret_cast<Stored*>(at.head) + (kPage + at.slot) * at.width;
  for (int64_t d = 0; d < at.head_dim; ++d) key[d * kPage] = convert(k[d]);
  for (int64_t d = 0; d < at.head_dim; ++d) value[d] = convert(v[d]);
  for (int64_t d = at.head_dim; d < at.width; ++d) value[d] = convert(0.0f);
}

void put_bf16(const Slot& at, const float* k, const float* v, const AttentionVariant& variant) {
  constexpr int64_t kPart = 64;
  uint16_t narrow[kPart];
  auto* key = reinterpret_cast<uint16_t*>(at.head) + at.slot;
  auto* value = reinterpret_cast<uint16_t*>(at.head) + (kPage + at.slot) * at.width;
  for (int64_t d = 0; d < at.head_dim; d += kPart) {
    const int64_t n = std::min(kPart, at.head_dim - d);
    variant.narrow(k + d, n, narrow);
    for (int64_t i = 0; i < n; ++i) key[(d + i) * kPage] = narrow[i];
  }
  variant.narrow(v, at.head_dim, value);
  std::fill(value + at.head_dim, value + at.width, uint16_t{0});
}

void put_int8(const Slot& at, const float* k, const float* v, const AttentionVariant& variant) {
  int8_t codes[KvCache::kMaxInt8HeadDim];
  auto* bytes = reinterpret_cast<int8_t*>(at.head);
  auto* scales = reinterpret_cast<float*>(at.head + 2 * kPage * at.width);
  scales[at.slot] = variant.quantize({.x = k, .head_dim = at.head_dim, .codes = codes});
  for (int64_t d = 0; d < at.width; ++d) {
    bytes[(d / 2 * kPage + at.slot) * 2 + d % 2] = codes[d];
  }
  scales[kPage + at.slot] = variant.quantize({.x = v, .head_dim = at.head_dim, .codes = codes});
  int8_t* value = bytes + kPage * at.width + at.slot / 2 * 2 * at.width + at.slot % 2;
  for (int64_t d = 0; d < at.width; ++d) value[d * 2] = codes[d];
}

void put(DType dtype, const AttentionVariant& variant, const Slot& at, const float* k,
         const float* v) {
  switch (dtype) {
    case DType::kF32: return put_floats<float>(at, k, v, [](float x) { return x; });
    case DType::kF16: return put_floats<uint16_t>(at, k, v, f32_to_f16);
    case DType::kI8: return put_int8(at, k, v, variant);
    default: return put_bf16(at, k, v, variant);
  }
}

}  // namespace

void kv_write(const Context& context, const KvWriteArgs& args) {
  check_kv_cache(args.cache);
  int64_t n_rows = 0;
  for (const KvSequence& sequence : args.sequences) {
    check_kv_sequence(sequence);
    n_rows += sequence.n_rows;
  }
  const KvCache& cache = args.cache;
  const AttentionVariant& variant = attention_variant(context.isa);
  const int64_t head_bytes = KvCache::head_bytes(cache.dtype, cache.head_dim);
  const auto write_row = [&](const KvSequence& sequence, int64_t row) {
    const int64_t position = sequence.start_position + row;
    std::byte* page = cache.data + sequence.pages[static_cast<size_t>(position / kPage)] *
                                       cache.page_stride_bytes;
    const float* k = args.k + (sequence.first_row + row) * args.k_stride;
    const float* v = args.v + (sequence.first_row + row) * args.v_stride;
    for (int64_t head = 0; head < cache.n_kv_heads; ++head) {
      put(cache.dtype, variant,
          {.head = page + head * head_bytes,
           .slot = position % kPage,
           .head_dim = cache.head_dim,
           .width = padded_head(cache.head_dim)},
          k + head * cache.head_dim, v + head * cache.head_dim);
    }
  };
  // Rows of all sequences together. Pages are written by one thread each where prompts are long.
  context.pool.parallel_for(n_rows, n_rows > 2 * kPage ? kPage : 4, [&](int64_t from, int64_t to) {
    int64_t base = 0;
    for (const KvSequence& sequence : args.sequences) {
      const int64_t begin = from > base ? from - base : 0;
      const int64_t end = to - base < sequence.n_rows ? to - base : sequence.n_rows;
      for (int64_t row = begin; row < end; ++row) write_row(sequence, row);
      base += sequence.n_rows;
    }
  });
}

}  // namespace autoglm
