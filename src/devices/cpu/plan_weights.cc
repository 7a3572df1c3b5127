#include "devices/cpu/plan_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "graph/op_table.h"

namespace autoglm {

DType dtype_of(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF16: return DType::kF16;
    case WeightFormat::kBF16: return DType::kBF16;
    default: return DType::kF32;
  }
}

WeightFormat held_as(const StoredForm& stored) {
  if (stored.progressive.exists()) return progressive_format(stored.progressive);
  if (stored.int8) return WeightFormat::kInt8;
  switch (stored.dtype) {
    case DType::kF16: return WeightFormat::kF16;
    case DType::kF32:
    case DType::kF64: return WeightFormat::kF32;
    default: return WeightFormat::kBF16;
  }
}

namespace {

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
    const StoredForm stored = AGLM_TRY(source.open(weight.parts[i].tensor))->form();
    const WeightFormat part = held_as(stored);
    format = i == 0 ? part : joined(format, part);
    const CodeKind kind = stored.code_kind;
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

// As floats that hold it exactly, whatever was wished for the others.
Result<WeightFormat> router_format(const Weight& weight, const WeightSource& source) {
  std::optional<WeightFormat> format;
  for (const WeightPart& part : weight.parts) {
    const StoredForm stored = AGLM_TRY(source.open(part.tensor))->form();
    const WeightFormat its = stored.plain ? held_as(stored) : WeightFormat::kF32;
    format = format && *format != its ? WeightFormat::kF32 : its;
  }
  return format.value_or(WeightFormat::kF32);
}

// Codes that hold the weight as it is, stored as codes or floats on their grid, where they take
// about the room that was asked for: rounding again would lose what they keep. Half a bit more is
// what a minimum for each group takes.
Result<std::optional<WeightFormat>> codes_instead(const Weight& weight, const WeightSource& source,
                                                  WeightFormat wish) {
  std::optional<WeightFormat> codes;
  for (size_t i = 0; i < weight.parts.size(); ++i) {
    const StoredForm stored = AGLM_TRY(source.open(weight.parts[i].tensor))->form();
    const CodeKind kind = stored.grid != CodeKind::kNone ? stored.grid : stored.code_kind;
    codes = codes_format(i == 0 ? kind : code_kind_of(*codes), kind);
    if (!codes) return std::optional<WeightFormat>();
  }
  if (codes && weight_format_info(*codes).bits >
                   weight_format_info(wish).bits + (wish == WeightFormat::kInt8 ? 1 : 0.5)) {
    return std::optional<WeightFormat>();
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
      return PackedWeight::bytes(plan.format, pack_shape(weight, plan.order));
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
        case WeightUse::kInner: use.multiplied = true; break;
        case WeightUse::kMultiplied:
        case WeightUse::kGateUp: {
          use.multiplied = true;
          const Node& input = graph.node(node.inputs[0]);
          if (input.op == Op::kRmsNorm && input.group == input.shape.columns) {
            use.input_norm = input.weight();
          }
          use.halved = use.halved || node.activation == Activation::kSwiglu ||
                       op_info(node.op).weight_use(i) == WeightUse::kGateUp;
          break;
        }
      }
    }
  }
  return result;
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

PackShape pack_shape(const Weight& weight, PackOrder order) {
  return {.n = weight.rows, .k = weight.columns, .order = order, .members = weight.members};
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
    if (weight.role == WeightRole::kRouter) {
      plan.format = AGLM_TRY(router_format(weight, source));
    } else if (!quantize) {
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

bool products_are_integers(const Graph& graph, const std::vector<WeightPlan>& plans) {
  for (size_t i = 0; i < plans.size(); ++i) {
    if (plans[i].form == WeightPlan::Form::kPacked && !is_integer(plans[i].format) &&
        graph.weights()[i].role != WeightRole::kRouter) {
      return false;
    }
  }
  return true;
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

}  // namespace autoglm
