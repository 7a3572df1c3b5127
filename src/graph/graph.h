// A model as data. A model file calls linear(), rms_norm(), attention() on Values; each call
// appends one Node to the Graph, which later passes rewrite (fuse.h), plan and compile (program.h).
// Rows are symbolic: T, the tokens of a step over all sequences, R, the rows whose logits are
// wanted, or what else a model adds; columns are known numbers. Nothing here computes, and nothing
// here knows a device, an instruction set or an element type.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace autoglm {

// (inputs; weights). What is known of an op stands in op_table.h.
enum class Op : uint8_t {
  kEmbedding,       // (; w) -> [rows, w columns]: rows of w by their ids, `ids` of the step
  kInput,           // () -> [rows, columns]: handed to the step, as an earlier stage made them
  kLinear,          // (x[, residual]; w[, bias]) -> [., w rows]: x * w^T + bias, then `activation`
  kRmsNorm,         // (x[, residual]; w): w * x / sqrt(mean(x^2) + epsilon) over groups of columns
  kLayerNorm,       // (x; w, b): w * (x - mean(x)) / sqrt(variance(x) + epsilon) + b
  kRope,            // (x): rotates each head by its row's position, in place: x has no other reader
  kAttention,       // (q, k, v): appends k and v to the layer's cache, then attends
  kWholeAttention,  // (q, k, v): each row attends to all rows of its own text in the step
  kSwiglu,          // (gate, up): silu(gate) * up
  kActivate,        // (x): `activation` of each element
  kAdd,             // (a, b)
  kSlice,           // (x): columns [first_column, first_column + columns); a view, not a copy
  kSelectOutputs,   // (x [T, c]) -> [R, c]: the rows whose logits are wanted
  kPool,            // (x [T, c]) -> [R, c]: one row for each text of the step, made of all its rows
  // (logits[; bias]): which experts a row goes to, and how much each counts (RouteSpec)
  kRoute,
  // (x, routes[, residual]; gate_up, down[, shared gate_up, shared down]): a SwiGLU MLP of each
  // expert that the row is routed to, weighted and summed in the order of its choices, then the
  // shared experts'
  kExpertMlp,
  kCount,  // how many there are: no op
};
std::string_view op_name(Op op);

// A symbolic number of rows, known when a step runs. Every graph has these; Graph::add_rows() makes
// more.
enum class Rows : uint8_t { kTokens, kOutputs };

struct RowsInfo {
  std::string symbol;   // "T"
  std::string meaning;  // "tokens of a step"
};

struct Shape {
  Rows rows = Rows::kTokens;
  int64_t columns = 0;
  bool operator==(const Shape&) const = default;
};

// What a weight is for: decides how a device holds it.
enum class WeightRole : uint8_t {
  kMatrix,     // a linear layer inside the model
  kRouter,     // makes a router's logits: never rounded, since a small change is another expert
  kEmbedding,  // rows are looked up; may also be the output matrix of a tied model
  kOutput,     // the matrix that makes logits
  kVector,     // norm weights and biases: one column
};

// Rows [first_row, first_row + rows) of a checkpoint's tensor.
struct WeightPart {
  std::string tensor;
  int64_t first_row = 0;
  int64_t rows = 0;
};

// A matrix [rows, columns], row for row from its parts; more than one part after fusion.
struct Weight {
  WeightRole role = WeightRole::kMatrix;
  int64_t rows = 0;
  int64_t columns = 1;
  std::vector<WeightPart> parts;
  int64_t members = 1;  // matrices of equal shape, one below the other: one for each expert
  int64_t member_rows() const { return rows / members; }
  std::string name() const;  // "model.layers.0.self_attn.q_proj.weight (+2)"
};

enum class WeightId : int32_t { kNone = -1 };

// Rotary embedding: dims 2i and 2i+1 (interleaved), or i and i + size (half-split), of each head
// are rotated by position * inverse_frequencies[i]; the dims after 2 * size pass through. A row's
// position has three components (RotaryPosition); `components` says which of them each frequency
// reads, and empty that all read the first.
struct Rope {
  std::vector<double> inverse_frequencies;
  std::vector<uint8_t> components{};
  double attention_factor = 1.0;  // multiplies cos and sin (yarn)
  bool interleaved = false;
};

