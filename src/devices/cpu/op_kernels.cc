#include "devices/cpu/op_kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"
#include "base/thread_pool.h"
#include "devices/cpu/expert_kernels.h"
#include "kernels/elementwise/elementwise.h"
#include "kernels/embedding/embedding.h"
#include "kernels/linear/linear.h"
#include "kernels/norm/layer_norm.h"
#include "kernels/norm/rms_norm.h"
#include "kernels/pooling/pooling.h"

namespace autoglm {
namespace {

int64_t f32_rows_bytes(int64_t rows, int64_t columns) {
  const int64_t bytes = rows * columns * int64_t{sizeof(float)};
  return (bytes + MemoryPlan::kAlignment - 1) / MemoryPlan::kAlignment * MemoryPlan::kAlignment;
}

// `values`: rows of `columns`, one after the other.
void copy_rows(std::span<const float> values, int64_t columns, float* to, int64_t stride) {
  const int64_t rows = std::ssize(values) / columns;
  for (int64_t row = 0; row < rows; ++row) {
    std::copy_n(values.data() + row * columns, columns, to + row * stride);
  }
}

EmbeddingArgs embedding_args(const Binding& b, const Instruction& i) {
  const HeldWeight& table = b.held(i.node.weight());
  EmbeddingArgs args{.n = i.result.columns, .y = b.at(i.result), .y_stride = i.result.stride};
  if (table.packed.empty()) {
    args.stored = table.data.data();
    args.dtype = table.dtype;
  } else {
    args.packed = &table.packed;
  }
  return args;
}

// Positions of the step's rows in their texts, as Node::padding says.
void count_positions(const StepState& step, int32_t padding, std::span<int32_t> positions) {
  for (const TextRows& text : step.texts) {
    int32_t next = padding + 1;
    for (int64_t row = text.first_row; row < text.first_row + text.n_rows; ++row) {
      const bool counts = padding < 0 || step.ids[static_cast<size_t>(row)] != padding;
      positions[static_cast<size_t>(row)] = counts ? next++ : padding;
    }
  }
}

// An embedding of what is no token: `fill` says what, for each row of the step.
template <class Fill>
KernelCall bind_other_embedding(Binding& b, const Instruction& i, const Fill& fill) {
  const auto n = static_cast<size_t>(b.max_rows(Rows::kTokens));
  return {.run = [args = embedding_args(b, i), ids = std::vector<int32_t>(n),
                  last = static_cast<int32_t>(b.graph().weight(i.node.weight()).rows - 1),
                  fill](const KernelRun& run, int64_t rows) mutable {
    const std::span<int32_t> own(ids.data(), static_cast<size_t>(rows));
    fill(run.step, own);
    for (const int32_t id : own) AGLM_CHECK(id >= 0 && id <= last, "row {} of {}", id, last + 1);
    args.ids = own;
    embedding(run.context, args);
  }};
}

KernelCall bind_embedding(Binding& b, const Instruction& i) {
  AGLM_CHECK(i.node.rows == Rows::kTokens, "a step has no ids of {}",
             b.graph().rows(i.node.rows).meaning);
  if (i.node.ids == StepIds::kPositions) {
    return bind_other_embedding(
        b, i, [padding = i.node.padding](const StepState& step, std::span<int32_t> ids) {
          count_positions(step, padding, ids);
        });
  }
  if (i.node.ids == StepIds::kTokenTypes) {
    return bind_other_embedding(b, i, [](const StepState& step, std::span<int32_t> ids) {
      if (step.token_types.empty()) {
        std::ranges::fill(ids, 0);
      } else {
        std::ranges::copy(step.token_types, ids.begin());
      }
    });
  }
  EmbeddingArgs args = embedding_args(b, i);
  return {.run = [args](const KernelRun& run, int64_t) mutable {
    args.ids = run.step.ids;
    embedding(run.context, args);
    for (const StepEmbeddings& given : run.step.embeddings) {
      copy_rows(given.values, args.n, args.y + given.first_row * args.y_stride, args.y_stride);
    }
  }};
}

KernelCall bind_input(Binding& b, const Instruction& i) {
  AGLM_CHECK(i.node.rows == Rows::kTokens, "a step is handed no {}",
             b.graph().rows(i.node.rows).meaning);
  return {.run = [result = i.result, y = b.at(i.result)](const KernelRun& run, int64_t) {
    copy_rows(run.step.hidden_in, result.columns, y, result.stride);
  }};
}

// A router's logits are f32 sums in one order, on matrix units too: two experts may be as good as
// another, and no instruction set must choose its own.
Context exact_sums(const Context& context) {
  return {context.pool, std::min(context.isa, Isa::kAvx512)};
}

KernelCall bind_linear(Binding& b, const Instruction& i) {
  const PackedWeight& weight = b.held(i.node.weight()).packed;
  const bool exact = b.graph().weight(i.node.weight()).role == WeightRole::kRouter;
  LinearArgs args{.weight = &weight,
                  .bias = i.node.has_bias() ? b.vector(i.node.weight(1)) : nullptr,
                  .y = b.at(i.result),
                  .y_stride = i.result.stride};
  if (i.inputs[0].quantized) {
    args.quantized = b.read_quantized(i.inputs[0], weight);
  } else {
    args.x = b.at(i.inputs[0]);
    args.x_stride = i.inputs[0].stride;
  }
  if (i.node.has_residual()) {
    args.residual = b.at(i.inputs[1]);
    args.residual_stride = i.inputs[1].stride;
  }
  if (i.node.activation == Activation::kSwiglu) args.epilogue = Epilogue::kSwiglu;
  if (i.node.activation == Activation::kGelu) args.epilogue = Epilogue::kGelu;
  return {.run =
              [args, exact](const KernelRun& run, int64_t rows) mutable {
                args.m = rows;
                linear(exact ? exact_sums(run.context) : run.context, args, run.scratch);
              },
          .scratch_bytes =
              [&weight, exact](const Context& context, int64_t max_rows) {
                return linear_scratch_bytes(exact ? exact_sums(context) : context, weight,
                                            max_rows);
              }};
}

KernelCall bind_rms_norm(Binding& b, const Instruction& i) {
  RmsNormArgs args{.groups = i.node.shape.columns / i.node.group,
                   .n = i.node.group,
                   .x = b.at(i.inputs[0]),
                   .x_stride = i.inputs[0].stride,
                   .weight = b.vector(i.node.weight()),
                   .eps = i.node.epsilon};
  if (i.node.has_residual()) {
    args.residual = b.at(i.inputs[1]);
    args.residual_stride = i.inputs[1].stride;
  }
  if (i.result.quantized) {
    args.quantized = b.store_quantized(i, &args.y);
    args.y_stride = i.result.columns;
  } else {
    args.y = b.at(i.result);
    args.y_stride = i.result.stride;
  }
  return {.run = [args](const KernelRun& run, int64_t rows) mutable {
    args.rows = rows;
    rms_norm(run.context, args);
  }};
}

KernelCall bind_layer_norm(Binding& b, const Instruction& i) {
  LayerNormArgs args{.n = i.result.columns,
                     .x = b.at(i.inputs[0]),
                     .x_stride = i.inputs[0].stride,
                     .weight = b.vector(i.node.weight()),
                     .bias = b.vector(i.node.weight(1)),
                     .eps = i.node.epsilon,
                     .y = b.at(i.result),
                     .y_stride = i.result.stride};
  return {.run = [args](const KernelRun& run, int64_t rows) mutable {
    args.rows = rows;
    layer_norm(run.context, args);
  }};
}

KernelCall bind_rope(Binding& b, const Instruction& i) {
  AGLM_CHECK(i.inputs[0].offset_bytes == i.result.offset_bytes, "rope from {} to {}",
             i.inputs[0].offset_bytes, i.result.offset_bytes);
  const Rope& turn = b.graph().rope(i.node.rope);
  RopeArgs args{.n_heads = i.result.columns / i.node.head_dim,
                .head_dim = i.node.head_dim,
                .rotary_dim = static_cast<int64_t>(2 * turn.inverse_frequencies.size()),
                .pairs = turn.interleaved ? RopePairs::kInterleaved : RopePairs::kHalfSplit,
                .table = b.table(i.node.rope),
                .x = b.at(i.result),
                .x_stride = i.result.stride};
  return {.run = [args](const KernelRun& run, int64_t rows) mutable {
    args.rows = rows;
    rope(run.context, args);
  }};
}

KernelCall bind_attention(Binding& b, const Instruction& i) {
  const AttentionSpec& spec = i.node.attention;
  KvWriteArgs write{.k = b.at(i.inputs[1]),
                    .k_stride = i.inputs[1].stride,
                    .v = b.at(i.inputs[2]),
                    .v_stride = i.inputs[2].stride};
  AttentionArgs attend{.n_heads = spec.n_heads,
                       .q = b.at(i.inputs[0]),
                       .q_stride = i.inputs[0].stride,
                       .scale = spec.scale,
                       .window = spec.window,
                       .y = b.at(i.result),
                       .y_stride = i.result.stride};
  return {.run =
              [write, attend, layer = spec.layer](const KernelRun& run, int64_t) mutable {
                write.sequences = run.step.sequences;
                write.cache = run.pool.layer(layer);
                kv_write(run.context, write);
                attend.sequences = run.step.sequences;
                attend.cache = write.cache;
                attention(run.context, attend, run.scratch);
              },
          .scratch_bytes =
              [head_dim = spec.head_dim](const Context& context, int64_t) {
                return attention_scratch_bytes(context.pool.size(), head_dim);
              }};
}

KernelCall bind_whole_attention(Binding& b, const Instruction& i) {
  const AttentionSpec& spec = i.node.attention;
  WholeAttentionArgs args{.n_heads = spec.n_heads,
                          .head_dim = spec.head_dim,
                          .scale = spec.scale,
                          .q = b.at(i.inputs[0]),
                          .q_stride = i.inputs[0].stride,
                          .k = b.at(i.inputs[1]),
                          .k_stride = i.inputs[1].stride,
                          .v = b.at(i.inputs[2]),
                          .v_stride = i.inputs[2].stride,
                          .y = b.at(i.result),
                          .y_stride = i.result.stride};
  return {.run =
              [args](const KernelRun& run, int64_t) mutable {
                args.texts = run.step.texts;
                whole_attention(run.context, args, run.scratch);
              },
          .scratch_bytes =
              [head_dim = spec.head_dim](const Context& context, int64_t max_rows) {
                return whole_attention_scratch_bytes(context, head_dim, max_rows);
              }};
}

KernelCall bind_activate(Binding& b, const Instruction& i) {
  UnaryArgs args{.n = i.result.columns,
                 .x = b.at(i.inputs[0]),
                 .x_stride = i.inputs[0].stride,
                 .y = b.at(i.result),
                 .y_stride = i.result.stride};
  return {.run = [args, kernel = i.node.activation == Activation::kGelu ? gelu : tanh](
                     const KernelRun& run, int64_t rows) mutable {
    args.rows = rows;
    kernel(run.context, args);
  }};
}

// swiglu() and add().
template <void (*kKernel)(const Context&, const BinaryArgs&)>
KernelCall bind_binary(Binding& b, const Instruction& i) {
  BinaryArgs args{.n = i.result.columns,
                  .a = b.at(i.inputs[0]),
                  .a_stride = i.inputs[0].stride,
                  .b = b.at(i.inputs[1]),
                  .b_stride = i.inputs[1].stride,
                  .y = b.at(i.result),
                  .y_stride = i.result.stride};
  return {.run = [args](const KernelRun& run, int64_t rows) mutable {
    args.rows = rows;
    kKernel(run.context, args);
  }};
}

KernelCall bind_select_outputs(Binding& b, const Instruction& i) {
  return {.run = [x = b.at(i.inputs[0]), x_stride = i.inputs[0].stride, y = b.at(i.result),
                  y_stride = i.result.stride,
                  columns = i.result.columns](const KernelRun& run, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(y + r * y_stride, x + run.step.output_rows[static_cast<size_t>(r)] * x_stride,
                  static_cast<size_t>(columns) * sizeof(float));
    }
  }};
}

PoolingSum pooling_sum(Pooling pooling) {
  switch (pooling) {
    case Pooling::kMeanSqrt: return PoolingSum::kMeanSqrt;
    case Pooling::kWeightedMean: return PoolingSum::kWeightedMean;
    case Pooling::kMax: return PoolingSum::kMax;
    default: return PoolingSum::kMean;
  }
}

KernelCall bind_pool(Binding& b, const Instruction& i) {
  PoolingArgs args{.kind = pooling_sum(i.node.pooling),
                   .n = i.result.columns,
                   .x = b.at(i.inputs[0]),
                   .x_stride = i.inputs[0].stride,
                   .y = b.at(i.result),
                   .y_stride = i.result.stride};
  return {.run = [args](const KernelRun& run, int64_t rows) mutable {
    AGLM_CHECK(rows == std::ssize(run.step.texts), "{} rows of {} texts", rows,
               run.step.texts.size());
    args.texts = run.step.texts;
    pool_texts(run.context, args);
  }};
}

// In the order of Op.
constexpr std::array<OpKernel, static_cast<size_t>(Op::kCount)> kKernels{{
    {Op::kEmbedding, bind_embedding},
    {Op::kInput, bind_input},
    {Op::kLinear, bind_linear},
    {Op::kRmsNorm, bind_rms_norm},
    {Op::kLayerNorm, bind_layer_norm},
    {Op::kRope, bind_rope},
    {Op::kAttention, bind_attention},
    {Op::kWholeAttention, bind_whole_attention},
    {Op::kSwiglu, bind_binary<swiglu>},
    {Op::kActivate, bind_activate},
    {Op::kAdd, bind_binary<add>},
    {Op::kSlice},
    {Op::kSelectOutputs, bind_select_outputs},
    {Op::kPool, bind_pool},
    {Op::kRoute, bind_route},
    {Op::kExpertMlp, bind_expert_mlp},
}};

static_assert(
    [] {
      for (size_t i = 0; i < kKernels.size(); ++i) {
        if (kKernels[i].op != static_cast<Op>(i)) return false;
      }
      return true;
    }(),
    "an op has no entry, or not at its place");

}  // namespace

