#include "devices/cpu/held_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"
#include "graph/op_table.h"
#include "kernels/linear/column_scales.h"
#include "kernels/simd/half.h"

namespace autoglm {
namespace {

// The stored formats that hold f16's numbers or bf16's, or need f32.
WeightFormat held_as(DType stored) {
  switch (stored) {
    case DType::kF16: return WeightFormat::kF16;
    case DType::kF32:
    case DType::kF64: return WeightFormat::kF32;
    default: return WeightFormat::kBF16;
  }
}

DType dtype_of(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF16: return DType::kF16;
    case WeightFormat::kBF16: return DType::kBF16;
    default: return DType::kF32;
  }
}

WeightFormat held_as(const SourceTensor& tensor) {
  if (tensor.progressive_row) return progressive_format(tensor.form);
  if (tensor.int8_row) return WeightFormat::kInt8;
  return held_as(tensor.dtype);
}

// The one of two that loses nothing: small groups hold large ones of as many bits, and progressive
// codes expand to int8 exactly.
WeightFormat joined(WeightFormat a, WeightFormat b) {
  if (a == b) return a;
  const Progressive of_a = progressive_form(a);
  const Progressive of_b = progressive_form(b);
  if (of_a.exists() && of_a.bits == of_b.bits) return of_a.group_size < of_b.group_size ? a : b;
  return is_integer(a) && is_integer(b) ? WeightFormat::kInt8 : WeightFormat::kF32;
}

// Of a matrix whose parts are stored differently: the one that loses nothing. Codes stay codes when
// one format holds all parts' (q4_k_m files mix Q4_K and Q6_K in q, k and v).
Result<WeightFormat> stored_format(const Weight& weight, const WeightSource& source) {
  WeightFormat format = WeightFormat::kF32;
  std::optional<WeightFormat> codes;
  for (size_t i = 0; i < weight.parts.size(); ++i) {
    const SourceTensor tensor = AGLM_TRY(source.open(weight.parts[i].tensor));
    const WeightFormat part = held_as(tensor);
    format = i == 0 ? part : joined(format, part);
    const CodeKind kind = tensor.code_kind;
    if (i == 0) {
      codes = codes_format(kind, kind);
    } else if (codes) {
      codes = codes_format(code_kind_of(*codes), kind);
    }
  }
  return codes.value_or(format);
}

WeightFormat quantized_format(WeightRole role, WeightFormat wish) {
  return role == WeightRole::kMatrix ? wish : WeightFormat::kInt8;
}

// Codes that hold the weight as it is, stored as codes or floats on their grid, where they take
// about the room that was asked for: rounding again would lose what they keep. Half a bit more is
// what a minimum for each group takes.
Result<std::optional<WeightFormat>> codes_instead(const Weight& weight, const WeightSource& source,
                                                  WeightFormat wish) {
  std::optional<WeightFormat> codes;
  for (size_t i = 0; i < weight.parts.size(); ++i) {
    const SourceTensor tensor = AGLM_TRY(source.open(weight.parts[i].tensor));
    const CodeKind kind = tensor.grid != CodeKind::kNone ? tensor.grid : tensor.code_kind;
    codes = codes_format(i == 0 ? kind : code_kind_of(*codes), kind);
    if (!codes) return codes;
  }
  if (codes && weight_format_info(*codes).bits >
                   weight_format_info(wish).bits + (wish == WeightFormat::kInt8 ? 1 : 0.5)) {
    codes.reset();
  }
  return codes;
}

int64_t planned_bytes(const Weight& weight, const WeightPlan& plan) {
  switch (plan.form) {
    case WeightPlan::Form::kUnused: return 0;
    case WeightPlan::Form::kVector: return weight.rows * int64_t{sizeof(float)};
    case WeightPlan::Form::kRows:
      return weight.rows * weight.columns * dtype_info(dtype_of(plan.format)).block_bytes;
    case WeightPlan::Form::kPacked:
      return PackedWeight::bytes(plan.format, weight.rows, weight.columns, plan.order);
  }
  return 0;
}

// Who uses a weight, over all nodes.
struct Use {
  bool multiplied = false;
  bool halved = false;  // by a product with swiglu
  bool looked_up = false;
  bool vector = false;
  WeightId input_norm = WeightId::kNone;
};

std::vector<Use> uses(const Graph& graph) {
  std::vector<Use> result(graph.weights().size());
  for (const Node& node : graph.nodes()) {
    for (size_t i = 0; i < node.weights.size(); ++i) {
      Use& use = result[static_cast<size_t>(node.weight(i))];
      switch (op_info(node.op).weight_use(i)) {
        case WeightUse::kVector: use.vector = true; break;
        case WeightUse::kLookedUp: use.looked_up = true; break;
        case WeightUse::kMultiplied: {
          use.multiplied = true;
          const Node& input = graph.node(node.inputs[0]);
          if (input.op == Op::kRmsNorm && input.group == input.shape.columns) {
            use.input_norm = input.weight();
          }
          use.halved = use.halved || node.activation == Activation::kSwiglu;
          break;
        }
      }
    }
  }
  return result;
}

// A weight's parts, opened, as one source of rows.
class Parts {
 public:
  static Result<Parts> open(const Weight& weight, const WeightSource& source) {
    Parts parts;
    int64_t begin = 0;
    for (const WeightPart& part : weight.parts) {
      SourceTensor tensor = AGLM_TRY(source.open(part.tensor));
      parts.parts_.push_back({begin, part.first_row, std::move(tensor)});
      begin += part.rows;
    }
    return parts;
  }

