#include "models/mixture.h"

#include <fmt/format.h>

#include "models/blocks.h"

namespace autoglm {

Result<RouteSpec> read_route(ConfigReader& config, std::initializer_list<std::string_view> keys,
                             const ExpertDefaults& defaults) {
  std::string_view key = *keys.begin();
  for (const std::string_view other : keys) {
    if (!config.has(key)) key = other;
  }
  if (!config.has(key)) key = *keys.begin();
  RouteSpec route;
  route.experts =
      static_cast<int32_t>(AGLM_TRY(config.integer_or(key, defaults.experts, 1, kMostExperts)));
  const int64_t chosen =
      AGLM_TRY(config.integer_or("num_experts_per_tok", defaults.chosen, 1, kMostExperts));
  if (chosen > route.experts) {
    return config.wrong("num_experts_per_tok", "a token cannot go to more experts than there are",
                        fmt::format("at most {}", route.experts));
  }
  route.chosen = static_cast<int32_t>(chosen);
  return route;
}

Result<std::vector<bool>> read_sparse_layers(ConfigReader& config, int64_t n_layers) {
  const int64_t step = AGLM_TRY(config.integer_or("decoder_sparse_step", 1, 1, kMostLayers));
  const std::vector<int64_t> dense = AGLM_TRY(
      config.integers_or_none("mlp_only_layers", static_cast<size_t>(kMostLayers), 0, kMostLayers));
  std::vector<bool> sparse(static_cast<size_t>(n_layers));
  for (int64_t i = 0; i < n_layers; ++i) sparse[static_cast<size_t>(i)] = (i + 1) % step == 0;
  for (const int64_t i : dense) {
    if (i < n_layers) sparse[static_cast<size_t>(i)] = false;
  }
  return sparse;
}

namespace {

// The MLPs `prefixes` of `inner` columns between their products.
ExpertWeights mlps(Recorder& r, const std::vector<std::string>& prefixes, int64_t columns,
                   int64_t inner, const MixtureNames& names) {
  const auto part = [](const std::string& prefix, std::string_view name, int64_t rows) {
    return Recorder::Part{fmt::format("{}{}.weight", prefix, name), rows};
  };
  std::vector<Recorder::Part> gate_up;
  std::vector<Recorder::Part> down;
  for (const std::string& prefix : prefixes) {
    gate_up.push_back(part(prefix, names.gate, inner));
    gate_up.push_back(part(prefix, names.up, inner));
    down.push_back(part(prefix, names.down, columns));
  }
  const auto members = static_cast<int64_t>(prefixes.size());
  return {.gate_up = r.stacked(gate_up, columns, members), .down = r.stacked(down, inner, members)};
}

}  // namespace

Value mixture_mlp(Recorder& r, Value x, const std::string& prefix, const Mixture& mixture,
                  const MixtureNames& names) {
  const RouteSpec& spec = mixture.route;
  const int64_t columns = x.shape().columns;
  const auto in_layer = [&](std::string_view name) { return fmt::format("{}{}", prefix, name); };
  std::vector<Recorder::Part> router{{in_layer(names.router), spec.experts}};
  if (spec.shared_gate) router.push_back({in_layer(names.shared_gate), 1});
  const Value logits = linear(x, r.stacked(router, columns, 1, WeightRole::kRouter));
  const WeightId bias =
      names.bias.empty() ? WeightId::kNone : r.vector(in_layer(names.bias), spec.experts);
  const Value routes = route(logits, spec, bias);

  std::vector<std::string> experts;
  for (int64_t e = 0; e < spec.experts; ++e) {
    experts.push_back(fmt::format("{}{}{}.", prefix, names.experts, e));
  }
  const ExpertWeights routed = mlps(r, experts, columns, mixture.inner, names);
  ExpertWeights shared;
  if (mixture.shared > 0) {
    shared = mlps(r, {in_layer(names.shared)}, columns, mixture.shared, names);
  }
  return expert_mlp(x, routes, routed, shared);
}

}  // namespace autoglm
