// The passes in their order. Each stands in its own file.
#include "graph/fuse.h"

namespace autoglm {

Graph fuse(const Graph& graph, FuseOptions options) {
  Graph fused = fuse_residual(fuse_gelu(fuse_swiglu(merge_projections(select_early(graph)))));
  return options.integer_matrices ? quantize_norms(fused) : fused;
}

}  // namespace autoglm
