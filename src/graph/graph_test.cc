// The graph's passes and plan on small graphs recorded by hand. That fused and unfused programs
// give the same bits is shown where programs run: devices/cpu and tests/goldens.
#include "graph/graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "graph/fuse.h"
#include "graph/op_table.h"
#include "graph/program.h"
#include "graph/rewrite.h"

namespace autoglm {
namespace {

constexpr int64_t kHidden = 8;
constexpr int64_t kInner = 12;

WeightId weight(Graph& g, const std::string& name, int64_t rows, int64_t columns,
                WeightRole role = WeightRole::kMatrix) {
  return g.add_weight({.role = role, .rows = rows, .columns = columns, .parts = {{name, 0, rows}}});
}
WeightId vector(Graph& g, const std::string& name, int64_t n) {
  return weight(g, name, n, 1, WeightRole::kVector);
}

// A decoder of two layers; every second one with norms after its sub-layers.
Graph decoder() {
  Graph g;
  const RopeId turn = g.add_rope({.inverse_frequencies = {1.0, 0.1}});
  const WeightId table = weight(g, "embed", 10, kHidden, WeightRole::kEmbedding);
  Value x = embedding(g, table);
  for (int32_t i = 0; i < 2; ++i) {
    const std::string p = std::to_string(i) + ".";
    const Value normed = rms_norm(x, vector(g, p + "norm", kHidden), 1e-5F);
    const Value q = rope(linear(normed, weight(g, p + "q", 8, kHidden)), turn, 4);
    const Value k = rope(linear(normed, weight(g, p + "k", 4, kHidden)), turn, 4);
    const Value v = linear(normed, weight(g, p + "v", 4, kHidden));
    const Value attended = attention(
        q, k, v, {.layer = i, .n_heads = 2, .n_kv_heads = 1, .head_dim = 4, .scale = 0.5F});
    Value out = linear(attended, weight(g, p + "o", kHidden, 8));
    if (i == 1) out = rms_norm(out, vector(g, p + "post", kHidden), 1e-5F);
    x = x + out;
    const Value fed = rms_norm(x, vector(g, p + "mlp_norm", kHidden), 1e-5F);
    const Value gate = linear(fed, weight(g, p + "gate", kInner, kHidden));
    const Value up = linear(fed, weight(g, p + "up", kInner, kHidden));
    x = x + linear(swiglu(gate, up), weight(g, p + "down", kHidden, kInner));
  }
  const Value hidden = rms_norm(select_outputs(x), vector(g, "final", kHidden), 1e-5F);
  g.add_output(kLogitsOutput, linear(hidden, table));
  g.add_output(kHiddenOutput, hidden);
  return g;
}

int count(const Graph& graph, Op op) {
  int n = 0;
  for (const Node& node : graph.nodes()) n += node.op == op ? 1 : 0;
  return n;
}

PlanOptions plan_of(int64_t rows) {
  return {.max_rows = {{rows, 3}},
          .quantized_bytes = [](int64_t r, int64_t c) { return r * (c + 4); }};
}

TEST(OpTable, HasOneEntryForEachOpUnderANameOfItsOwn) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < static_cast<size_t>(Op::kCount); ++i) {
    const OpInfo& info = op_info(static_cast<Op>(i));
    EXPECT_EQ(info.op, static_cast<Op>(i));
    EXPECT_TRUE(names.insert(info.name).second && !info.name.empty()) << i;
    EXPECT_NE(info.shape, nullptr) << info.name;
    EXPECT_LE(info.inputs_min, info.inputs_max) << info.name;
    EXPECT_LE(info.weights_min, info.weights_max) << info.name;
    EXPECT_EQ(info.overwrites >> info.inputs_max, 0U) << info.name;
    EXPECT_TRUE(info.place == ResultPlace::kOwn || info.inputs_min == 1) << info.name;
  }
}

TEST(Graph, RefusesShapesThatDoNotFitAndPrintsBoth) {
  Graph g;
  const Value x = embedding(g, weight(g, "embed", 10, kHidden, WeightRole::kEmbedding));
  EXPECT_DEATH(linear(x, weight(g, "wrong", 4, 9)), R"(linear wrong: \[T, 8\].*\[4, 9\])");
  EXPECT_DEATH(x + slice(x, 0, 4), R"(add.*\[T, 8\].*\[T, 4\])");
  EXPECT_DEATH(slice(x, 5, 4), R"(slice.*\[T, 8\])");
  EXPECT_DEATH(swiglu(x, select_outputs(x)), R"(swiglu.*\[T, 8\].*\[R, 8\])");
}

