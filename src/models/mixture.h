// The feed-forward part of architectures with experts: a router, experts of equal size, and shared
// experts that every token goes to.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/result.h"
#include "graph/graph.h"
#include "models/config_reader.h"
#include "models/recorder.h"

namespace autoglm {

inline constexpr int64_t kMostExperts = 4096;

struct Mixture {
  RouteSpec route;
  int64_t inner = 0;   // columns of an expert between its two products
  int64_t shared = 0;  // of the shared experts, which are one MLP together; 0: there are none
};

// Under a layer's prefix. The usual ones are those of Qwen.
struct MixtureNames {
  std::string_view router = "mlp.gate.weight";
  std::string_view bias = "";  // added to scores for the choice; empty: there is none
  std::string_view experts = "mlp.experts.";
  std::string_view gate = "gate_proj";
  std::string_view up = "up_proj";
  std::string_view down = "down_proj";
  std::string_view shared = "";       // "mlp.shared_experts."
  std::string_view shared_gate = "";  // where RouteSpec::shared_gate
};

// How many experts there are, from the first of `keys` that the configuration has, and how many
// of them num_experts_per_tok chooses.
struct ExpertDefaults {
  int64_t experts = 0;
  int64_t chosen = 0;
};
Result<RouteSpec> read_route(ConfigReader& config, std::initializer_list<std::string_view> keys,
                             const ExpertDefaults& defaults);

// Which layers of a Qwen model have experts: each `decoder_sparse_step`th, but `mlp_only_layers`.
Result<std::vector<bool>> read_sparse_layers(ConfigReader& config, int64_t n_layers);

Value mixture_mlp(Recorder& r, Value x, const std::string& prefix, const Mixture& mixture,
                  const MixtureNames& names);

}  // namespace autoglm