  void decode_row(int64_t row, std::span<float> out) const {
    const Part& part = part_of(row);
    part.tensor.decode_row(row - part.begin + part.first_row, out);
  }

  void read_codes(int64_t row, CodeRow& out) const {
    const Part& part = part_of(row);
    part.tensor.read_codes(row - part.begin + part.first_row, out);
  }

  // The row as stored, when it is stored in `dtype`; else empty.
  std::span<const std::byte> stored_row(int64_t row, DType dtype) const {
    const Part& part = part_of(row);
    if (part.tensor.dtype != dtype) return {};
    return part.tensor.stored_row(row - part.begin + part.first_row);
  }

  // Whether the codes in the file can be packed as they are.
  bool has_codes_for(WeightFormat format) const {
    const Progressive form = progressive_form(format);
    return std::ranges::all_of(parts_, [&](const Part& part) {
      const SourceTensor& tensor = part.tensor;
      if (!form.exists()) return format == WeightFormat::kInt8 && is_integer(held_as(tensor));
      return tensor.progressive_row && tensor.form.bits == form.bits &&
             tensor.form.group_size % form.group_size == 0;
    });
  }

  float progressive_row(int64_t row, std::span<ProgressiveGroup> groups) const {
    const Part& part = part_of(row);
    return part.tensor.progressive_row(row - part.begin + part.first_row, groups);
  }

  // Progressive codes are expanded, with the help of `groups`; what cannot be gives -128.
  float int8_row(int64_t row, std::span<int8_t> codes, std::span<ProgressiveGroup> groups) const {
    const Part& part = part_of(row);
    const int64_t stored = row - part.begin + part.first_row;
    if (part.tensor.int8_row) return part.tensor.int8_row(stored, codes);
    const float scale = part.tensor.progressive_row(stored, groups);
    for (size_t i = 0; i < codes.size(); ++i) {
      const ProgressiveGroup& group = groups[i / 32];
      const int bracket = group.scale * group.codes[i % 32] + group.offset;
      codes[i] = static_cast<int8_t>(is_expandable(group, part.tensor.form.bits) ? bracket : -128);
    }
    return scale;
  }

  Error not_finite(int64_t row) const {
    return broken(row, "weight is not a number", "finite numbers", "NaN or infinity");
  }
  Error not_expandable(int64_t row) const {
    return broken(row, "codes are out of range",
                  "a finite channel scale, and scale * code + offset in [-127, 127]",
                  "one that is not");
  }