enum class RopeId : int32_t { kNone = -1 };

struct AttentionSpec {
  int32_t layer = 0;  // which cache
  int32_t n_heads = 0;
  int32_t n_kv_heads = 0;
  int32_t head_dim = 0;
  float scale = 0;
  int64_t window = 0;  // a row sees itself and window - 1 positions before; 0: all
};

// Which numbers of a step an embedding looks up.
enum class StepIds : uint8_t {
  kTokens,
  kPositions,   // in their texts, from 0; with `padding` as RoBERTa counts them
  kTokenTypes,  // which of two texts that are read together a token is of
};

// How the rows of a text become one.
enum class Pooling : uint8_t {
  kFirst,  // by kSelectOutputs, as kLast is
  kLast,
  kMean,
  kMeanSqrt,      // the sum / sqrt(rows)
  kWeightedMean,  // later rows count more: row i, from 0, i + 1 times
  kMax,
};
std::string_view pooling_name(Pooling pooling);  // "mean"

enum class RouteScore : uint8_t {
  kSoftmax,  // over all experts
  kSigmoid,
};

// How a router chooses. Each row takes the `chosen` experts of the highest scores, the lowest index
// where two are equal; a bias (the op's weight) is added for the choice alone. With groups, the
// experts lie in `groups` of equal size, and only those in the `chosen_groups` whose two best
// sum highest can be chosen. The result's columns are the experts' indices, from the highest score
// down, then as many weights.
struct RouteSpec {
  RouteScore score = RouteScore::kSoftmax;
  int32_t experts = 0;
  int32_t chosen = 0;
  int32_t groups = 1;
  int32_t chosen_groups = 1;
  bool renormalize = false;  // the chosen scores are divided by their sum
  float scale = 1;           // by which weights are multiplied at last
  // The logits have one more column, whose sigmoid is the shared experts' weight and the result's
  // last column.
  bool shared_gate = false;

  int64_t logits() const { return experts + (shared_gate ? 1 : 0); }
  int64_t columns() const { return 2 * chosen + (shared_gate ? 1 : 0); }
};

enum class Activation : uint8_t {
  kNone,
  kGelu,  // x / 2 (1 + erf(x / sqrt(2)))
  kTanh,
  kSwiglu,  // the weight is [gate; up] and the result silu(gate) * up, half as many columns
};

struct Node {
  Op op = Op::kCount;
  Shape shape;                  // made by Graph::append()
  std::vector<int32_t> inputs;  // earlier nodes
  std::vector<WeightId> weights;
  // Attributes; each op reads its own.
  Rows rows = Rows::kTokens;       // kEmbedding, kInput: what they stand for
  StepIds ids = StepIds::kTokens;  // kEmbedding
  // kEmbedding of positions: the id of tokens that are not counted and stand at that position
  // themselves; the others are counted from the next one on. -1: all are, from 0.
  int32_t padding = -1;
  float epsilon = 0;                          // kRmsNorm, kLayerNorm
  int64_t group = 0;                          // kRmsNorm: columns normed together
  int64_t first_column = 0;                   // kSlice
  int64_t columns = 0;                        // kSlice, kInput
  RopeId rope = RopeId::kNone;                // kRope
  int32_t head_dim = 0;                       // kRope
  Activation activation = Activation::kNone;  // kActivate; kLinear, set by fusion
  Pooling pooling = Pooling::kMean;           // kPool
  bool quantized = false;                     // kRmsNorm: the result is int8, set by fusion
  AttentionSpec attention;                    // kAttention; kWholeAttention: without a layer
  RouteSpec route;                            // kRoute, kExpertMlp

  // kNone: there are not so many.
  WeightId weight(size_t i = 0) const { return i < weights.size() ? weights[i] : WeightId::kNone; }
  // A linear's second weight is added to every row of its product.
  bool has_bias() const { return op == Op::kLinear && weights.size() == 2; }
  // The last input is added to the result: of a linear or a norm after fusion.
  bool has_residual() const;
};

// What a step hands out, under the name that its consumers ask for.
struct Output {
  std::string name;
  int32_t value = -1;
};
inline constexpr std::string_view kLogitsOutput = "logits";  // [R, vocab]
inline constexpr std::string_view kHiddenOutput = "hidden";  // [R, hidden]: what logits are made of
inline constexpr std::string_view kScoresOutput = "scores";  // [R, labels]: a classifier's logits
inline constexpr std::string_view kCutOutput =
    "cut";  // [T, columns]: what the next stage begins with

