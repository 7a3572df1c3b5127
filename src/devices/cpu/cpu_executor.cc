#include "devices/cpu/cpu_executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/check.h"
#include "base/thread_pool.h"
#include "devices/cpu/expert_kernels.h"
#include "devices/cpu/held_weights.h"
#include "devices/cpu/kernel_calls.h"
#include "devices/cpu/kv_pool.h"
#include "devices/cpu/rope_tables.h"
#include "graph/fuse.h"
#include "graph/op_table.h"
#include "kernels/arithmetic.h"

namespace autoglm {
namespace {

DType kv_dtype(KvDType wish, WeightFormat matrices) {
  switch (wish) {
    case KvDType::kAuto: break;
    case KvDType::kF32: return DType::kF32;
    case KvDType::kBF16: return DType::kBF16;
    case KvDType::kInt8: return DType::kI8;
  }
  return matrices == WeightFormat::kF32 ? DType::kF32 : DType::kBF16;
}

std::string_view kv_format(DType dtype) {
  return dtype == DType::kF32 ? "f32" : dtype == DType::kI8 ? "int8" : "bf16";
}

bool has_bf16_products(const std::vector<WeightPlan>& plans) {
  return std::any_of(plans.begin(), plans.end(), [](const WeightPlan& plan) {
    return plan.form == WeightPlan::Form::kPacked && plan.format == WeightFormat::kBF16;
  });
}

std::string numerics(DType kv, bool amx_sums) {
  return fmt::format("KV pages in {}; {} sums; arithmetic {}", kv_format(kv),
                     amx_sums ? "AMX" : "plain", kArithmeticVersion);
}

Result<Graph> prepared(const Graph& graph, const WeightSource& source,
                       const DeviceOptions& options) {
  if (!options.fuse) return graph;
  if (options.quantize) return fuse(graph, {.integer_matrices = true});
  // As stored: what that is depends on which tensors become one weight.
  Graph fused = fuse(graph, {.integer_matrices = false});
  const std::vector<WeightPlan> plans = AGLM_TRY(plan_weights(fused, source, options.quantize));
  if (!products_are_integers(fused, plans)) return fused;
  return fuse(graph, {.integer_matrices = true});
}

PlanOptions plan_options(const DeviceOptions& options) {
  return {.max_rows = {{options.max_rows, options.max_output_rows}},
          .quantized_bytes = quantized_place_bytes};
}

Result<void> check_options(const Graph& graph, const DeviceOptions& options) {
  if (options.max_rows < 1 || options.max_output_rows < 1 || options.threads < 0) {
    return Error{ErrorCode::kInvalidArgument, "step size or thread count is out of range", "cpu",
                 "at least one row and one output row",
                 fmt::format("{} rows, {} output rows, {} threads", options.max_rows,
                             options.max_output_rows, options.threads)};
  }
  // Shapes have bounds (models/), rows are the caller's: their product must stay a size.
  int64_t widest = 1;
  for (const Node& node : graph.nodes()) widest = std::max(widest, node.shape.columns);
  constexpr int64_t kMostElements = int64_t{1} << 40;
  if (std::max(options.max_rows, options.max_output_rows) > kMostElements / widest) {
    return Error{ErrorCode::kInvalidArgument, "step is too large", "cpu",
                 fmt::format("at most {} rows of {} columns", kMostElements / widest, widest),
                 fmt::format("{} rows", options.max_rows)};
  }
  for (const Node& node : graph.nodes()) {
    if (!op_info(node.op).keeps_cache || options.kv_dtype != KvDType::kInt8) continue;
    if (node.attention.head_dim > KvCache::kMaxInt8HeadDim) {
      return Error{ErrorCode::kUnsupported, "heads are too wide for an int8 KV cache",
                   "kv_cache_dtype", fmt::format("heads of at most {}", KvCache::kMaxInt8HeadDim),
                   fmt::format("{}", node.attention.head_dim)};
    }
  }
  return {};
}

int64_t token_types(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    if (node.op == Op::kEmbedding && node.ids == StepIds::kTokenTypes) {
      return graph.weight(node.weight()).rows;
    }
  }
  return 1;
}

class Executing : public DeviceExecutor {
 public:
  Executing(Isa isa, const DeviceOptions& options)
      : isa_(isa), pool_(options.threads, options.processors), context_{pool_, isa} {}

