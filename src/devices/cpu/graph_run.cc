#include "devices/cpu/graph_run.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"
#include "devices/cpu/op_kernels.h"
#include "devices/cpu/rope_tables.h"
#include "graph/op_table.h"
#include "graph/program.h"

namespace autoglm {
namespace {

// Of f32 weights at a time: large enough that packing and products are parallel, small enough that
// no matrix is the peak of memory.
constexpr int64_t kSlabBytes = int64_t{64} << 20;
// Rows of activations that one product takes: bounds the kernels' working memory.
constexpr int64_t kRowBlock = 512;

// What makes logits is not needed for hidden states: neither run nor given room.
Graph without_logits(Graph graph) {
  graph.keep_output(kHiddenOutput);
  return graph;
}

// `operand` from row `row` and column `column` on.
Operand part_of(Operand operand, int64_t row, int64_t column) {
  operand.offset_bytes += (row * operand.stride + column) * int64_t{sizeof(float)};
  return operand;
}

class Run {
 public:
  Run(const RunInput& input, RunVisitor& visitor, const Context& context)
      : input_(input), visitor_(visitor), context_(context) {}

  Result<void> reserve(const Graph& graph) {
    std::vector<RotaryPosition> positions;
    int64_t longest = 1;
    for (size_t i = 0; i < input_.sequences.size(); ++i) {
      const auto n = static_cast<int32_t>(input_.sequences[i].size());
      const auto first = static_cast<int32_t>(positions.size());
      sequences_.push_back({.first_row = first, .n_rows = n});
      for (int32_t r = 0; r < n; ++r) {
        positions.push_back({r, r, r});
        if (i >= input_.first_output) output_rows_.push_back(first + r);
      }
      longest = std::max<int64_t>(longest, n);
    }
    n_rows_ = std::ssize(positions);
    program_ = compile(without_logits(graph),
                       {.max_rows = {{std::max<int64_t>(1, n_rows_),
                                      std::max<int64_t>(1, std::ssize(output_rows_))}}});
    weights_.resize(program_.graph.weights().size());
    arena_ = AGLM_TRY(AlignedBuffer::allocate(
        static_cast<size_t>(std::max<int64_t>(program_.plan.arena_bytes, 64))));
    tables_ = AGLM_TRY(RopeTables::reserve(program_.graph, n_rows_));
    tables_.fill(context_, program_.graph, positions);
    // One sequence after the other, and one layer after the other, in the same pages.
    kv_ = KvPool(program_.graph, DType::kF32, KvLayers::kShared);
    pages_.resize(static_cast<size_t>((longest + KvCache::kPageTokens - 1) / KvCache::kPageTokens));
    std::iota(pages_.begin(), pages_.end(), 0);
    if (program_.graph.n_layers() > 0) {
      AGLM_TRY(kv_.reserve(static_cast<int32_t>(pages_.size())));
    }
    for (KvSequence& sequence : sequences_) sequence.pages = pages_;
    return {};
  }

  Result<HiddenRows> run(const std::function<void(double)>& progress) {
    const std::vector<Instruction>& all = program_.instructions;
    for (size_t i = 0; i < all.size(); ++i) {
      AGLM_TRY(run(all[i]));
      if (progress) progress(static_cast<double>(i + 1) / static_cast<double>(all.size()));
    }
    const RowsView from = view(*program_.output(kHiddenOutput), Rows::kOutputs);
    HiddenRows hidden;
    const auto row_bytes = static_cast<size_t>(from.columns) * sizeof(float);
    hidden.memory = AGLM_TRY(
        AlignedBuffer::allocate(static_cast<size_t>(std::max<int64_t>(from.rows, 1)) * row_bytes));
    hidden.view = {hidden.memory.as<float>(), from.rows, from.columns, from.columns};
    for (int64_t r = 0; r < from.rows; ++r) {
      std::memcpy(hidden.memory.data() + static_cast<size_t>(r) * row_bytes, from.row(r),
                  row_bytes);
    }
    return hidden;
  }

 private:
  int64_t rows(Rows which) const {
    return which == Rows::kTokens ? n_rows_ : std::ssize(output_rows_);
  }
  RowsView view(const Operand& operand, Rows which) const {
    return {reinterpret_cast<const float*>(arena_.data() + operand.offset_bytes), rows(which),
            operand.columns, operand.stride};
  }

  Result<void> run(const Instruction& i) {
    bool is_product = false;
    for (size_t w = 0; w < i.node.weights.size(); ++w) {
      const WeightId id = i.node.weight(w);
      switch (op_info(i.node.op).weight_use(w)) {
        case WeightUse::kMultiplied:
        case WeightUse::kGateUp:
        case WeightUse::kInner: is_product = true; break;
        case WeightUse::kLookedUp: held(id) = AGLM_TRY(look_up(program_.graph.weight(id))); break;
        case WeightUse::kVector: {
          const std::vector<float> values = AGLM_TRY(visitor_.vector(program_.graph.weight(id)));
          held(id) = AGLM_TRY(hold(values));
          break;
        }
      }
    }
    if (is_product) {
      AGLM_TRY(product(i));
    } else {
      AGLM_TRY(call(i, rows(i.node.shape.rows)));
    }
    for (const WeightId id : i.node.weights) held(id) = {};
    return {};
  }