  void release() const {
    for (const Part& part : parts_) part.tensor.release();
  }

 private:
  struct Part {
    int64_t begin;
    int64_t first_row;
    SourceTensor tensor;
  };
  Error broken(int64_t row, std::string what, std::string expected, std::string found) const {
    const Part& part = part_of(row);
    return Error{ErrorCode::kCorrupt, std::move(what),
                 fmt::format("{}: row {}", part.tensor.where, row - part.begin + part.first_row),
                 std::move(expected), std::move(found)};
  }
  const Part& part_of(int64_t row) const {
    size_t i = parts_.size() - 1;
    while (parts_[i].begin > row) --i;
    return parts_[i];
  }
  std::vector<Part> parts_;
};

// The first row with a weight that is no number. Such a matrix makes every answer worthless, so it
// is refused while the file can still be named. Rows are looked at by several threads.
class FirstBrokenRow {
 public:
  void look(int64_t row, std::span<const float> weights) {
    constexpr uint32_t kExponent = 0x7F800000U;  // all of it is set in NaN and infinity alone
    uint32_t broken = 0;
    for (const float weight : weights) {
      broken |= uint32_t{(std::bit_cast<uint32_t>(weight) & kExponent) == kExponent};
    }
    if (broken != 0) note(row);
  }
  void note(int64_t row) {
    int64_t first = row_.load();
    while ((first < 0 || row < first) && !row_.compare_exchange_weak(first, row)) {
    }
  }
  int64_t row() const { return row_.load(); }  // -1: none

 private:
  std::atomic<int64_t> row_ = -1;
};

Result<HeldWeight> hold_rows(const Weight& weight, const WeightPlan& plan, const Parts& parts,
                             ThreadPool& pool) {
  HeldWeight held{.dtype = dtype_of(plan.format)};
  held.data = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(plan.bytes)));
  const int64_t row_bytes = weight.columns * dtype_info(held.dtype).block_bytes;
  pool.parallel_for(weight.rows, 64, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(weight.columns));
    for (int64_t i = begin; i < end; ++i) {
      std::byte* out = held.data.data() + i * row_bytes;
      const std::span<const std::byte> stored = parts.stored_row(i, held.dtype);
      if (!stored.empty()) {
        std::memcpy(out, stored.data(), static_cast<size_t>(row_bytes));
        continue;
      }
      parts.decode_row(i, row);
      if (held.dtype == DType::kF32) {
        std::memcpy(out, row.data(), static_cast<size_t>(row_bytes));
        continue;
      }
      // What is rounded here is block formats, and tables that a quantizer made of several tensors.
      const bool is_f16 = held.dtype == DType::kF16;
      for (size_t c = 0; c < row.size(); ++c) {
        const uint16_t half = is_f16 ? f32_to_f16(row[c]) : f32_to_bf16(row[c]);
        std::memcpy(out + 2 * c, &half, sizeof half);
      }
    }
  });
  return held;
}

// A vector's elements.
Result<std::vector<float>> vector_of(const Weight& weight, const WeightSource& source) {
  const Parts parts = AGLM_TRY(Parts::open(weight, source));
  std::vector<float> values(static_cast<size_t>(weight.rows));
  for (int64_t i = 0; i < weight.rows; ++i) {
    parts.decode_row(i, std::span(values).subspan(static_cast<size_t>(i), 1));
  }
  return values;
}

// The size of each column, from so many rows spread over the matrix that its order of magnitude is
// sure.
std::vector<float> column_sizes(const Parts& parts, const Weight& weight, ThreadPool& pool) {
  constexpr int64_t kSampleRows = 256;
  const int64_t n = std::min(kSampleRows, weight.rows);
  const auto columns = static_cast<size_t>(weight.columns);
  std::vector<float> rows(static_cast<size_t>(n) * columns);
  pool.parallel_for(n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      parts.decode_row(i * weight.rows / n,
                       std::span(rows).subspan(static_cast<size_t>(i) * columns, columns));
    }
  });
  std::vector<float> sizes(columns);
  for (size_t i = 0; i < rows.size(); ++i) sizes[i % columns] += rows[i] * rows[i];
  for (float& size : sizes) size = std::sqrt(size);
  return sizes;
}