TEST(Graph, HandsOutValuesByNameThroughEveryPass) {
  Graph g = decoder();
  EXPECT_EQ(g.output("patches"), -1);
  g.add_output("patches", {&g, 1});
  EXPECT_DEATH(g.add_output("patches", Value{&g, 1}), "two outputs are called patches");
  const Program program = compile(fuse(g, {}), plan_of(4));
  ASSERT_EQ(program.outputs.size(), 3U);
  EXPECT_EQ(program.output(kLogitsOutput)->columns, 10);
  EXPECT_EQ(program.output("patches")->columns, kHidden);
  EXPECT_EQ(program.output("absent"), nullptr);
  // Hidden states are read by the product of logits, which alone may be left out of a step.
  for (const Instruction& i : program.instructions) {
    const bool last = &i == &program.instructions.back();
    EXPECT_EQ(i.only_output, last ? 0 : -1) << op_name(i.node.op);
  }
}

TEST(Fusion, MakesOneProductOfProductsThatShareTheirInput) {
  const Graph merged = merge_projections(decoder());
  // Two layers of qkv, o, gate-up, down; and the logits.
  EXPECT_EQ(count(merged, Op::kLinear), 2 * 4 + 1);
  EXPECT_EQ(count(merged, Op::kSlice), 2 * 5);
  for (const Node& node : merged.nodes()) {
    if (node.op != Op::kLinear || merged.weight(node.weight()).parts.size() != 3) continue;
    EXPECT_EQ(node.shape.columns, 16);
    EXPECT_EQ(merged.weight(node.weight()).parts[1].tensor.substr(1), ".k");
  }
}

TEST(Fusion, EndsRowsThatNobodyAskedForWithTheLastAttention) {
  const Graph early = select_early(decoder());
  EXPECT_EQ(count(early, Op::kSelectOutputs), 2);  // what was attended to, and the residual
  bool after_last_attention = false;
  for (const Node& node : early.nodes()) {
    EXPECT_EQ(node.shape.rows == Rows::kOutputs, after_last_attention) << op_name(node.op);
    after_last_attention |= node.op == Op::kAttention && node.attention.layer == 1;
  }
}

TEST(Fusion, KeepsRowsThatAnAttentionReads) {
  Graph g;
  const RopeId turn = g.add_rope({.inverse_frequencies = {1.0, 0.1}});
  const Value x = embedding(g, weight(g, "embed", 10, kHidden, WeightRole::kEmbedding));
  const Value v = linear(x, weight(g, "v", kHidden, kHidden));
  const Value q = rope(linear(x, weight(g, "q", kHidden, kHidden)), turn, 4);
  const Value attended =
      attention(q, v, v, {.layer = 0, .n_heads = 2, .n_kv_heads = 2, .head_dim = 4, .scale = 1});
  const Value y = select_outputs(attended + v);
  g.add_output("sum", y);
  const Graph early = select_early(g);
  EXPECT_EQ(count(early, Op::kSelectOutputs), 2);
  for (const Node& node : early.nodes()) {
    EXPECT_EQ(node.shape.rows == Rows::kOutputs,
              node.op == Op::kAdd || node.op == Op::kSelectOutputs);
  }
}

TEST(Fusion, KeepsProductsApartThatDisagreeOnHavingABias) {
  Graph g;
  const Value x = embedding(g, weight(g, "embed", 10, kHidden, WeightRole::kEmbedding));
  const Value a = linear(x, weight(g, "a", kHidden, kHidden), vector(g, "a.bias", kHidden));
  const Value b = linear(x, weight(g, "b", kHidden, kHidden));
  const Value y = select_outputs(a + b);
  g.add_output("sum", y);
  EXPECT_EQ(count(merge_projections(g), Op::kLinear), 2);
}

TEST(Fusion, EndsSwigluAndResidualsInsideProductsAndNorms) {
  const Graph fused = fuse(decoder(), {});
  EXPECT_EQ(count(fused, Op::kSwiglu), 0);
  EXPECT_EQ(count(fused, Op::kAdd), 0);
  int norms_with_residual = 0;
  for (const Node& node : fused.nodes()) {
    norms_with_residual += node.op == Op::kRmsNorm && node.has_residual() ? 1 : 0;
  }
  EXPECT_EQ(norms_with_residual, 1);
}

