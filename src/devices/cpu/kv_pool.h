// The pool of KV pages: page p holds 32 positions of every layer, layers one after another.
// Reserved once; who owns which page is the engine's business.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "autoglm/result.h"
#include "base/aligned_buffer.h"
#include "graph/graph.h"
#include "graph/op_table.h"
#include "kernels/attention/attention.h"

namespace autoglm {

enum class KvLayers : uint8_t {
  kApart,
  kShared,  // each in the same bytes: for whoever is done with a layer before the next one begins
};

class KvPool {
 public:
  KvPool() = default;
  KvPool(const Graph& graph, DType dtype, KvLayers layers = KvLayers::kApart) {
    for (const Node& node : graph.nodes()) {
      if (!op_info(node.op).keeps_cache) continue;
      layers_.push_back({.dtype = dtype,
                         .n_kv_heads = node.attention.n_kv_heads,
                         .head_dim = node.attention.head_dim});
      const int64_t bytes =
          KvCache::page_bytes(dtype, node.attention.n_kv_heads, node.attention.head_dim);
      const bool apart = layers == KvLayers::kApart;
      offsets_.push_back(apart ? page_bytes_ : 0);
      page_bytes_ = apart ? page_bytes_ + bytes : std::max(page_bytes_, bytes);
    }
    for (KvCache& layer : layers_) layer.page_stride_bytes = page_bytes_;
  }

  int64_t page_bytes() const { return page_bytes_; }
  int32_t n_pages() const { return n_pages_; }

  Result<void> reserve(int32_t n_pages) {
    if (n_pages < 1 || n_pages_ != 0 || page_bytes_ > INT64_MAX / n_pages) {
      return Error{ErrorCode::kInvalidArgument, "KV pool cannot be reserved", "kv cache",
                   "at least one page, once", std::to_string(n_pages) + " pages"};
    }
    memory_ = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(page_bytes_ * n_pages)));
    n_pages_ = n_pages;
    for (size_t i = 0; i < layers_.size(); ++i) layers_[i].data = memory_.data() + offsets_[i];
    return {};
  }

  std::span<std::byte> page(int32_t page) {
    return {memory_.data() + page * page_bytes_, static_cast<size_t>(page_bytes_)};
  }
  const KvCache& layer(int32_t i) const { return layers_[static_cast<size_t>(i)]; }

 private:
  std::vector<KvCache> layers_;
  std::vector<int64_t> offsets_;
  int64_t page_bytes_ = 0;
  int32_t n_pages_ = 0;
  AlignedBuffer memory_;
};

}  // namespace autoglm