// The codes of the file, checked, in place.
Result<void> pack_stored_codes(const Parts& parts, ThreadPool& pool, PackedWeight& packed) {
  FirstBrokenRow broken;
  const auto n_groups = static_cast<size_t>((packed.k() + 31) / 32);
  pool.parallel_for(packed.n_panels(), 1, [&](int64_t begin, int64_t end) {
    const Progressive form = progressive_form(packed.format());
    if (form.exists()) {
      packed.pack_codes(begin, end, [&](int64_t row, std::span<ProgressiveGroup> groups) {
        const float scale = parts.progressive_row(row, groups);
        const bool expand = std::ranges::all_of(
            groups, [&](const ProgressiveGroup& group) { return is_expandable(group, form.bits); });
        if (!std::isfinite(scale) || !expand) broken.note(row);
        return scale;
      });
      return;
    }
    std::vector<ProgressiveGroup> groups(n_groups);
    packed.pack_codes(begin, end, [&](int64_t row, std::span<int8_t> codes) {
      const float scale = parts.int8_row(row, codes, groups);
      if (!std::isfinite(scale) || std::ranges::count(codes, int8_t{-128}) > 0) broken.note(row);
      return scale;
    });
  });
  if (broken.row() >= 0) return parts.not_expandable(broken.row());
  return {};
}

// The bytes of `view`, each panel copied by the thread that linear() gives it to: so it comes to
// lie in the memory near that thread.
Result<std::shared_ptr<AlignedBuffer>> copy_near(const PackedWeight& view, ThreadPool& pool) {
  const std::span<const std::byte> from = view.stored();
  auto copy = std::make_shared<AlignedBuffer>(AGLM_TRY(AlignedBuffer::allocate(from.size())));
  pool.parallel_for(view.n_panels(), 1, [&](int64_t begin, int64_t end) {
    const int64_t first = begin * view.panel_bytes();
    // After the last panel stand the channel scales.
    const int64_t last = end == view.n_panels() ? std::ssize(from) : end * view.panel_bytes();
    std::memcpy(copy->data() + first, from.data() + first, static_cast<size_t>(last - first));
  });
  return copy;
}

// What was held before, where it lies; matrices are copied where some memory is nearer than other,
// since a mapped file's pages lie wherever they were first read. Its numbers are taken as they are,
// but for the few that reach every answer.
Result<HeldWeight> hold_as_before(const Weight& weight, const WeightPlan& plan, HeldTensor before,
                                  ThreadPool& pool) {
  HeldWeight held{.dtype = dtype_of(plan.format), .memory = std::move(before.memory)};
  FirstBrokenRow broken;
  const auto look = [&](const float* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) broken.look(i, {values + i, 1});
  };
  if (plan.form == WeightPlan::Form::kPacked) {
    held.packed = AGLM_TRY(
        PackedWeight::view_of(plan.format, weight.rows, weight.columns, plan.order, before.bytes));
    if (pool.n_nodes() > 1) {
      const std::shared_ptr<AlignedBuffer> copy = AGLM_TRY(copy_near(held.packed, pool));
      held.packed = AGLM_TRY(PackedWeight::view_of(plan.format, weight.rows, weight.columns,
                                                   plan.order, {copy->data(), copy->size()}));
      held.memory = copy;
    }
    if (has_channel_scales(plan.format)) {
      look(held.packed.channel_scales(), held.packed.n_panels() * PackedWeight::kPanelRows);
      look(held.packed.column_scales(), held.packed.k());
    }
  } else {
    held.data = AlignedBuffer::view_of(before.bytes);
    if (plan.form == WeightPlan::Form::kVector) look(held.data.as<float>(), weight.rows);
  }
  if (broken.row() >= 0) {
    return Error{ErrorCode::kCorrupt, "packed weight is not a number",
                 fmt::format("{}: row {}", weight.name(), broken.row()), "finite numbers",
                 "NaN or infinity"};
  }
  return held;
}