TEST(Fusion, LeavesAResidualThatSomethingElseReads) {
  Graph g;
  const Value x = embedding(g, weight(g, "embed", 10, kHidden, WeightRole::kEmbedding));
  const Value y = linear(x, weight(g, "a", kHidden, kHidden));
  const Value sum = select_outputs(x + y);
  g.add_output("sum", sum);
  g.add_output("product", select_outputs(y));
  EXPECT_EQ(count(fuse_residual(g), Op::kAdd), 1);
}

TEST(Fusion, QuantizesOnlyNormsThatOnlyProductsRead) {
  const Graph fused = fuse(decoder(), {.integer_matrices = true});
  int quantized = 0;
  for (const Node& node : fused.nodes()) quantized += node.quantized ? 1 : 0;
  EXPECT_EQ(quantized, 4);  // two a layer; not the norm after attention, nor the last one
  EXPECT_FALSE(fused.node(fused.output(kHiddenOutput)).quantized);
}

// Walks the program and checks that what a value holds is not overwritten before its last reader.
void check_no_overlap(const Program& program) {
  const Graph& g = program.graph;
  const auto read_by = readers(g);
  const auto n = static_cast<int32_t>(g.nodes().size());
  const auto last = [&](int32_t i) {
    int32_t result = i;
    for (const int32_t r : read_by[static_cast<size_t>(i)])
      result = std::max(result, r == kReadAsOutput ? n : r);
    return result;
  };
  const auto bytes = [&](int32_t i) {
    const Node& node = g.node(i);
    const int64_t rows = program.max_rows[node.shape.rows];
    const Place& place = program.plan.places[static_cast<size_t>(i)];
    return node.quantized ? rows * (node.shape.columns + 4)
                          : ((rows - 1) * place.stride + node.shape.columns) * 4;
  };
  for (int32_t writer = 0; writer < n; ++writer) {
    if (op_info(g.node(writer).op).place != ResultPlace::kOwn) continue;
    const Place& w = program.plan.places[static_cast<size_t>(writer)];
    if (w.buffer < 0) continue;  // no output needs it
    for (int32_t held = 0; held < writer; ++held) {
      if (last(held) < writer) continue;
      const Place& h = program.plan.places[static_cast<size_t>(held)];
      if (h.buffer < 0) continue;
      // In place: the writer is the last reader of what it overwrites, element for element.
      if (h.buffer == w.buffer && last(held) == writer) continue;
      EXPECT_TRUE(w.offset_bytes + bytes(writer) <= h.offset_bytes ||
                  h.offset_bytes + bytes(held) <= w.offset_bytes)
          << "value " << writer << " overwrites value " << held;
    }
  }
}

TEST(MemoryPlan, NeverOverwritesAValueThatIsStillRead) {
  for (const int64_t rows : {1, 7, 64}) {
    check_no_overlap(compile(decoder(), plan_of(rows)));
    check_no_overlap(compile(fuse(decoder(), {}), plan_of(rows)));
    check_no_overlap(compile(fuse(decoder(), {.integer_matrices = true}), plan_of(rows)));
  }
}

// Where a stage ends, where an image's rows are watched, where a trainer taps: each value may be an
// output, of all its rows, whatever reads it besides.
TEST(Fusion, HandsOutAnyValueAsItWasRecorded) {
  const auto n = static_cast<int32_t>(decoder().nodes().size());
  for (int32_t value = 0; value < n; ++value) {
    Graph g = decoder();
    const auto read_by = readers(g)[static_cast<size_t>(value)];
    const bool overwritten = std::ranges::any_of(
        read_by, [&](int32_t r) { return r != kReadAsOutput && g.node(r).op == Op::kRope; });
    if (overwritten) continue;  // in place: nothing else may read it
    const Shape shape = g.node(value).shape;
    g.add_output("tap", {&g, value});
    for (const bool alone : {false, true}) {
      if (alone) g.keep_output("tap");
      for (const bool integers : {false, true}) {
        const Program program = compile(fuse(g, {.integer_matrices = integers}), plan_of(4));
        const Graph& fused = program.graph;
        const Node& tap = fused.node(fused.output("tap"));
        EXPECT_EQ(tap.shape, shape) << "value " << value << ", " << op_name(g.node(value).op);
        EXPECT_FALSE(tap.quantized);
        check_no_overlap(program);
      }
    }
  }
}

