// Recording and checking of nodes.
#include "graph/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace autoglm {
namespace {

struct OpInfo {
  std::string_view name;
  size_t inputs_min;
  size_t inputs_max;
  size_t weights_min;
  size_t weights_max;
};

// In the order of Op.
constexpr std::array<OpInfo, 9> kOps{{{"embedding", 0, 0, 1, 1},
                                      {"linear", 1, 2, 1, 2},
                                      {"rms_norm", 1, 2, 1, 1},
                                      {"rope", 1, 1, 0, 0},
                                      {"attention", 3, 3, 0, 0},
                                      {"swiglu", 2, 2, 0, 0},
                                      {"add", 2, 2, 0, 0},
                                      {"slice", 1, 1, 0, 0},
                                      {"select_outputs", 1, 1, 0, 0}}};

const OpInfo& info(Op op) { return kOps[static_cast<size_t>(op)]; }

Value record(Value x, Node node) { return x.graph->append(std::move(node)); }

}  // namespace

std::string_view op_name(Op op) { return info(op).name; }

std::string shape_text(const Shape& shape) {
  return fmt::format("[{}, {}]", shape.rows == Rows::kTokens ? "T" : "R", shape.columns);
}

std::string Weight::name() const {
  if (parts.size() == 1) return parts[0].tensor;
  return fmt::format("{} (+{})", parts[0].tensor, parts.size() - 1);
}

Shape Value::shape() const { return graph->node(index).shape; }

Value Graph::append(Node node) {
  check(node);
  if (node.op == Op::kAttention) ++n_layers_;
  nodes_.push_back(std::move(node));
  return {this, static_cast<int32_t>(nodes_.size()) - 1};
}

WeightId Graph::add_weight(Weight weight) {
  AGLM_CHECK(weight.rows > 0 && weight.columns > 0 && !weight.parts.empty(),
             "weight [{}, {}] of {} parts", weight.rows, weight.columns, weight.parts.size());
  int64_t rows = 0;
  for (const WeightPart& part : weight.parts) rows += part.rows;
  AGLM_CHECK(rows == weight.rows, "{}: parts of {} rows for {}", weight.name(), rows, weight.rows);
  weights_.push_back(std::move(weight));
  return static_cast<WeightId>(weights_.size() - 1);
}

RopeId Graph::add_rope(Rope rope) {
  ropes_.push_back(std::move(rope));
  return static_cast<RopeId>(ropes_.size() - 1);
}

void Graph::add_output(std::string_view name, Value value) {
  AGLM_CHECK(output(name) < 0, "two outputs are called {}", name);
  AGLM_CHECK(value.graph == this && value.index >= 0 && value.index < std::ssize(nodes_),
             "output {} is value {} of {}", name, value.index, nodes_.size());
  outputs_.push_back({std::string(name), value.index});
}

int32_t Graph::output(std::string_view name) const {
  const auto found = std::ranges::find(outputs_, name, &Output::name);
  return found == outputs_.end() ? -1 : found->value;
}

