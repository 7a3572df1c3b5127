#include "train/quantize/graph_run.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"
#include "kernels/attention/attention.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/linear/linear.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/rope/rope.h"

namespace autoglm {
namespace {

// Of f32 weights at a time: large enough that packing and products are parallel, small enough that
// no matrix is the peak of memory.
constexpr int64_t kSlabBytes = int64_t{64} << 20;
// Rows of activations that one call takes: bounds the kernels' working memory.
constexpr int64_t kRowBlock = 512;

// A node's result, whole or as columns of another's.
struct Held {
  std::shared_ptr<AlignedBuffer> memory;
  RowsView view;
};

class Run {
 public:
  Run(const Graph& graph, const RunInput& input, RunVisitor& visitor, const Context& context)
      : graph_(graph),
        input_(input),
        visitor_(visitor),
        context_(context),
        values_(graph.nodes().size()),
        last_reader_(graph.nodes().size(), -1),
        logits_(graph.output(kLogitsOutput)),
        hidden_(graph.output(kHiddenOutput)),
        done_(graph.nodes().size()) {
    for (size_t i = 0; i < graph.nodes().size(); ++i) {
      for (const int32_t from : graph.nodes()[i].inputs) {
        last_reader_[static_cast<size_t>(from)] = static_cast<int32_t>(i);
      }
    }
    for (size_t i = 0; i < input.sequences.size(); ++i) {
      first_rows_.push_back(n_rows_);
      n_rows_ += static_cast<int64_t>(input.sequences[i].size());
      if (i < input.first_output) first_output_row_ = n_rows_;
    }
  }

  Result<HiddenRows> run(const std::function<void(double)>& progress) {
    const auto n = static_cast<int32_t>(graph_.nodes().size());
    for (int32_t i = 0; i < n; ++i) {
      if (i != logits_ && !done_[static_cast<size_t>(i)]) AGLM_TRY(node(i));
      for (const int32_t from : graph_.node(i).inputs) {
        if (last_reader_[static_cast<size_t>(from)] <= i && from != hidden_) {
          values_[static_cast<size_t>(from)] = {};
        }
      }
      if (progress) progress(static_cast<double>(i + 1) / n);
    }
    Held& hidden = values_[static_cast<size_t>(hidden_)];
    return HiddenRows{std::move(*hidden.memory), hidden.view};
  }

 private:
  int64_t rows_of(const Node& node) const {
    return node.shape.rows == Rows::kTokens ? n_rows_ : n_rows_ - first_output_row_;
  }
  const RowsView& in(const Node& node, size_t i) const {
    return values_[static_cast<size_t>(node.inputs[i])].view;
  }

  Result<Held> reserve(int64_t rows, int64_t columns) const {
    Held held;
    const auto bytes = static_cast<size_t>(std::max<int64_t>(rows, 1) * columns) * sizeof(float);
    held.memory = std::make_shared<AlignedBuffer>(AGLM_TRY(AlignedBuffer::allocate(bytes)));
    held.view = {held.memory->as<float>(), rows, columns, columns};
    return held;
  }

  Result<void> node(int32_t index) {
    const Node& node = graph_.node(index);
    Held& out = values_[static_cast<size_t>(index)];
    switch (node.op) {
      case Op::kLinear: return products(index);
      case Op::kSlice:
        out = values_[static_cast<size_t>(node.inputs[0])];
        out.view.data += node.first_column;
        out.view.columns = node.shape.columns;
        return {};
      case Op::kRope:  // in place: its input has no other reader
        out = values_[static_cast<size_t>(node.inputs[0])];
        rotate(node, out.view);
        return {};
      default: break;
    }
    out = AGLM_TRY(reserve(rows_of(node), node.shape.columns));
    switch (node.op) {
      case Op::kEmbedding: return look_up(node, out.view);
      case Op::kRmsNorm: return normalize(node, out.view);
      case Op::kAttention: return attend(node, out.view);
      case Op::kSwiglu: swiglu(context_, binary(node, out.view)); return {};
      case Op::kAdd: add(context_, binary(node, out.view)); return {};
      case Op::kSelectOutputs:
        for (int64_t r = 0; r < out.view.rows; ++r) {
          std::memcpy(out.view.data + r * out.view.stride, in(node, 0).row(first_output_row_ + r),
                      static_cast<size_t>(out.view.columns) * sizeof(float));
        }
        return {};
      default: AGLM_CHECK(false, "{} in a recorded graph", op_name(node.op));
    }
    return {};
  }

