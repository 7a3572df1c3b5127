#include "devices/cpu/kernel_calls.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/check.h"
#include "base/thread_pool.h"

namespace autoglm {

class KernelCalls::Binder {
 public:
  Binder(const Program& program, const std::vector<HeldWeight>& weights,
         std::span<const RopeTable> tables, std::byte* arena, KernelCalls& calls)
      : program_(program), weights_(weights), tables_(tables), arena_(arena), calls_(calls) {
    // Calls keep addresses of these.
    size_t n = 0;
    for (const Instruction& i : program.instructions) n += i.result.quantized ? 1 : 0;
    calls.quantized_.reserve(n);
  }

  void bind(const Instruction& i) {
    const auto output = static_cast<size_t>(i.only_output);
    Call call{.rows = i.node.shape.rows,
              .makes_logits = i.only_output >= 0 && program_.outputs[output].name == kLogitsOutput};
    switch (i.node.op) {
      case Op::kEmbedding: call.args = embedding_args(i); break;
      case Op::kLinear: call.args = linear_args(i); break;
      case Op::kRmsNorm: call.args = norm_args(i); break;
      case Op::kRope: call.args = rope_args(i); break;
      case Op::kAttention: call.args = attention_args(i); break;
      case Op::kSwiglu: call.args = Swiglu{binary_args(i)}; break;
      case Op::kAdd: call.args = Add{binary_args(i)}; break;
      case Op::kSelectOutputs:
        call.args = Select{.x = at(i.inputs[0]),
                           .x_stride = i.inputs[0].stride,
                           .y = at(i.result),
                           .y_stride = i.result.stride,
                           .columns = i.result.columns};
        break;
      case Op::kSlice: return;
    }
    calls_.calls_.push_back(std::move(call));
  }

 private:
  float* at(const Operand& operand) const {
    AGLM_CHECK(!operand.quantized, "quantized rows at {} read as f32", operand.offset_bytes);
    return reinterpret_cast<float*>(arena_ + operand.offset_bytes);
  }
  const HeldWeight& held(WeightId id) const { return weights_[static_cast<size_t>(id)]; }
  const float* vector(WeightId id) const {
    return id == WeightId::kNone ? nullptr : held(id).data.as<float>();
  }

  EmbeddingArgs embedding_args(const Instruction& i) const {
    const HeldWeight& table = held(i.node.weight());
    EmbeddingArgs args{.n = i.result.columns, .y = at(i.result), .y_stride = i.result.stride};
    if (table.packed.empty()) {
      args.stored = table.data.data();
      args.dtype = table.dtype;
    } else {
      args.packed = &table.packed;
    }
    return args;
  }

  LinearArgs linear_args(const Instruction& i) {
    LinearArgs args{.weight = &held(i.node.weight()).packed,
                    .bias = vector(i.node.weight(1)),
                    .y = at(i.result),
                    .y_stride = i.result.stride};
    if (i.inputs[0].quantized) {
      args.quantized = written_.at(i.inputs[0].offset_bytes);
      const auto index = static_cast<size_t>(args.quantized - calls_.quantized_.data());
      const WeightFormat format = args.weight->format();
      calls_.quantized_uses_[index].format = format;
      calls_.quantized_[index].rounding = rounding_of(format);
      if (!holds_codes(format))
        calls_.quantized_[index].column_scales = args.weight->column_scales();
    } else {
      args.x = at(i.inputs[0]);
      args.x_stride = i.inputs[0].stride;
    }
    if (i.node.has_residual()) {
      args.residual = at(i.inputs[1]);
      args.residual_stride = i.inputs[1].stride;
    }
    if (i.node.activation == Activation::kSwiglu) args.epilogue = Epilogue::kSwiglu;
    return args;
  }

  RmsNormArgs norm_args(const Instruction& i) {
    RmsNormArgs args{.groups = i.node.shape.columns / i.node.group,
                     .n = i.node.group,
                     .x = at(i.inputs[0]),
                     .x_stride = i.inputs[0].stride,
                     .weight = vector(i.node.weight()),
                     .eps = i.node.epsilon};
    if (i.node.has_residual()) {
      args.residual = at(i.inputs[1]);
      args.residual_stride = i.inputs[1].stride;
    }
    if (i.result.quantized) {
      const int64_t most =
          i.node.shape.rows == Rows::kTokens ? program_.max_rows : program_.max_output_rows;
      std::byte* place = arena_ + i.result.offset_bytes;
      calls_.quantized_.push_back(QuantizedRows::at(place + f32_rows_bytes(most, i.result.columns),
                                                    most, i.result.columns));
      calls_.quantized_uses_.push_back({.rows = i.node.shape.rows});
      args.y = reinterpret_cast<float*>(place);
      args.y_stride = i.result.columns;
      args.quantized = &calls_.quantized_.back();
      written_[i.result.offset_bytes] = args.quantized;
    } else {
      args.y = at(i.result);
      args.y_stride = i.result.stride;
    }
    return args;
  }