void Graph::check(const Node& n) const {
  const std::string_view name = op_name(n.op);
  AGLM_CHECK(n.inputs.size() >= info(n.op).inputs_min && n.inputs.size() <= info(n.op).inputs_max,
             "{} with {} inputs", name, n.inputs.size());
  AGLM_CHECK(
      n.weights.size() >= info(n.op).weights_min && n.weights.size() <= info(n.op).weights_max,
      "{} with {} weights", name, n.weights.size());
  for (const int32_t input : n.inputs) {
    AGLM_CHECK(input >= 0 && input < static_cast<int32_t>(nodes_.size()), "{} reads value {} of {}",
               name, input, nodes_.size());
  }
  const auto in = [&](size_t i) { return node(n.inputs[i]).shape; };
  const auto require = [&](bool fits, const Shape& found, const std::string& wanted) {
    AGLM_CHECK(fits, "{} {}: {} does not fit {}", name,
               n.weights.empty() ? "" : weight(n.weight()).name(), shape_text(found), wanted);
  };
  switch (n.op) {
    case Op::kEmbedding:
      require(n.shape == Shape{Rows::kTokens, weight(n.weight()).columns}, n.shape, "its weight");
      break;
    case Op::kLinear: {
      const Weight& w = weight(n.weight());
      const int64_t halves = n.activation == Activation::kSwiglu ? 2 : 1;
      require(in(0).columns == w.columns, in(0), fmt::format("[{}, {}]", w.rows, w.columns));
      require(n.shape == Shape{in(0).rows, w.rows / halves} && w.rows % halves == 0, n.shape,
              fmt::format("[{}, {}]", w.rows, w.columns));
      if (n.has_bias()) {
        const Weight& bias = weight(n.weight(1));
        require(bias.rows == w.rows, n.shape, fmt::format("bias {} of {}", bias.name(), bias.rows));
      }
      if (n.inputs.size() == 2) require(in(1) == n.shape, in(1), shape_text(n.shape));
      break;
    }
    case Op::kRmsNorm:
      require(n.group > 0 && in(0).columns % n.group == 0 && weight(n.weight()).rows == n.group,
              in(0), fmt::format("groups of {}, weight of {}", n.group, weight(n.weight()).rows));
      require(n.shape == in(0), n.shape, shape_text(in(0)));
      if (n.inputs.size() == 2) require(in(1) == n.shape, in(1), shape_text(n.shape));
      break;
    case Op::kRope: {
      const auto rotated = static_cast<int64_t>(2 * rope(n.rope).inverse_frequencies.size());
      require(n.head_dim > 0 && in(0).columns % n.head_dim == 0 && rotated <= n.head_dim, in(0),
              fmt::format("heads of {} with {} rotated", n.head_dim, rotated));
      require(n.shape == in(0), n.shape, shape_text(in(0)));
      break;
    }
    case Op::kAttention: {
      const AttentionSpec& a = n.attention;
      AGLM_CHECK(a.layer == n_layers_, "attention of layer {} after {} layers", a.layer, n_layers_);
      AGLM_CHECK(a.n_heads > 0 && a.n_kv_heads > 0 && a.n_heads % a.n_kv_heads == 0,
                 "attention with {} heads and {} kv heads", a.n_heads, a.n_kv_heads);
      const Shape q{Rows::kTokens, int64_t{a.n_heads} * a.head_dim};
      const Shape kv{Rows::kTokens, int64_t{a.n_kv_heads} * a.head_dim};
      require(in(0) == q, in(0), shape_text(q));
      require(in(1) == kv, in(1), shape_text(kv));
      require(in(2) == kv, in(2), shape_text(kv));
      require(n.shape == q, n.shape, shape_text(q));
      break;
    }
    case Op::kSwiglu:
    case Op::kAdd:
      require(in(0) == in(1), in(0), shape_text(in(1)));
      require(n.shape == in(0), n.shape, shape_text(in(0)));
      break;
    case Op::kSlice:
      require(n.first_column >= 0 && n.shape.rows == in(0).rows && n.shape.columns > 0 &&
                  n.first_column + n.shape.columns <= in(0).columns,
              in(0), fmt::format("columns from {} of {}", n.first_column, shape_text(n.shape)));
      break;
    case Op::kSelectOutputs:
      require(in(0).rows == Rows::kTokens && n.shape == Shape{Rows::kOutputs, in(0).columns}, in(0),
              shape_text(n.shape));
      break;
  }
}

Value embedding(Graph& graph, WeightId weight) {
  return graph.append({.op = Op::kEmbedding,
                       .shape = {Rows::kTokens, graph.weight(weight).columns},
                       .weights = {weight}});
}

Value linear(Value x, WeightId weight, WeightId bias) {
  Node node{.op = Op::kLinear,
            .shape = {x.shape().rows, x.graph->weight(weight).rows},
            .inputs = {x.index},
            .weights = {weight}};
  if (bias != WeightId::kNone) node.weights.push_back(bias);
  return record(x, std::move(node));
}

Value rms_norm(Value x, WeightId weight, float epsilon) {
  return rms_norm_heads(x, weight, epsilon, x.shape().columns);
}

Value rms_norm_heads(Value x, WeightId weight, float epsilon, int64_t head_dim) {
  return record(x, {.op = Op::kRmsNorm,
                    .shape = x.shape(),
                    .inputs = {x.index},
                    .weights = {weight},
                    .epsilon = epsilon,
                    .group = head_dim});
}

Value rope(Value x, RopeId rope, int32_t head_dim) {
  return record(x, {.op = Op::kRope,
                    .shape = x.shape(),
                    .inputs = {x.index},
                    .rope = rope,
                    .head_dim = head_dim});
}

Value attention(Value q, Value k, Value v, const AttentionSpec& spec) {
  return record(q, {.op = Op::kAttention,
                    .shape = q.shape(),
                    .inputs = {q.index, k.index, v.index},
                    .attention = spec});
}

Value swiglu(Value gate, Value up) {
  return record(gate, {.op = Op::kSwiglu, .shape = gate.shape(), .inputs = {gate.index, up.index}});
}

Value slice(Value x, int64_t first_column, int64_t columns) {
  return record(x, {.op = Op::kSlice,
                    .shape = {x.shape().rows, columns},
                    .inputs = {x.index},
                    .first_column = first_column});
}

Value select_outputs(Value x) {
  return record(x, {.op = Op::kSelectOutputs,
                    .shape = {Rows::kOutputs, x.shape().columns},
                    .inputs = {x.index}});
}

Value operator+(Value a, Value b) {
  return record(a, {.op = Op::kAdd, .shape = a.shape(), .inputs = {a.index, b.index}});
}

}  // namespace autoglm