  Result<void> load(const Graph& graph, const WeightSource& source, const DeviceOptions& options) {
    program_ = AGLM_TRY(cpu_program(graph, source, options));
    const std::vector<WeightPlan> plans =
        AGLM_TRY(plan_weights(program_.graph, source, options.quantize));
    weights_ = AGLM_TRY(load_weights(program_.graph, plans, source, pool_, options));
    const WeightFormat matrices = matrix_format(program_.graph, plans);
    const DType kv = kv_dtype(options.kv_dtype, matrices);
    kv_ = KvPool(program_.graph, kv);
    AGLM_TRY(reserve_activations(options));

    const Graph& made = program_.graph;
    const Node& first = made.node(0);
    cut_ = output(kCutOutput, Rows::kTokens);
    logits_ = output(kLogitsOutput, Rows::kOutputs);
    hidden_ = output(kHiddenOutput, Rows::kOutputs);
    scores_ = output(kScoresOutput, Rows::kOutputs);
    AGLM_CHECK(cut_.columns > 0 || hidden_.columns > 0,
               "a model of {} outputs that makes no hidden states", made.outputs().size());
    // A token is in the table, and logits are of tokens.
    int64_t vocab_size =
        logits_.columns > 0 ? logits_.columns : std::numeric_limits<int32_t>::max();
    if (first.op == Op::kEmbedding) {
      vocab_size = std::min(vocab_size, made.weight(first.weight()).rows);
    }
    limits_ = {
        .max_rows = options.max_rows,
        .max_output_rows = options.max_output_rows,
        .vocab_size = static_cast<int32_t>(vocab_size),
        .hidden_size = static_cast<int32_t>(first.shape.columns),
        .n_scores = static_cast<int32_t>(scores_.columns),
        .token_types = static_cast<int32_t>(token_types(made)),
        .input_columns = static_cast<int32_t>(first.op == Op::kInput ? first.shape.columns : 0),
        .cut_columns = static_cast<int32_t>(cut_.columns),
        .max_context = options.max_context,
        .page_tokens = static_cast<int32_t>(KvCache::kPageTokens),
        .page_bytes = kv_.page_bytes()};
    summary_ = {.layers = program_.graph.n_layers(),
                .arena_bytes = static_cast<int64_t>(arena_.size() + scratch_.size()),
                .arena_bytes_without_reuse = program_.plan.arena_bytes_without_reuse,
                .page_bytes = kv_.page_bytes(),
                .isa = std::string(isa_name(isa_)),
                .weight_format = std::string(weight_format_name(matrices)),
                .kv_format = std::string(kv_format(kv)),
                .numerics = numerics(
                    kv, isa_ == Isa::kAmx && (kv == DType::kBF16 || has_bf16_products(plans))),
                .threads = pool_.size(),
                .nodes = pool_.n_nodes()};
    for (const WeightPlan& plan : plans) summary_.weight_bytes += plan.bytes;
    for (const Node& node : program_.graph.nodes()) {
      for (size_t i = 0; i < node.weights.size(); ++i) {
        if (!is_multiplied(op_info(node.op).weight_use(i))) continue;
        const Weight& weight = program_.graph.weight(node.weight(i));
        // Of a mixture's experts, one row reads those that it chooses.
        const int64_t chosen = weight.members > 1 ? node.route.chosen : 1;
        summary_.step_weight_bytes +=
            plans[static_cast<size_t>(node.weight(i))].bytes / weight.members * chosen;
        if (node.shape.rows == Rows::kTokens) {
          summary_.operations_per_token += 2 * weight.member_rows() * chosen * weight.columns;
        }
      }
    }
    return {};
  }

  const ExecutorLimits& limits() const override { return limits_; }
  const ModelSummary& summary() const override { return summary_; }
  const Program& program() const override { return program_; }
  Result<void> reserve_pages(int32_t n_pages) override { return kv_.reserve(n_pages); }

  void read_page(int32_t page, std::span<std::byte> out) override {
    std::ranges::copy(page_bytes(page, out.size()), out.begin());
  }
  void write_page(int32_t page, std::span<const std::byte> bytes) override {
    std::ranges::copy(bytes, page_bytes(page, bytes.size()).begin());
  }

