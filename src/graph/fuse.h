// Fusion: fewer, larger kernel calls with the same bits. Each pass takes a graph and gives a new
// one; none needs another to have run, and a graph runs unfused just as well.
#pragma once

#include "graph/graph.h"

namespace autoglm {

// Rows whose results nobody asked for end with the last attention.
Graph select_early(const Graph& graph);

// Products that share their input become one, followed by slices: q, k and v; gate and up.
Graph merge_projections(const Graph& graph);

// swiglu over the two halves of one product becomes the product's activation.
Graph fuse_swiglu(const Graph& graph);

// GELU of a product's result becomes the product's activation.
Graph fuse_gelu(const Graph& graph);

// A sum with a product's or a norm's result becomes that product's or norm's residual.
Graph fuse_residual(const Graph& graph);

// Norms that only products read hand on int8 rows: for devices whose matrices are all integers.
Graph quantize_norms(const Graph& graph);

struct FuseOptions {
  bool integer_matrices = false;  // run quantize_norms too
};
Graph fuse(const Graph& graph, FuseOptions options);

}  // namespace autoglm
