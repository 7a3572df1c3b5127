#include "devices/cpu/expert_kernels.h"

#include <algorithm>

#include "kernels/experts/expert_mlp.h"
#include "kernels/experts/route.h"

namespace autoglm {

KernelCall bind_route(Binding& b, const Instruction& i) {
  const RouteSpec& spec = i.node.route;
  RouteArgs args{.sigmoid = spec.score == RouteScore::kSigmoid,
                 .experts = spec.experts,
                 .chosen = spec.chosen,
                 .groups = spec.groups,
                 .chosen_groups = spec.chosen_groups,
                 .renormalize = spec.renormalize,
                 .scale = spec.scale,
                 .shared_gate = spec.shared_gate,
                 .bias = b.vector(i.node.weight()),
                 .logits = b.at(i.inputs[0]),
                 .logits_stride = i.inputs[0].stride,
                 .y = b.at(i.result),
                 .y_stride = i.result.stride};
  return {.run =
              [args](const KernelRun& run, int64_t rows) mutable {
                args.rows = rows;
                route(run.context, args, run.scratch);
              },
          .scratch_bytes = [experts = args.experts](
                               const Context& context,
                               int64_t) { return route_scratch_bytes(context, experts); }};
}

KernelCall bind_expert_mlp(Binding& b, const Instruction& i) {
  const auto packed = [&](size_t weight) -> const PackedWeight* {
    if (weight >= i.node.weights.size()) return nullptr;
    return &b.held(i.node.weight(weight)).packed;
  };
  ExpertMlpArgs args{.gate_up = packed(0),
                     .down = packed(1),
                     .shared_gate_up = packed(2),
                     .shared_down = packed(3),
                     .rounds_once = packed(0)->members_share_columns(),
                     .chosen = i.node.route.chosen,
                     .shared_gate = i.node.route.shared_gate,
                     .x = b.at(i.inputs[0]),
                     .x_stride = i.inputs[0].stride,
                     .routes = b.at(i.inputs[1]),
                     .routes_stride = i.inputs[1].stride,
                     .y = b.at(i.result),
                     .y_stride = i.result.stride};
  if (i.node.has_residual()) {
    args.residual = b.at(i.inputs[2]);
    args.residual_stride = i.inputs[2].stride;
  }
  return {.run =
              [args](const KernelRun& run, int64_t rows) mutable {
                args.rows = rows;
                expert_mlp(run.context, args, run.scratch);
              },
          .scratch_bytes =
              [args](const Context& context, int64_t max_rows) {
                return expert_mlp_scratch_bytes(context, args, max_rows);
              }};
}

int64_t expert_mlp_planned_bytes(const Graph& graph, const Node& node, int64_t rows) {
  int64_t results = 0;
  int64_t inputs = 0;  // of the stage that takes more
  for (size_t i = 0; i < node.weights.size(); i += 2) {
    const int64_t n = i == 0 ? rows * node.route.chosen : rows;
    const int64_t inner = graph.weight(node.weight(i + 1)).columns;
    results += n * (inner + node.shape.columns) * int64_t{sizeof(float)};
    inputs += QuantizedRows::bytes(n, std::max(inner, node.shape.columns));
  }
  return results + inputs;
}

}  // namespace autoglm