  RopeArgs rope_args(const Instruction& i) const {
    AGLM_CHECK(i.inputs[0].offset_bytes == i.result.offset_bytes, "rope from {} to {}",
               i.inputs[0].offset_bytes, i.result.offset_bytes);
    const Rope& rope = program_.graph.rope(i.node.rope);
    return {.n_heads = i.result.columns / i.node.head_dim,
            .head_dim = i.node.head_dim,
            .rotary_dim = static_cast<int64_t>(2 * rope.inverse_frequencies.size()),
            .pairs = rope.interleaved ? RopePairs::kInterleaved : RopePairs::kHalfSplit,
            .table = tables_[static_cast<size_t>(i.node.rope)],
            .x = at(i.result),
            .x_stride = i.result.stride};
  }

  Attention attention_args(const Instruction& i) const {
    const AttentionSpec& spec = i.node.attention;
    return {.write = {.k = at(i.inputs[1]),
                      .k_stride = i.inputs[1].stride,
                      .v = at(i.inputs[2]),
                      .v_stride = i.inputs[2].stride},
            .attend = {.n_heads = spec.n_heads,
                       .q = at(i.inputs[0]),
                       .q_stride = i.inputs[0].stride,
                       .scale = spec.scale,
                       .window = spec.window,
                       .y = at(i.result),
                       .y_stride = i.result.stride},
            .layer = spec.layer,
            .head_dim = spec.head_dim};
  }

  BinaryArgs binary_args(const Instruction& i) const {
    return {.n = i.result.columns,
            .a = at(i.inputs[0]),
            .a_stride = i.inputs[0].stride,
            .b = at(i.inputs[1]),
            .b_stride = i.inputs[1].stride,
            .y = at(i.result),
            .y_stride = i.result.stride};
  }

  const Program& program_;
  const std::vector<HeldWeight>& weights_;
  std::span<const RopeTable> tables_;
  std::byte* arena_;
  KernelCalls& calls_;
  std::map<int64_t, const QuantizedRows*> written_;  // offset -> the rows last written there
};

// Runs one call; `rows` of it.
struct KernelCalls::Runner {
  const Context& context;
  const StepState& step;
  const KvPool& pool;
  std::span<std::byte> scratch;
  int64_t rows;

  void operator()(EmbeddingArgs args) const {
    args.ids = step.ids;
    embedding(context, args);
  }
  void operator()(LinearArgs args) const {
    args.m = rows;
    linear(context, args, scratch);
  }
  void operator()(RmsNormArgs args) const {
    args.rows = rows;
    rms_norm(context, args);
  }
  void operator()(RopeArgs args) const {
    args.rows = rows;
    rope(context, args);
  }
  void operator()(Attention args) const {
    args.write.sequences = step.sequences;
    args.write.cache = pool.layer(args.layer);
    kv_write(context, args.write);
    args.attend.sequences = step.sequences;
    args.attend.cache = args.write.cache;
    attention(context, args.attend, scratch);
  }
  void operator()(Swiglu call) const {
    call.args.rows = rows;
    swiglu(context, call.args);
  }
  void operator()(Add call) const {
    call.args.rows = rows;
    add(context, call.args);
  }
  void operator()(const Select& args) const {
    for (int64_t r = 0; r < rows; ++r) {
      std::memcpy(args.y + r * args.y_stride,
                  args.x + step.output_rows[static_cast<size_t>(r)] * args.x_stride,
                  static_cast<size_t>(args.columns) * sizeof(float));
    }
  }
};

KernelCalls::KernelCalls(const Program& program, const std::vector<HeldWeight>& weights,
                         std::span<const RopeTable> tables, std::byte* arena) {
  Binder binder(program, weights, tables, arena, *this);
  for (const Instruction& instruction : program.instructions) binder.bind(instruction);
}

bool KernelCalls::run(const Context& context, const StepState& step, const KvPool& pool,
                      std::span<std::byte> scratch) {
  for (size_t i = 0; i < quantized_.size(); ++i) {
    const QuantizedUse& use = quantized_uses_[i];
    const int64_t rows = step.rows(use.rows);
    quantized_[i].rows = rows;
    quantized_[i].tiled = takes_tiled_rows(context.isa, use.format, rows);
  }
  const size_t give_up_before = calls_.size() / 4 * 3;
  for (size_t i = 0; i < calls_.size(); ++i) {
    const Call& call = calls_[i];
    if (step.give_up != nullptr && i < give_up_before &&
        step.give_up->load(std::memory_order_relaxed)) {
      return false;
    }
    const int64_t rows = step.rows(call.rows);
    if (rows == 0 || (call.makes_logits && !step.logits)) continue;
    std::visit(Runner{context, step, pool, scratch, rows}, call.args);
  }
  return true;
}

int64_t KernelCalls::scratch_bytes(const Context& context, int64_t max_rows) const {
  int64_t most = 64;
  for (const Call& call : calls_) {
    if (const auto* product = std::get_if<LinearArgs>(&call.args)) {
      most = std::max(most, linear_scratch_bytes(context, *product->weight, max_rows));
    } else if (const auto* attend = std::get_if<Attention>(&call.args)) {
      most = std::max(most, attention_scratch_bytes(context.pool.size(), attend->head_dim));
    }
  }
  return most;
}

}  // namespace autoglm
