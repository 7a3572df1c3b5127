#include "graph/op_table.h"

#include <fmt/format.h>

#include "base/check.h"

namespace autoglm {
namespace {

Shape embedding_shape(const NodeToShape& n) { return {n.node.rows, n.weight(0).columns}; }

std::string embedding_attributes(const Graph&, const Node& node) {
  switch (node.ids) {
    case StepIds::kTokens: break;
    case StepIds::kPositions:
      return node.padding < 0 ? "positions" : fmt::format("positions from {}", node.padding + 1);
    case StepIds::kTokenTypes: return "token types";
  }
  return {};
}

Shape input_shape(const NodeToShape& n) {
  AGLM_CHECK(n.node.columns > 0, "input of {} columns", n.node.columns);
  return {n.node.rows, n.node.columns};
}

Shape linear_shape(const NodeToShape& n) {
  const Weight& w = n.weight(0);
  const std::string weight_shape = fmt::format("[{}, {}]", w.rows, w.columns);
  n.require(n.input(0).columns == w.columns, n.input(0), weight_shape);
  const int64_t halves = n.node.activation == Activation::kSwiglu ? 2 : 1;
  n.require(w.rows % halves == 0, n.input(0), weight_shape);
  const Shape shape{n.input(0).rows, w.rows / halves};
  if (n.node.has_bias()) {
    const Weight& bias = n.weight(1);
    n.require(bias.rows == w.rows, shape, fmt::format("bias {} of {}", bias.name(), bias.rows));
  }
  return shape;
}

Shape rms_norm_shape(const NodeToShape& n) {
  n.require(n.node.group > 0 && n.input(0).columns % n.node.group == 0 &&
                n.weight(0).rows == n.node.group,
            n.input(0), fmt::format("groups of {}, weight of {}", n.node.group, n.weight(0).rows));
  return n.input(0);
}

std::string rms_norm_attributes(const Graph&, const Node& node) {
  return fmt::format(
      "epsilon {:g}{}", node.epsilon,
      node.group == node.shape.columns ? "" : fmt::format(", heads of {}", node.group));
}

Shape layer_norm_shape(const NodeToShape& n) {
  const int64_t columns = n.input(0).columns;
  n.require(n.weight(0).rows == columns && n.weight(1).rows == columns, n.input(0),
            fmt::format("weight of {}, bias of {}", n.weight(0).rows, n.weight(1).rows));
  return n.input(0);
}

std::string layer_norm_attributes(const Graph&, const Node& node) {
  return fmt::format("epsilon {:g}", node.epsilon);
}

Shape rope_shape(const NodeToShape& n) {
  const Rope& rope = n.graph.rope(n.node.rope);
  const auto rotated = static_cast<int64_t>(2 * rope.inverse_frequencies.size());
  n.require(rope.components.empty() || 2 * std::ssize(rope.components) == rotated, n.input(0),
            fmt::format("{} frequencies, {} components", rotated / 2, rope.components.size()));
  n.require(n.node.head_dim > 0 && n.input(0).columns % n.node.head_dim == 0 &&
                rotated <= n.node.head_dim,
            n.input(0), fmt::format("heads of {} with {} rotated", n.node.head_dim, rotated));
  n.require(n.input(0).rows == Rows::kTokens, n.input(0), "positions of tokens");
  return n.input(0);
}

std::string rope_attributes(const Graph& graph, const Node& node) {
  const Rope& rope = graph.rope(node.rope);
  return fmt::format("{} of {} dims, {}{}", 2 * rope.inverse_frequencies.size(), node.head_dim,
                     rope.interleaved ? "interleaved" : "half-split",
                     rope.components.empty() ? "" : ", positions of several components");
}

Shape attention_shape(const NodeToShape& n) {
  const AttentionSpec& a = n.node.attention;
  AGLM_CHECK(a.layer == n.graph.n_layers(), "attention of layer {} after {} layers", a.layer,
             n.graph.n_layers());
  AGLM_CHECK(a.n_heads > 0 && a.n_kv_heads > 0 && a.n_heads % a.n_kv_heads == 0,
             "attention with {} heads and {} kv heads", a.n_heads, a.n_kv_heads);
  const Shape q{Rows::kTokens, int64_t{a.n_heads} * a.head_dim};
  const Shape kv{Rows::kTokens, int64_t{a.n_kv_heads} * a.head_dim};
  n.require(n.input(0) == q, n.input(0), n.graph.shape_text(q));
  n.require(n.input(1) == kv, n.input(1), n.graph.shape_text(kv));
  n.require(n.input(2) == kv, n.input(2), n.graph.shape_text(kv));
  return q;
}

std::string attention_attributes(const Graph&, const Node& node) {
  const AttentionSpec& a = node.attention;
  return fmt::format("layer {}, {} heads, {} kv heads of {}{}", a.layer, a.n_heads, a.n_kv_heads,
                     a.head_dim, a.window > 0 ? fmt::format(", window {}", a.window) : "");
}

Shape whole_attention_shape(const NodeToShape& n) {
  const AttentionSpec& a = n.node.attention;
  AGLM_CHECK(a.n_heads > 0 && a.n_kv_heads == a.n_heads && a.head_dim > 0 && a.window == 0,
             "whole attention with {} heads and {} kv heads of {}, window {}", a.n_heads,
             a.n_kv_heads, a.head_dim, a.window);
  const Shape shape{Rows::kTokens, int64_t{a.n_heads} * a.head_dim};
  for (size_t i = 0; i < 3; ++i) {
    n.require(n.input(i) == shape, n.input(i), n.graph.shape_text(shape));
  }
  return shape;
}

std::string whole_attention_attributes(const Graph&, const Node& node) {
  return fmt::format("{} heads of {}", node.attention.n_heads, node.attention.head_dim);
}

Shape activate_shape(const NodeToShape& n) {
  n.require(n.node.activation == Activation::kGelu || n.node.activation == Activation::kTanh,
            n.input(0), "an activation of single elements");
  return n.input(0);
}

std::string activate_attributes(const Graph&, const Node& node) {
  return node.activation == Activation::kGelu ? "gelu" : "tanh";
}

Shape binary_shape(const NodeToShape& n) {
  n.require(n.input(0) == n.input(1), n.input(0), n.graph.shape_text(n.input(1)));
  return n.input(0);
}

Shape slice_shape(const NodeToShape& n) {
  const Shape shape{n.input(0).rows, n.node.columns};
  n.require(n.node.first_column >= 0 && n.node.columns > 0 &&
                n.node.first_column + n.node.columns <= n.input(0).columns,
            n.input(0),
            fmt::format("columns from {} of {}", n.node.first_column, n.graph.shape_text(shape)));
  return shape;
}

std::string slice_attributes(const Graph&, const Node& node) {
  return fmt::format("from column {}", node.first_column);
}

Shape select_outputs_shape(const NodeToShape& n) {
  n.require(n.input(0).rows == Rows::kTokens, n.input(0), "rows of tokens");
  return {Rows::kOutputs, n.input(0).columns};
}

Shape pool_shape(const NodeToShape& n) {
  n.require(n.input(0).rows == Rows::kTokens, n.input(0), "rows of tokens");
  n.require(n.node.pooling != Pooling::kFirst && n.node.pooling != Pooling::kLast, n.input(0),
            "a pooling of all rows");
  return {Rows::kOutputs, n.input(0).columns};
}

std::string pool_attributes(const Graph&, const Node& node) {
  return std::string(pooling_name(node.pooling));
}

Shape route_shape(const NodeToShape& n) {
  const RouteSpec& r = n.node.route;
  AGLM_CHECK(r.groups > 0 && r.experts > 0 && r.experts % r.groups == 0 && r.chosen_groups > 0 &&
                 r.chosen_groups <= r.groups && (r.groups == 1 || r.experts / r.groups > 1),
             "a router of {} experts in {} groups, {} of them chosen", r.experts, r.groups,
             r.chosen_groups);
  AGLM_CHECK(r.chosen > 0 && r.chosen <= r.experts / r.groups * r.chosen_groups,
             "{} experts of {} are chosen", r.chosen, r.experts / r.groups * r.chosen_groups);
  n.require(n.input(0).columns == r.logits(), n.input(0),
            fmt::format("{} experts{}", r.experts, r.shared_gate ? " and a shared gate" : ""));
  if (!n.node.weights.empty()) {
    n.require(n.weight(0).rows == r.experts, n.input(0), fmt::format("a bias of {}", r.experts));
  }
  return {n.input(0).rows, r.columns()};
}

std::string route_attributes(const Graph&, const Node& node) {
  const RouteSpec& r = node.route;
  std::string text = fmt::format("{} of {} experts, {}", r.chosen, r.experts,
                                 r.score == RouteScore::kSigmoid ? "sigmoid" : "softmax");
  if (r.groups > 1) text += fmt::format(", {} of {} groups", r.chosen_groups, r.groups);
  if (r.renormalize) text += ", renormalized";
  if (r.scale != 1) text += fmt::format(", times {:g}", r.scale);
  if (r.shared_gate) text += ", shared gate";
  return text;
}

// gate_up [experts * 2 * inner, columns] and down [experts * columns, inner].
void require_mlp(const NodeToShape& n, size_t first, int64_t members) {
  const Weight& gate_up = n.weight(first);
  const Weight& down = n.weight(first + 1);
  const int64_t columns = n.input(0).columns;
  n.require(
      gate_up.members == members && gate_up.columns == columns &&
          gate_up.member_rows() == 2 * down.columns && down.members == members &&
          down.member_rows() == columns,
      n.input(0),
      fmt::format("{} times [{}, {}] and {} times [{}, {}]", gate_up.members, gate_up.member_rows(),
                  gate_up.columns, down.members, down.member_rows(), down.columns));
}

Shape expert_mlp_shape(const NodeToShape& n) {
  const RouteSpec& r = n.node.route;
  n.require(n.input(1).rows == n.input(0).rows && n.input(1).columns == r.columns(), n.input(1),
            fmt::format("routes of {}", n.graph.shape_text(n.input(0))));
  require_mlp(n, 0, r.experts);
  n.require(n.node.weights.size() != 3 && (!r.shared_gate || n.node.weights.size() == 4),
            n.input(0), fmt::format("{} weights", n.node.weights.size()));
  if (n.node.weights.size() == 4) require_mlp(n, 2, 1);
  return n.input(0);
}

std::string expert_mlp_attributes(const Graph& graph, const Node& node) {
  std::string text = fmt::format("{} of {} experts, {} wide", node.route.chosen, node.route.experts,
                                 graph.weight(node.weight(1)).columns);
  if (node.weights.size() == 4) {
    text += fmt::format(", shared {} wide", graph.weight(node.weight(3)).columns);
  }
  return text;
}

// In the order of Op.
constexpr std::array<OpInfo, static_cast<size_t>(Op::kCount)> kOps{{
    {.op = Op::kEmbedding,
     .name = "embedding",
     .weights_min = 1,
     .weights_max = 1,
     .weight_uses = {WeightUse::kLookedUp},
     .shape = embedding_shape,
     .attributes = embedding_attributes},
    {.op = Op::kInput, .name = "input", .shape = input_shape},
    {.op = Op::kLinear,
     .name = "linear",
     .inputs_min = 1,
     .inputs_max = 2,
     .adds_residual = true,
     .weights_min = 1,
     .weights_max = 2,
     .weight_uses = {WeightUse::kMultiplied, WeightUse::kVector},
     .shape = linear_shape,
     .overwrites = 0b10,
     .row_by_row = true},
    {.op = Op::kRmsNorm,
     .name = "rms_norm",
     .inputs_min = 1,
     .inputs_max = 2,
     .adds_residual = true,
     .weights_min = 1,
     .weights_max = 1,
     .shape = rms_norm_shape,
     .attributes = rms_norm_attributes,
     .overwrites = 0b10,
     .row_by_row = true},
    {.op = Op::kLayerNorm,
     .name = "layer_norm",
     .inputs_min = 1,
     .inputs_max = 1,
     .weights_min = 2,
     .weights_max = 2,
     .shape = layer_norm_shape,
     .attributes = layer_norm_attributes,
     .overwrites = 0b1,
     .row_by_row = true},
    {.op = Op::kRope,
     .name = "rope",
     .inputs_min = 1,
     .inputs_max = 1,
     .shape = rope_shape,
     .attributes = rope_attributes,
     .place = ResultPlace::kInPlace},
    {.op = Op::kAttention,
     .name = "attention",
     .inputs_min = 3,
     .inputs_max = 3,
     .shape = attention_shape,
     .attributes = attention_attributes,
     .keeps_cache = true},
    {.op = Op::kWholeAttention,
     .name = "whole_attention",
     .inputs_min = 3,
     .inputs_max = 3,
     .shape = whole_attention_shape,
     .attributes = whole_attention_attributes},
    {.op = Op::kSwiglu,
     .name = "swiglu",
     .inputs_min = 2,
     .inputs_max = 2,
     .shape = binary_shape,
     .overwrites = 0b11,
     .row_by_row = true},
    {.op = Op::kActivate,
     .name = "activate",
     .inputs_min = 1,
     .inputs_max = 1,
     .shape = activate_shape,
     .attributes = activate_attributes,
     .overwrites = 0b1,
     .row_by_row = true},
    {.op = Op::kAdd,
     .name = "add",
     .inputs_min = 2,
     .inputs_max = 2,
     .shape = binary_shape,
     .overwrites = 0b11,
     .row_by_row = true},
    {.op = Op::kSlice,
     .name = "slice",
     .inputs_min = 1,
     .inputs_max = 1,
     .shape = slice_shape,
     .attributes = slice_attributes,
     .place = ResultPlace::kView,
     .row_by_row = true},
    {.op = Op::kSelectOutputs,
     .name = "select_outputs",
     .inputs_min = 1,
     .inputs_max = 1,
     .shape = select_outputs_shape},
    {.op = Op::kPool,
     .name = "pool",
     .inputs_min = 1,
     .inputs_max = 1,
     .shape = pool_shape,
     .attributes = pool_attributes},
    {.op = Op::kRoute,
     .name = "route",
     .inputs_min = 1,
     .inputs_max = 1,
     .weights_max = 1,
     .shape = route_shape,
     .attributes = route_attributes,
     .row_by_row = true},
    {.op = Op::kExpertMlp,
     .name = "expert_mlp",
     .inputs_min = 2,
     .inputs_max = 3,
     .adds_residual = true,
     .weights_min = 2,
     .weights_max = 4,
     .weight_uses = {WeightUse::kGateUp, WeightUse::kInner, WeightUse::kGateUp, WeightUse::kInner},
     .shape = expert_mlp_shape,
     .attributes = expert_mlp_attributes,
     .overwrites = 0b100,
     .row_by_row = true},
}};

static_assert(
    [] {
      for (size_t i = 0; i < kOps.size(); ++i) {
        if (kOps[i].op != static_cast<Op>(i) || kOps[i].shape == nullptr) return false;
      }
      return true;
    }(),
    "an op has no entry, or not at its place");

}  // namespace

void NodeToShape::require(bool fits, const Shape& found, std::string_view wanted) const {
  AGLM_CHECK(fits, "{} {}: {} does not fit {}", op_name(node.op),
             node.weights.empty() ? "" : weight(0).name(), graph.shape_text(found), wanted);
}

const OpInfo& op_info(Op op) { return kOps[static_cast<size_t>(op)]; }

}  // namespace autoglm