int64_t quantized_place_bytes(int64_t rows, int64_t columns) {
  return f32_rows_bytes(rows, columns) + QuantizedRows::bytes(rows, columns);
}

float* Binding::at(const Operand& operand) const {
  AGLM_CHECK(!operand.quantized, "quantized rows at {} read as f32", operand.offset_bytes);
  return reinterpret_cast<float*>(arena_ + operand.offset_bytes);
}

const QuantizedRows* Binding::store_quantized(const Instruction& instruction, float** f32) {
  const Operand& result = instruction.result;
  const Rows rows = instruction.node.shape.rows;
  const int64_t most = program_.max_rows[rows];
  std::byte* place = arena_ + result.offset_bytes;
  quantized_.push_back({.view = QuantizedRows::at(place + f32_rows_bytes(most, result.columns),
                                                  most, result.columns),
                        .rows = rows});
  stored_[result.offset_bytes] = &quantized_.back();
  *f32 = reinterpret_cast<float*>(place);
  return &quantized_.back().view;
}

const QuantizedRows* Binding::read_quantized(const Operand& operand, const PackedWeight& weight) {
  QuantizedPlace& place = *stored_.at(operand.offset_bytes);
  place.format = weight.format();
  place.view.rounding = rounding_of(place.format);
  if (!holds_codes(place.format)) place.view.column_scales = weight.column_scales();
  return &place.view;
}

const OpKernel& op_kernel(Op op) { return kKernels[static_cast<size_t>(op)]; }

}  // namespace autoglm