// The plan that `before` was made by.
Result<WeightPlan> plan_of(const Weight& weight, const HeldTensor& before, bool halved,
                           bool multiplied, bool vector) {
  using Form = WeightPlan::Form;
  const auto refused = [&](std::string_view field, std::string expected, std::string found) {
    return Error{ErrorCode::kCorrupt, "packed weight does not fit the model",
                 fmt::format("{}: {}", weight.name(), field), std::move(expected),
                 std::move(found)};
  };
  if (before.rows != weight.rows || before.columns != weight.columns) {
    return refused("shape", fmt::format("[{}, {}]", weight.rows, weight.columns),
                   fmt::format("[{}, {}]", before.rows, before.columns));
  }
  WeightPlan plan{.form = vector ? Form::kVector : Form::kPacked,
                  .order = halved ? PackOrder::kGateUp : PackOrder::kPlain};
  if (!vector && !multiplied && before.form == form_name(Form::kRows)) plan.form = Form::kRows;
  if (before.form != form_name(plan.form)) {
    return refused("form", std::string(form_name(plan.form)), before.form);
  }
  if (before.order != pack_order_name(plan.order)) {
    return refused("order", std::string(pack_order_name(plan.order)), before.order);
  }
  const std::optional<WeightFormat> format = weight_format_named(before.format);
  if (!format || (plan.form != Form::kPacked && is_integer(*format)) ||
      (plan.form == Form::kVector && *format != WeightFormat::kF32)) {
    return refused("format", "a format that this program holds so", before.format);
  }
  plan.format = *format;
  plan.bytes = planned_bytes(weight, plan);
  if (static_cast<int64_t>(before.bytes.size()) != plan.bytes) {
    return refused("bytes", fmt::format("{}", plan.bytes), fmt::format("{}", before.bytes.size()));
  }
  return plan;
}

}  // namespace

Result<HeldWeight> hold_weight(const Graph& graph, size_t index, const WeightPlan& plan,
                               const WeightSource& source, ThreadPool& pool) {
  const Weight& weight = graph.weights()[index];
  if (auto before = source.held(weight_key(weight))) {
    return hold_as_before(weight, plan, *std::move(before), pool);
  }
  const Parts parts = AGLM_TRY(Parts::open(weight, source));
  HeldWeight held;
  FirstBrokenRow broken;
  if (plan.form == WeightPlan::Form::kRows) {
    held = AGLM_TRY(hold_rows(weight, plan, parts, pool));
  } else if (plan.form == WeightPlan::Form::kVector) {
    held.data = AGLM_TRY(AlignedBuffer::allocate(static_cast<size_t>(plan.bytes)));
    for (int64_t i = 0; i < weight.rows; ++i) {
      const std::span<float> value(held.data.as<float>() + i, 1);
      parts.decode_row(i, value);
      broken.look(i, value);
    }
  } else {
    held.packed =
        AGLM_TRY(PackedWeight::allocate(plan.format, weight.rows, weight.columns, plan.order));
    if (parts.has_codes_for(plan.format)) {
      AGLM_TRY(pack_stored_codes(parts, pool, held.packed));
      parts.release();
      return held;
    }
    if (has_channel_scales(plan.format)) {
      const Weight* norm =
          plan.input_norm == WeightId::kNone ? nullptr : &graph.weight(plan.input_norm);
      held.packed.set_column_scales(choose_column_scales(
          column_sizes(parts, weight, pool),
          norm == nullptr ? std::vector<float>{} : AGLM_TRY(vector_of(*norm, source))));
    }
    pool.parallel_for(held.packed.n_panels(), 1, [&](int64_t begin, int64_t end) {
      if (holds_codes(plan.format)) {
        return held.packed.pack_codes(begin, end, [&](int64_t row, CodeRow& out) {
          parts.read_codes(row, out);
          broken.look(row, out.scales);
          broken.look(row, out.minima);
        });
      }
      held.packed.pack_panels(begin, end, [&](int64_t row, std::span<float> out) {
        parts.decode_row(row, out);
        broken.look(row, out);
      });
    });
  }
  if (broken.row() >= 0) return parts.not_finite(broken.row());
  parts.release();
  return held;
}