  // All products of the same rows at once.
  Result<void> products(int32_t first) {
    const int32_t from = graph_.node(first).inputs[0];
    std::vector<int32_t> nodes;
    for (auto i = first; i < static_cast<int32_t>(graph_.nodes().size()); ++i) {
      const Node& node = graph_.node(i);
      if (node.op == Op::kLinear && node.inputs[0] == from && i != logits_) {
        AGLM_CHECK(node.inputs.size() == 1 && node.activation == Activation::kNone,
                   "node {} is fused", i);
        nodes.push_back(i);
      }
    }
    const RowsView x = values_[static_cast<size_t>(from)].view;
    AGLM_TRY(visitor_.on_products(nodes, x));
    for (const int32_t i : nodes) {
      const Node& node = graph_.node(i);
      Held& out = values_[static_cast<size_t>(i)];
      out = AGLM_TRY(reserve(rows_of(node), node.shape.columns));
      std::vector<float> bias;
      if (node.has_bias()) bias = AGLM_TRY(visitor_.vector(graph_.weight(node.weight(1))));
      AGLM_TRY(run_product(graph_.weight(node.weight()), visitor_, context_, x,
                           bias.empty() ? nullptr : bias.data(), out.view));
      visitor_.on_result(i, out.view);
      done_[static_cast<size_t>(i)] = true;
    }
    return {};
  }

  Result<void> look_up(const Node& node, const RowsView& y) {
    const Weight& table = graph_.weight(node.weight());
    int64_t row = 0;
    for (const std::vector<TokenId>& sequence : input_.sequences) {
      for (const TokenId token : sequence) {
        const auto id = static_cast<int64_t>(token);
        AGLM_CHECK(id >= 0 && id < table.rows, "token {} of {}", id, table.rows);
        AGLM_TRY(visitor_.embedding_row(
            table, id, {y.data + row++ * y.stride, static_cast<size_t>(y.columns)}));
      }
    }
    return {};
  }

  Result<void> normalize(const Node& node, const RowsView& y) {
    const std::vector<float> weight = AGLM_TRY(visitor_.vector(graph_.weight(node.weight())));
    const RowsView& x = in(node, 0);
    rms_norm(context_, {.rows = y.rows,
                        .groups = node.shape.columns / node.group,
                        .n = node.group,
                        .x = x.data,
                        .x_stride = x.stride,
                        .weight = weight.data(),
                        .eps = node.epsilon,
                        .y = y.data,
                        .y_stride = y.stride});
    return {};
  }

  void rotate(const Node& node, const RowsView& x) {
    const Rope& rope_of = graph_.rope(node.rope);
    const auto half = rope_of.inverse_frequencies.size();
    for (size_t s = 0; s < input_.sequences.size(); ++s) {
      const size_t n = input_.sequences[s].size();
      std::vector<int64_t> positions(n);
      std::iota(positions.begin(), positions.end(), int64_t{0});
      std::vector<float> cos(n * half);
      std::vector<float> sin(n * half);
      rope_table(context_, positions, rope_of.inverse_frequencies, rope_of.attention_factor,
                 cos.data(), sin.data());
      rope(context_,
           {.rows = static_cast<int64_t>(n),
            .n_heads = x.columns / node.head_dim,
            .head_dim = node.head_dim,
            .rotary_dim = static_cast<int64_t>(2 * half),
            .pairs = rope_of.interleaved ? RopePairs::kInterleaved : RopePairs::kHalfSplit,
            .table = {cos.data(), sin.data()},
            .x = x.data + first_rows_[s] * x.stride,
            .x_stride = x.stride});
    }
  }