  bool step(const StepInput& input) override {
    const size_t n = input.tokens.size();
    AGLM_CHECK(n <= static_cast<size_t>(limits_.max_rows) &&
                   input.output_rows.size() <= static_cast<size_t>(limits_.max_output_rows),
               "{} rows and {} output rows", n, input.output_rows.size());
    sequences_.clear();
    texts_.clear();
    for (const StepSequence& s : input.sequences) add_sequence(s);
    AGLM_CHECK(positions_end_ == n, "sequences of {} rows for {} tokens", positions_end_, n);
    positions_end_ = 0;
    for (size_t i = 0; i < n; ++i) {
      ids_[i] = static_cast<int32_t>(input.tokens[i]);
      AGLM_CHECK(ids_[i] >= 0 && ids_[i] < limits_.vocab_size, "token {} of {}", ids_[i],
                 limits_.vocab_size);
    }
    check_rows_given(input);
    const std::span<const RotaryPosition> own(positions_.data(), n);
    tables_.fill(context_, program_.graph, input.positions.empty() ? own : input.positions);
    n_rows_ = n;
    return calls_->run(context_,
                       {.ids = {ids_.data(), n},
                        .token_types = input.token_types,
                        .embeddings = input.embeddings,
                        .hidden_in = input.hidden_in,
                        .sequences = sequences_,
                        .texts = texts_,
                        .output_rows = input.output_rows,
                        .logits = input.logits,
                        .give_up = input.give_up},
                       kv_, {scratch_.data(), scratch_.size()});
  }

  std::span<const float> logits(int32_t index) const override {
    return row(logits_, index).first(static_cast<size_t>(limits_.vocab_size));
  }
  std::span<const float> hidden_state(int32_t index) const override { return row(hidden_, index); }
  std::span<const float> scores(int32_t index) const override { return row(scores_, index); }
  std::span<const float> cut() const override {
    if (cut_.columns == 0) return {};
    AGLM_CHECK(cut_.stride == cut_.columns, "a cut of {} columns, {} apart", cut_.columns,
               cut_.stride);
    return {reinterpret_cast<const float*>(arena_.data() + cut_.offset_bytes),
            n_rows_ * static_cast<size_t>(cut_.columns)};
  }

 private:
  std::span<std::byte> page_bytes(int32_t page, size_t size) {
    AGLM_CHECK(page >= 0 && page < kv_.n_pages(), "page {} of {}", page, kv_.n_pages());
    AGLM_CHECK(size == static_cast<size_t>(kv_.page_bytes()), "{} bytes for a page of {}", size,
               kv_.page_bytes());
    return kv_.page(page);
  }

  // Without columns: the model, or the part of one, has no such output.
  Operand output(std::string_view name, Rows rows) const {
    const int32_t value = program_.graph.output(name);
    if (value < 0) return {};
    const Shape shape = program_.graph.node(value).shape;
    AGLM_CHECK(shape.rows == rows, "{} is {}", name, program_.graph.shape_text(shape));
    return *program_.output(name);
  }

  void check_rows_given(const StepInput& input) const {
    const size_t n = input.tokens.size();
    AGLM_CHECK(input.token_types.empty() || input.token_types.size() == n, "{} types of {} tokens",
               input.token_types.size(), n);
    AGLM_CHECK(input.hidden_in.size() == n * static_cast<size_t>(limits_.input_columns),
               "{} numbers for {} rows of {} columns", input.hidden_in.size(), n,
               limits_.input_columns);
    AGLM_CHECK(input.positions.empty() || input.positions.size() == n, "{} positions for {} rows",
               input.positions.size(), n);
    const auto columns = static_cast<size_t>(limits_.hidden_size);
    for (const StepEmbeddings& given : input.embeddings) {
      const size_t rows = given.values.size() / columns;
      AGLM_CHECK(limits_.input_columns == 0 && given.values.size() == rows * columns &&
                     given.first_row >= 0 && static_cast<size_t>(given.first_row) + rows <= n,
                 "embeddings of {} numbers at row {} of {}, {} columns", given.values.size(),
                 given.first_row, n, columns);
    }
  }

  Result<void> reserve_activations(const DeviceOptions& options) {
    const int64_t rows = program_.max_rows[Rows::kTokens];
    arena_ = AGLM_TRY(AlignedBuffer::allocate(
        static_cast<size_t>(std::max<int64_t>(program_.plan.arena_bytes, 64))));
    tables_ = AGLM_TRY(RopeTables::reserve(program_.graph, rows));
    calls_.emplace(program_, weights_, tables_.views(), arena_.data(), options.on_result);
    scratch_ = AGLM_TRY(
        AlignedBuffer::allocate(static_cast<size_t>(calls_->scratch_bytes(context_, rows))));
    ids_.resize(static_cast<size_t>(rows));
    positions_.resize(static_cast<size_t>(rows));
    sequences_.reserve(static_cast<size_t>(rows));
    texts_.reserve(static_cast<size_t>(rows));
    return {};
  }

