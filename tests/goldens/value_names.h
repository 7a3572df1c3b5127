// What a value of a program is called in layers.safetensors (tools/goldens/make_layers.py), however
// the graph was fused: by the module of the checkpoint whose weight it is made with, or by what it
// is made of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

namespace autoglm {

// Some columns of a value that have a name of their own: a product that fusion made of several has
// one for each of them.
struct NamedColumns {
  std::string name;  // "model.layers.0.self_attn.q_proj"
  int64_t first = 0;
  int64_t columns = 0;
};
std::vector<NamedColumns> value_names(const Graph& graph, int32_t value);

// Where that is, for people: "layer 3: attention", "layer 0: linear self_attn.q_proj", "embedding".
std::string place_text(const Graph& graph, int32_t value, const std::string& name);

}  // namespace autoglm
