// Recording and checking of nodes.
#include "graph/graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "graph/op_table.h"

namespace autoglm {
namespace {

Value record(Value x, Node node) { return x.graph->append(std::move(node)); }

}  // namespace

std::string_view op_name(Op op) { return op_info(op).name; }

std::string_view pooling_name(Pooling pooling) {
  switch (pooling) {
    case Pooling::kFirst: return "cls";
    case Pooling::kLast: return "last";
    case Pooling::kMean: return "mean";
    case Pooling::kMeanSqrt: return "mean_sqrt_len";
    case Pooling::kWeightedMean: return "weightedmean";
    case Pooling::kMax: return "max";
  }
  return "?";
}

std::string Weight::name() const {
  if (parts.size() == 1) return parts[0].tensor;
  return fmt::format("{} (+{})", parts[0].tensor, parts.size() - 1);
}

bool Node::has_residual() const {
  const OpInfo& info = op_info(op);
  return info.adds_residual && inputs.size() == info.inputs_max;
}

Shape Value::shape() const { return graph->node(index).shape; }

Value Graph::append(Node node) {
  AGLM_CHECK(node.op < Op::kCount, "node {} has no op", nodes_.size());
  const OpInfo& info = op_info(node.op);
  AGLM_CHECK(node.inputs.size() >= info.inputs_min && node.inputs.size() <= info.inputs_max,
             "{} with {} inputs", info.name, node.inputs.size());
  AGLM_CHECK(node.weights.size() >= info.weights_min && node.weights.size() <= info.weights_max,
             "{} with {} weights", info.name, node.weights.size());
  for (const int32_t input : node.inputs) {
    AGLM_CHECK(input >= 0 && input < std::ssize(nodes_), "{} reads value {} of {}", info.name,
               input, nodes_.size());
  }
  const NodeToShape read{*this, node};
  const Shape shape = info.shape(read);
  if (node.has_residual()) {
    const Shape& residual = read.input(info.inputs_max - 1);
    read.require(residual == shape, residual, shape_text(shape));
  }
  node.shape = shape;
  if (info.keeps_cache) ++n_layers_;
  nodes_.push_back(std::move(node));
  return {this, static_cast<int32_t>(nodes_.size()) - 1};
}

WeightId Graph::add_weight(Weight weight) {
  AGLM_CHECK(weight.rows > 0 && weight.columns > 0 && !weight.parts.empty(),
             "weight [{}, {}] of {} parts", weight.rows, weight.columns, weight.parts.size());
  int64_t rows = 0;
  for (const WeightPart& part : weight.parts) rows += part.rows;
  AGLM_CHECK(rows == weight.rows, "{}: parts of {} rows for {}", weight.name(), rows, weight.rows);
  AGLM_CHECK(weight.members > 0 && weight.rows % weight.members == 0, "{}: {} rows of {} members",
             weight.name(), weight.rows, weight.members);
  weights_.push_back(std::move(weight));
  return static_cast<WeightId>(weights_.size() - 1);
}

RopeId Graph::add_rope(Rope rope) {
  ropes_.push_back(std::move(rope));
  return static_cast<RopeId>(ropes_.size() - 1);
}

Rows Graph::add_rows(RowsInfo info) {
  rows_.push_back(std::move(info));
  return static_cast<Rows>(rows_.size() - 1);
}

std::string Graph::shape_text(const Shape& shape) const {
  return fmt::format("[{}, {}]", rows(shape.rows).symbol, shape.columns);
}

void Graph::add_output(std::string_view name, Value value) {
  AGLM_CHECK(output(name) < 0, "two outputs are called {}", name);
  AGLM_CHECK(value.graph == this && value.index >= 0 && value.index < std::ssize(nodes_),
             "output {} is value {} of {}", name, value.index, nodes_.size());
  outputs_.push_back({std::string(name), value.index});
}

void Graph::keep_output(std::string_view name) {
  std::erase_if(outputs_, [&](const Output& output) { return output.name != name; });
}

int32_t Graph::output(std::string_view name) const {
  const auto found = std::ranges::find(outputs_, name, &Output::name);
  return found == outputs_.end() ? -1 : found->value;
}

Value embedding(Graph& graph, WeightId weight, Rows rows) {
  return graph.append({.op = Op::kEmbedding, .weights = {weight}, .rows = rows});
}

Value position_embedding(Graph& graph, WeightId weight, int32_t padding) {
  return graph.append(
      {.op = Op::kEmbedding, .weights = {weight}, .ids = StepIds::kPositions, .padding = padding});
}

Value token_type_embedding(Graph& graph, WeightId weight) {
  return graph.append({.op = Op::kEmbedding, .weights = {weight}, .ids = StepIds::kTokenTypes});
}

Value input(Graph& graph, int64_t columns, Rows rows) {
  return graph.append({.op = Op::kInput, .rows = rows, .columns = columns});
}

Value linear(Value x, WeightId weight, WeightId bias) {
  Node node{.op = Op::kLinear, .inputs = {x.index}, .weights = {weight}};
  if (bias != WeightId::kNone) node.weights.push_back(bias);
  return record(x, std::move(node));
}

Value rms_norm(Value x, WeightId weight, float epsilon) {
  return rms_norm_heads(x, weight, epsilon, x.shape().columns);
}

Value rms_norm_heads(Value x, WeightId weight, float epsilon, int64_t head_dim) {
  return record(x, {.op = Op::kRmsNorm,
                    .inputs = {x.index},
                    .weights = {weight},
                    .epsilon = epsilon,
                    .group = head_dim});
}

Value layer_norm(Value x, WeightId weight, WeightId bias, float epsilon) {
  return record(
      x,
      {.op = Op::kLayerNorm, .inputs = {x.index}, .weights = {weight, bias}, .epsilon = epsilon});
}

Value rope(Value x, RopeId rope, int32_t head_dim) {
  return record(x, {.op = Op::kRope, .inputs = {x.index}, .rope = rope, .head_dim = head_dim});
}

Value attention(Value q, Value k, Value v, const AttentionSpec& spec) {
  return record(q,
                {.op = Op::kAttention, .inputs = {q.index, k.index, v.index}, .attention = spec});
}

Value whole_attention(Value q, Value k, Value v, const AttentionSpec& spec) {
  return record(
      q, {.op = Op::kWholeAttention, .inputs = {q.index, k.index, v.index}, .attention = spec});
}

Value activate(Value x, Activation activation) {
  return record(x, {.op = Op::kActivate, .inputs = {x.index}, .activation = activation});
}

Value swiglu(Value gate, Value up) {
  return record(gate, {.op = Op::kSwiglu, .inputs = {gate.index, up.index}});
}

Value slice(Value x, int64_t first_column, int64_t columns) {
  return record(
      x, {.op = Op::kSlice, .inputs = {x.index}, .first_column = first_column, .columns = columns});
}

Value select_outputs(Value x) { return record(x, {.op = Op::kSelectOutputs, .inputs = {x.index}}); }

Value pool(Value x, Pooling pooling) {
  return record(x, {.op = Op::kPool, .inputs = {x.index}, .pooling = pooling});
}

Value route(Value logits, const RouteSpec& spec, WeightId bias) {
  Node node{.op = Op::kRoute, .inputs = {logits.index}, .route = spec};
  if (bias != WeightId::kNone) node.weights.push_back(bias);
  return record(logits, std::move(node));
}

Value expert_mlp(Value x, Value routes, const ExpertWeights& experts, const ExpertWeights& shared) {
  Node node{.op = Op::kExpertMlp,
            .inputs = {x.index, routes.index},
            .weights = {experts.gate_up, experts.down},
            .route = routes.graph->node(routes.index).route};
  if (shared.gate_up != WeightId::kNone) {
    node.weights.insert(node.weights.end(), {shared.gate_up, shared.down});
  }
  return record(x, std::move(node));
}

Value operator+(Value a, Value b) {
  return record(a, {.op = Op::kAdd, .inputs = {a.index, b.index}});
}

}  // namespace autoglm