// Patches of an image are turned into rows of their own beside the tokens.
TEST(MemoryPlan, GivesEachKindOfRowsItsOwnBound) {
  Graph g = decoder();
  const Rows patches = g.add_rows({"P", "patches of the images of a step"});
  const Value looked_up =
      embedding(g, weight(g, "patches", 6, kInner, WeightRole::kEmbedding), patches);
  const Value projected = linear(looked_up, weight(g, "to_hidden", kHidden, kInner));
  g.add_output("patches", projected + linear(projected, weight(g, "more", kHidden, kHidden)));
  EXPECT_EQ(g.shape_text(projected.shape()), "[P, 8]");
  EXPECT_DEATH((projected + Value{&g, 0}), R"(add.*\[P, 8\].*\[T, 8\])");
  EXPECT_DEATH(select_outputs(projected), R"(\[P, 8\] does not fit rows of tokens)");
  EXPECT_DEATH(compile(g, plan_of(4)), "2 bounds of rows for a graph with 3 of them");

  PlanOptions options = plan_of(4);
  options.max_rows.most.push_back(500);
  for (const Graph& graph : {g, fuse(g, {}), fuse(g, {.integer_matrices = true})}) {
    const Program program = compile(graph, options);
    EXPECT_EQ(graph.node(graph.output("patches")).shape, (Shape{patches, kHidden}));
    check_no_overlap(program);
    EXPECT_GE(program.plan.arena_bytes, 500 * (kInner + kHidden) * 4);
    EXPECT_LT(program.plan.arena_bytes, 500 * (kInner + 2 * kHidden) * 4);
    EXPECT_THAT(program_text(program),
                testing::HasSubstr("P: patches of the images of a step, at most 500"));
    EXPECT_THAT(program_json(program), testing::HasSubstr(R"("max_rows":{"T":4,"R":3,"P":500})"));
  }
}

TEST(Program, LeavesOutWhatNoOutputNeeds) {
  const Program whole = compile(decoder(), plan_of(4));
  Graph g = decoder();
  g.keep_output(kHiddenOutput);
  const Program program = compile(g, plan_of(4));
  EXPECT_EQ(program.output(kLogitsOutput), nullptr);
  EXPECT_EQ(program.instructions.size(), whole.instructions.size() - 1);
  EXPECT_EQ(program.instructions.back().value, g.output(kHiddenOutput));
  EXPECT_EQ(program.plan.places.back().buffer, -1);
  EXPECT_EQ(program.plan.arena_bytes_without_reuse,
            whole.plan.arena_bytes_without_reuse - 128);  // logits [3, 10], whole cache lines
}

TEST(MemoryPlan, SharesBytesBetweenLayers) {
  const Program program = compile(fuse(decoder(), {}), plan_of(64));
  EXPECT_LT(program.plan.arena_bytes, program.plan.arena_bytes_without_reuse / 2);
  for (const Place& place : program.plan.places) {
    EXPECT_GE(place.offset_bytes, 0);
    EXPECT_LT(place.offset_bytes, program.plan.arena_bytes);
  }
}

TEST(Program, PrintsOpsShapesWeightsAndArena) {
  const Program program = compile(fuse(decoder(), {}), plan_of(64));
  const std::string text = program_text(program);
  EXPECT_THAT(text, testing::HasSubstr("linear x2 + swiglu"));
  EXPECT_THAT(text, testing::HasSubstr("0.q, 0.k, 0.v"));
  EXPECT_THAT(text, testing::HasSubstr("[T, 16]"));
  EXPECT_THAT(text, testing::HasSubstr(fmt::format("# arena: {} bytes, {} without reuse",
                                                   program.plan.arena_bytes,
                                                   program.plan.arena_bytes_without_reuse)));
  const std::string dot = program_graphviz(program);
  EXPECT_EQ(dot.rfind("digraph", 0), 0U);
  EXPECT_EQ(std::count(dot.begin(), dot.end(), '{'), 1);
}

}  // namespace
}  // namespace autoglm