std::string weight_key(const Weight& weight) {
  std::string key;
  for (const WeightPart& part : weight.parts) {
    key +=
        fmt::format("{}{}[{}+{}]", key.empty() ? "" : "; ", part.tensor, part.first_row, part.rows);
  }
  return key;
}

std::string_view form_name(WeightPlan::Form form) {
  switch (form) {
    case WeightPlan::Form::kUnused: return "unused";
    case WeightPlan::Form::kPacked: return "packed";
    case WeightPlan::Form::kRows: return "rows";
    case WeightPlan::Form::kVector: return "vector";
  }
  return "?";
}

std::string_view pack_order_name(PackOrder order) {
  return order == PackOrder::kGateUp ? "gate_up" : "plain";
}

Result<std::vector<WeightPlan>> plan_weights(const Graph& graph, const WeightSource& source,
                                             std::optional<WeightFormat> quantize) {
  using Form = WeightPlan::Form;
  const std::vector<Use> used = uses(graph);
  std::vector<WeightPlan> plans(used.size());
  for (size_t i = 0; i < plans.size(); ++i) {
    const Weight& weight = graph.weights()[i];
    const Use& use = used[i];
    WeightPlan& plan = plans[i];
    AGLM_CHECK(!use.vector || (!use.multiplied && !use.looked_up), "{} is vector and matrix",
               weight.name());
    if (!use.vector && !use.multiplied && !use.looked_up) continue;
    if (const auto before = source.held(weight_key(weight))) {
      plan = AGLM_TRY(plan_of(weight, *before, use.halved, use.multiplied, use.vector));
      continue;
    }
    if (use.vector) {
      plan.form = Form::kVector;
      plan.bytes = planned_bytes(weight, plan);
      continue;
    }
    if (!quantize) {
      plan.format = AGLM_TRY(stored_format(weight, source));
    } else {
      const WeightFormat wish = quantized_format(weight.role, *quantize);
      plan.format = AGLM_TRY(codes_instead(weight, source, wish)).value_or(wish);
    }
    plan.order = use.halved ? PackOrder::kGateUp : PackOrder::kPlain;
    plan.input_norm = use.input_norm;
    if (!use.multiplied && !is_integer(plan.format)) {
      plan.form = Form::kRows;
    } else {
      plan.form = Form::kPacked;
    }
    plan.bytes = planned_bytes(weight, plan);
  }
  return plans;
}

bool products_are_integers(const std::vector<WeightPlan>& plans) {
  return std::ranges::all_of(plans, [](const WeightPlan& plan) {
    return plan.form != WeightPlan::Form::kPacked || is_integer(plan.format);
  });
}

WeightFormat matrix_format(const Graph& graph, const std::vector<WeightPlan>& plans) {
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].form == WeightPlan::Form::kPacked &&
        graph.weights()[i].role == WeightRole::kMatrix) {
      return plans[i].format;
    }
  }
  return WeightFormat::kF32;
}

Result<std::vector<HeldWeight>> load_weights(const Graph& graph,
                                             const std::vector<WeightPlan>& plans,
                                             const WeightSource& source, ThreadPool& pool,
                                             const DeviceOptions& options) {
  int64_t total = 0;
  for (const WeightPlan& plan : plans) total += plan.bytes;
  std::vector<HeldWeight> held(plans.size());
  int64_t done = 0;
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].form == WeightPlan::Form::kUnused) continue;
    held[i] = AGLM_TRY(hold_weight(graph, i, plans[i], source, pool));
    done += plans[i].bytes;
    if (options.progress) {
      options.progress(static_cast<double>(done) / static_cast<double>(total), "loading weights");
    }
  }
  return held;
}

}  // namespace autoglm