  // Sequence by sequence, with keys and values of this layer alone.
  Result<void> attend(const Node& node, const RowsView& y) {
    const AttentionSpec& spec = node.attention;
    KvCache cache{
        .page_stride_bytes = KvCache::page_bytes(DType::kF32, spec.n_kv_heads, spec.head_dim),
        .dtype = DType::kF32,
        .n_kv_heads = spec.n_kv_heads,
        .head_dim = spec.head_dim};
    size_t longest = 1;
    for (const auto& sequence : input_.sequences) longest = std::max(longest, sequence.size());
    std::vector<int32_t> pages((longest + KvCache::kPageTokens - 1) / KvCache::kPageTokens);
    std::iota(pages.begin(), pages.end(), 0);
    AlignedBuffer keys = AGLM_TRY(
        AlignedBuffer::allocate(pages.size() * static_cast<size_t>(cache.page_stride_bytes)));
    cache.data = keys.data();
    AlignedBuffer scratch = AGLM_TRY(AlignedBuffer::allocate(
        static_cast<size_t>(attention_scratch_bytes(context_.pool.size(), spec.head_dim))));
    const RowsView& q = in(node, 0);
    const RowsView& k = in(node, 1);
    const RowsView& v = in(node, 2);
    for (size_t s = 0; s < input_.sequences.size(); ++s) {
      const int64_t first = first_rows_[s];
      const KvSequence sequence{.first_row = 0,
                                .n_rows = static_cast<int64_t>(input_.sequences[s].size()),
                                .start_position = 0,
                                .pages = pages};
      kv_write(context_, {.sequences = {&sequence, 1},
                          .k = k.row(first),
                          .k_stride = k.stride,
                          .v = v.row(first),
                          .v_stride = v.stride,
                          .cache = cache});
      attention(context_,
                {.sequences = {&sequence, 1},
                 .n_heads = spec.n_heads,
                 .q = q.row(first),
                 .q_stride = q.stride,
                 .scale = spec.scale,
                 .window = spec.window,
                 .cache = cache,
                 .y = y.data + first * y.stride,
                 .y_stride = y.stride},
                {scratch.data(), scratch.size()});
    }
    return {};
  }

  BinaryArgs binary(const Node& node, const RowsView& y) const {
    const RowsView& a = in(node, 0);
    const RowsView& b = in(node, 1);
    return {.rows = y.rows,
            .n = y.columns,
            .a = a.data,
            .a_stride = a.stride,
            .b = b.data,
            .b_stride = b.stride,
            .y = y.data,
            .y_stride = y.stride};
  }

  const Graph& graph_;
  const RunInput& input_;
  RunVisitor& visitor_;
  const Context& context_;
  std::vector<Held> values_;
  std::vector<int32_t> last_reader_;
  int32_t logits_;
  int32_t hidden_;
  std::vector<bool> done_;
  std::vector<int64_t> first_rows_;
  int64_t n_rows_ = 0;
  int64_t first_output_row_ = 0;
};

}  // namespace

Result<void> run_product(const Weight& weight, RunVisitor& visitor, const Context& context,
                         const RowsView& x, const float* bias, const RowsView& y) {
  constexpr int64_t kPanel = PackedWeight::kPanelRows;
  const int64_t slab =
      std::max(kPanel, kSlabBytes / (weight.columns * int64_t{sizeof(float)}) / kPanel * kPanel);
  for (int64_t begin = 0; begin < weight.rows; begin += slab) {
    const int64_t end = std::min(weight.rows, begin + slab);
    const PackedWeight packed = AGLM_TRY(visitor.matrix(weight, begin, end));
    AlignedBuffer scratch = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(
        std::max<int64_t>(64, linear_scratch_bytes(context, packed, kRowBlock)))));
    for (int64_t row = 0; row < x.rows; row += kRowBlock) {
      linear(context,
             {.weight = &packed,
              .m = std::min(kRowBlock, x.rows - row),
              .x = x.row(row),
              .x_stride = x.stride,
              .bias = bias == nullptr ? nullptr : bias + begin,
              .y = y.data + row * y.stride + begin,
              .y_stride = y.stride},
             {scratch.data(), scratch.size()});
    }
  }
  return {};
}

Result<HiddenRows> run_graph(const Graph& graph, const RunInput& input, RunVisitor& visitor,
                             const Context& context, const std::function<void(double)>& progress) {
  return Run(graph, input, visitor, context).run(progress);
}

}  // namespace autoglm