class Graph;

// A node's result while a model is being recorded. Cheap to copy; the graph must outlive it.
struct Value {
  Graph* graph = nullptr;
  int32_t index = -1;
  Shape shape() const;
};

class Graph {
 public:
  // Appends a node, checked and with its op's shape: our own fault if it does not fit.
  Value append(Node node);
  WeightId add_weight(Weight weight);
  RopeId add_rope(Rope rope);
  Rows add_rows(RowsInfo info);
  // No two outputs have the same name; a value may be several outputs.
  void add_output(std::string_view name, Value value);
  // Drops all others; what only they needed is left out of programs (plan.h).
  void keep_output(std::string_view name);

  std::span<const Node> nodes() const { return nodes_; }
  const Node& node(int32_t index) const { return at(nodes_, index); }
  std::span<const Weight> weights() const { return weights_; }
  const Weight& weight(WeightId id) const { return at(weights_, id); }
  std::span<const Rope> ropes() const { return ropes_; }
  const Rope& rope(RopeId id) const { return at(ropes_, id); }
  std::span<const RowsInfo> rows() const { return rows_; }
  const RowsInfo& rows(Rows which) const { return at(rows_, which); }
  std::string shape_text(const Shape& shape) const;  // "[T, 4096]"
  std::span<const Output> outputs() const { return outputs_; }
  // The value handed out as `name`; -1: there is none.
  int32_t output(std::string_view name) const;
  // How many nodes keep keys and values; their layers are 0, 1, ...
  int32_t n_layers() const { return n_layers_; }

 private:
  // An index that the graph has not is our own fault; reading behind the end would hide it.
  template <typename T, typename Index>
  static const T& at(const std::vector<T>& values, Index index) {
    const auto i = static_cast<size_t>(index);
    AGLM_CHECK(i < values.size(), "entry {} of {}", static_cast<int64_t>(index), values.size());
    return values[i];
  }

  std::vector<Node> nodes_;
  std::vector<Weight> weights_;
  std::vector<Rope> ropes_;
  std::vector<RowsInfo> rows_{{"T", "tokens of a step"}, {"R", "rows with logits"}};
  std::vector<Output> outputs_;
  int32_t n_layers_ = 0;
};

// Recording. Shapes that don't fit abort and print both: a model's weights were checked against the
// configuration before (models/recorder.h), so a mismatch here is our own.
Value embedding(Graph& graph, WeightId weight, Rows rows = Rows::kTokens);
Value input(Graph& graph, int64_t columns, Rows rows = Rows::kTokens);
Value position_embedding(Graph& graph, WeightId weight, int32_t padding);
Value token_type_embedding(Graph& graph, WeightId weight);
Value linear(Value x, WeightId weight, WeightId bias = WeightId::kNone);
Value rms_norm(Value x, WeightId weight, float epsilon);
// Each head of `head_dim` columns normed on its own, with the same weight.
Value rms_norm_heads(Value x, WeightId weight, float epsilon, int64_t head_dim);
Value layer_norm(Value x, WeightId weight, WeightId bias, float epsilon);
Value rope(Value x, RopeId rope, int32_t head_dim);
Value attention(Value q, Value k, Value v, const AttentionSpec& spec);
// `spec`: heads, their size and the scale; as many heads of keys and values.
Value whole_attention(Value q, Value k, Value v, const AttentionSpec& spec);
Value activate(Value x, Activation activation);
Value swiglu(Value gate, Value up);
Value slice(Value x, int64_t first_column, int64_t columns);
Value select_outputs(Value x);
Value pool(Value x, Pooling pooling);
Value route(Value logits, const RouteSpec& spec, WeightId bias = WeightId::kNone);
// An MLP's matrices: rows gate | up of each member, and their down projection.
struct ExpertWeights {
  WeightId gate_up = WeightId::kNone;
  WeightId down = WeightId::kNone;
};
// `shared`: of one member, which every row goes to; or none.
Value expert_mlp(Value x, Value routes, const ExpertWeights& experts, const ExpertWeights& shared);
Value operator+(Value a, Value b);

}  // namespace autoglm