  void add_sequence(const StepSequence& s) {
    AGLM_CHECK(s.first_row == static_cast<int32_t>(positions_end_) && s.n_rows > 0 &&
                   s.n_rows <= limits_.max_rows - s.first_row && s.start_position >= 0,
               "sequence of {} rows at {} from position {}", s.n_rows, s.first_row,
               s.start_position);
    const int64_t end = s.start_position + s.n_rows;
    const bool has_pages = kv_.page_bytes() > 0;
    const auto needed = static_cast<size_t>(
        has_pages ? (end + KvCache::kPageTokens - 1) / KvCache::kPageTokens : 0);
    AGLM_CHECK(has_pages || s.start_position == 0,
               "a text from position {} on, of which nothing was kept", s.start_position);
    AGLM_CHECK(s.pages.size() >= needed, "{} pages for {} positions", s.pages.size(), end);
    for (size_t i = 0; i < needed; ++i) {
      AGLM_CHECK(s.pages[i] >= 0 && s.pages[i] < kv_.n_pages(), "page {} of {}", s.pages[i],
                 kv_.n_pages());
    }
    for (auto p = static_cast<int32_t>(s.start_position); p < static_cast<int32_t>(end); ++p) {
      positions_[positions_end_++] = {p, p, p};
    }
    sequences_.push_back({.first_row = s.first_row,
                          .n_rows = s.n_rows,
                          .start_position = s.start_position,
                          .pages = s.pages});
    texts_.push_back({.first_row = s.first_row, .n_rows = s.n_rows});
  }

  std::span<const float> row(const Operand& operand, int32_t index) const {
    AGLM_CHECK(index >= 0 && index < limits_.max_output_rows, "output row {} of {}", index,
               limits_.max_output_rows);
    const auto* first = reinterpret_cast<const float*>(arena_.data() + operand.offset_bytes);
    return {first + index * operand.stride, static_cast<size_t>(operand.columns)};
  }

  Isa isa_;
  ThreadPool pool_;
  Context context_;
  Program program_;
  std::vector<HeldWeight> weights_;
  RopeTables tables_;
  AlignedBuffer arena_;
  AlignedBuffer scratch_;
  KvPool kv_;
  std::optional<KernelCalls> calls_;
  Operand logits_;
  Operand hidden_;
  Operand scores_;
  Operand cut_;
  ExecutorLimits limits_;
  ModelSummary summary_;
  std::vector<int32_t> ids_;
  std::vector<RotaryPosition> positions_;
  size_t positions_end_ = 0;
  size_t n_rows_ = 0;  // of the last step
  std::vector<KvSequence> sequences_;
  std::vector<TextRows> texts_;
};

}  // namespace

Result<Program> cpu_program(const Graph& graph, const WeightSource& source,
                            const DeviceOptions& options) {
  return compile(AGLM_TRY(prepared(graph, source, options)), plan_options(options));
}

Result<DevicePlan> cpu_plan(const Graph& graph, const WeightSource& source,
                            const DeviceOptions& options) {
  AGLM_TRY(check_options(graph, options));
  const Program program = AGLM_TRY(cpu_program(graph, source, options));
  const std::vector<WeightPlan> plans =
      AGLM_TRY(plan_weights(program.graph, source, options.quantize));
  DevicePlan memory{.arena_bytes = program.plan.arena_bytes,
                    .page_tokens = static_cast<int32_t>(KvCache::kPageTokens)};
  for (const WeightPlan& plan : plans) memory.weight_bytes += plan.bytes;
  // What attention reserves for very long sequences is address space to all others: not counted.
  int64_t scratch = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].form != WeightPlan::Form::kPacked || !is_integer(plans[i].format)) continue;
    scratch = std::max(scratch,
                       QuantizedRows::bytes(options.max_rows, program.graph.weights()[i].columns));
  }
  for (const Node& node : program.graph.nodes()) {
    if (node.op != Op::kExpertMlp) continue;
    scratch = std::max(scratch, expert_mlp_planned_bytes(program.graph, node, options.max_rows));
  }
  memory.arena_bytes += scratch;
  const WeightFormat matrices = matrix_format(program.graph, plans);
  memory.page_bytes = KvPool(program.graph, kv_dtype(options.kv_dtype, matrices)).page_bytes();
  return memory;
}

Result<std::unique_ptr<DeviceExecutor>> make_cpu_executor(const Graph& graph,
                                                          const WeightSource& source,
                                                          const DeviceOptions& options) {
  AGLM_TRY(check_options(graph, options));
  const Isa isa = AGLM_TRY(select_isa(options.isa));
  auto executor = std::make_unique<Executing>(isa, options);
  AGLM_TRY(executor->load(graph, source, options));
  return std::unique_ptr<DeviceExecutor>(std::move(executor));
}

}  // namespace autoglm
