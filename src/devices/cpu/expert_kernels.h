// How the CPU computes the ops of a mixture of experts: entries of op_kernels.cc.
#pragma once

#include "devices/cpu/op_kernels.h"

namespace autoglm {

KernelCall bind_route(Binding& b, const Instruction& i);
KernelCall bind_expert_mlp(Binding& b, const Instruction& i);

// What expert_mlp's working memory comes to, but for that of single threads, before there are
// weights.
int64_t expert_mlp_planned_bytes(const Graph& graph, const Node& node, int64_t rows);

}  // namespace autoglm