  // In slabs of the matrix and blocks of rows.
  Result<void> product(const Instruction& i) {
    AGLM_CHECK(
        i.node.op == Op::kLinear && i.inputs.size() == 1 && i.node.activation == Activation::kNone,
        "value {} is a {} that is fused", i.value, op_name(i.node.op));
    const RowsView x = view(i.inputs[0], i.node.shape.rows);
    if (i.node.inputs[0] != products_of_) {
      products_of_ = i.node.inputs[0];
      const std::vector<int32_t> nodes = products_of(products_of_);
      AGLM_CHECK(nodes.front() == i.value, "products of value {} among those of others",
                 products_of_);
      AGLM_TRY(visitor_.on_products(nodes, x));
    }
    const WeightId id = i.node.weight();
    const Weight& weight = program_.graph.weight(id);
    const HeldWeight bias = i.node.has_bias() ? std::move(held(i.node.weight(1))) : HeldWeight{};
    constexpr int64_t kPanel = PackedWeight::kPanelRows;
    const int64_t slab =
        std::max(kPanel, kSlabBytes / (weight.columns * int64_t{sizeof(float)}) / kPanel * kPanel);
    for (int64_t begin = 0; begin < weight.rows; begin += slab) {
      const int64_t end = std::min(weight.rows, begin + slab);
      held(id) = {};  // the slab before goes first: one at a time is in memory
      held(id).packed = AGLM_TRY(visitor_.matrix(weight, begin, end));
      if (i.node.has_bias()) {
        const std::span<const float> all(bias.data.as<float>(), static_cast<size_t>(weight.rows));
        held(i.node.weight(1)) = AGLM_TRY(
            hold(all.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin))));
      }
      Instruction part = i;
      for (int64_t row = 0; row < x.rows; row += kRowBlock) {
        part.inputs[0] = part_of(i.inputs[0], row, 0);
        part.result = part_of(i.result, row, begin);
        part.result.columns = end - begin;
        AGLM_TRY(call(part, std::min(kRowBlock, x.rows - row)));
      }
    }
    visitor_.on_result(i.value, view(i.result, i.node.shape.rows));
    return {};
  }

  // All products of the rows of value `input`.
  std::vector<int32_t> products_of(int32_t input) const {
    std::vector<int32_t> nodes;
    for (const Instruction& i : program_.instructions) {
      const bool multiplies =
          !i.node.weights.empty() && op_info(i.node.op).weight_use(0) == WeightUse::kMultiplied;
      if (multiplies && i.node.inputs[0] == input) nodes.push_back(i.value);
    }
    return nodes;
  }

  // Runs an instruction, or a part of one, for its first `n_rows`.
  Result<void> call(const Instruction& i, int64_t n_rows) {
    if (n_rows == 0) return {};
    QuantizedPlaces none;
    Binding binding(program_, weights_, tables_.views(), arena_.data(), none);
    const KernelCall kernel = op_kernel(i.node.op).bind(binding, i);
    const int64_t needed = kernel.scratch_bytes ? kernel.scratch_bytes(context_, n_rows) : 0;
    if (needed > static_cast<int64_t>(scratch_.size())) {
      scratch_ = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(needed)));
    }
    StepState step{.ids = ids_, .sequences = sequences_, .output_rows = output_rows_};
    const KernelRun run{context_, step, kv_, {scratch_.data(), scratch_.size()}};
    if (!op_info(i.node.op).keeps_cache) {
      kernel.run(run, n_rows);
      return {};
    }
    for (const KvSequence& sequence : sequences_) {
      step.sequences = {&sequence, 1};
      kernel.run(run, n_rows);
    }
    return {};
  }

  // The rows of `table` that the text's tokens need, and which of them each token is.
  Result<HeldWeight> look_up(const Weight& table) {
    std::map<TokenId, int32_t> row_of;
    ids_.clear();
    std::vector<float> rows;
    const auto columns = static_cast<size_t>(table.columns);
    for (const std::vector<TokenId>& sequence : input_.sequences) {
      for (const TokenId token : sequence) {
        const auto id = static_cast<int64_t>(token);
        AGLM_CHECK(id >= 0 && id < table.rows, "token {} of {}", id, table.rows);
        const auto [at, fresh] = row_of.try_emplace(token, static_cast<int32_t>(row_of.size()));
        ids_.push_back(at->second);
        if (!fresh) continue;
        rows.resize(rows.size() + columns);
        AGLM_TRY(visitor_.embedding_row(table, id, std::span(rows).last(columns)));
      }
    }
    return hold(rows);
  }

  static Result<HeldWeight> hold(std::span<const float> values) {
    HeldWeight held;
    held.data = AGLM_TRY(AlignedBuffer::allocate(std::max<size_t>(64, values.size_bytes())));
    std::memcpy(held.data.data(), values.data(), values.size_bytes());
    return held;
  }
  HeldWeight& held(WeightId id) { return weights_[static_cast<size_t>(id)]; }

  const RunInput& input_;
  RunVisitor& visitor_;
  const Context& context_;
  Program program_;
  std::vector<HeldWeight> weights_;  // those of the instruction that is being run
  AlignedBuffer arena_;
  AlignedBuffer scratch_;
  RopeTables tables_;
  KvPool kv_;
  std::vector<int32_t> pages_;
  std::vector<KvSequence> sequences_;
  int64_t n_rows_ = 0;
  std::vector<int32_t> output_rows_;
  std::vector<int32_t> ids_;
  int32_t products_of_ = -1;  // the value whose products are being computed
};

}  // namespace

Result<HiddenRows> run_graph(const Graph& graph, const RunInput& input, RunVisitor& visitor,
                             const Context& context, const std::function<void(double)>& progress) {
  Run run(input, visitor, context);
  AGLM_TRY(run.reserve(graph));
  return run.run(progress);
}

}  // namespace autoglm
