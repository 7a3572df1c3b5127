#include "formats/gguf_mixture.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "formats/expert_tensors.h"

namespace autoglm {
namespace {

constexpr int64_t kMaxExperts = 1 << 16;
constexpr int64_t kMaxSize = int64_t{1} << 28;

// How llama.cpp names what makes scores of logits; 0 and no key leave it to the architecture.
enum GatingFunction : int64_t { kUnsaid = 0, kSoftmax = 1, kSigmoid = 2 };

class Keys {
 public:
  Keys(const Gguf& gguf, const GgufModel& model) : gguf_(gguf), model_(model) {}

  std::string key(std::string_view rest) const {
    return fmt::format("{}.{}", model_.architecture->gguf_name, rest);
  }
  Result<int64_t> integer(std::string_view rest, int64_t otherwise, int64_t least,
                          int64_t most) const {
    const auto value = AGLM_TRY(gguf_.integer(key(rest)));
    if (!value) return otherwise;
    if (*value < least || *value > most) {
      return gguf_.wrong(key(rest), fmt::format("{} to {}", least, most));
    }
    return *value;
  }
  Result<bool> flag(std::string_view rest, bool otherwise) const {
    const auto value = AGLM_TRY(gguf_.boolean(key(rest)));
    return value.value_or(otherwise);
  }
  Result<void> check_gating(GatingFunction supported) const {
    const int64_t found = AGLM_TRY(integer("expert_gating_func", kUnsaid, 0, kMaxExperts));
    if (found == kUnsaid || found == supported) return {};
    return gguf_.wrong(key("expert_gating_func"),
                       fmt::format("{} ({})", static_cast<int64_t>(supported),
                                   supported == kSigmoid ? "sigmoid" : "softmax"));
  }
  bool has_tensor(std::string_view name) const {
    for (const StoredTensor& tensor : gguf_.tensors) {
      if (tensor.name == name) return true;
    }
    return false;
  }
  const Gguf& gguf() const { return gguf_; }

 private:
  const Gguf& gguf_;
  const GgufModel& model_;
};

Result<void> add_glm(const Keys& keys, const GgufModel& model, json::object& config) {
  AGLM_TRY(keys.check_gating(kSigmoid));
  config["n_routed_experts"] = model.experts;
  config["n_shared_experts"] = AGLM_TRY(keys.integer("expert_shared_count", 0, 0, kMaxExperts));
  config["first_k_dense_replace"] =
      AGLM_TRY(keys.integer("leading_dense_block_count", 0, 0, kMaxSize));
  config["norm_topk_prob"] = AGLM_TRY(keys.flag("expert_weights_norm", false));
  config["n_group"] = AGLM_TRY(keys.integer("expert_group_count", 1, 1, kMaxExperts));
  config["topk_group"] = AGLM_TRY(keys.integer("expert_group_used_count", 1, 1, kMaxExperts));
  const auto scale = AGLM_TRY(keys.gguf().number(keys.key("expert_weights_scale")));
  config["routed_scaling_factor"] = scale && *scale != 0 ? *scale : 1.0;
  config["use_qk_norm"] = keys.has_tensor("blk.0.attn_q_norm.weight");
  config["num_nextn_predict_layers"] = model.further_layers;
  return {};
}

// The pieces of an expert's MLP, as llama.cpp and as transformers call them.
struct Piece {
  std::string_view gguf;
  std::string_view usual;
  std::string_view mixtral;
};
constexpr std::array<Piece, 3> kPieces{{{"ffn_gate", "gate_proj", "w1"},
                                        {"ffn_up", "up_proj", "w3"},
                                        {"ffn_down", "down_proj", "w2"}}};

// "ffn_gate.12", as files of 2023 have it.
std::optional<int64_t> single_expert(std::string_view stem, std::string_view piece) {
  if (!stem.starts_with(piece) || stem.size() < piece.size() + 2 || stem[piece.size()] != '.') {
    return std::nullopt;
  }
  const std::string_view digits = stem.substr(piece.size() + 1);
  int64_t expert = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), expert);
  if (failure != std::errc() || end != digits.data() + digits.size() || expert < 0) {
    return std::nullopt;
  }
  return expert;
}

Error wrong_shape(const StoredTensor& tensor, std::string expected) {
  return Error{ErrorCode::kCorrupt, "tensor of experts has the wrong shape", tensor.where,
               std::move(expected), fmt::format("[{}]", fmt::join(tensor.shape, ", "))};
}

}  // namespace

Result<void> add_mixture(const Gguf& gguf, const GgufModel& model, json::object& config) {
  const Mixtures kind = model.architecture->mixture;
  if (kind == Mixtures::kNone) return {};
  const Keys keys(gguf, model);
  const int64_t used = AGLM_TRY(keys.integer("expert_used_count", 0, 1, kMaxExperts));
  if (used == 0) {
    return gguf.wrong(keys.key("expert_used_count"), "how many experts a token goes to");
  }
  config["num_experts_per_tok"] = used;
  const int64_t inner = AGLM_TRY(keys.integer("expert_feed_forward_length", 0, 1, kMaxSize));
  if (kind == Mixtures::kMixtral) {
    AGLM_TRY(keys.check_gating(kSoftmax));
    config["num_local_experts"] = model.experts;
    if (inner > 0) config["intermediate_size"] = inner;
    return {};
  }
  // As llama.cpp takes it where older files leave it out.
  config["moe_intermediate_size"] =
      inner > 0 ? inner : std::max<int64_t>(1, model.intermediate_size / used);
  if (kind == Mixtures::kGlm4) return add_glm(keys, model, config);
  AGLM_TRY(keys.check_gating(kSoftmax));
  config["num_experts"] = model.experts;
  // Not a key of these files: llama.cpp knows it by the architecture.
  config["norm_topk_prob"] = AGLM_TRY(keys.flag("expert_weights_norm", kind == Mixtures::kQwen3));
  if (kind == Mixtures::kQwen2) {
    config["shared_expert_intermediate_size"] = AGLM_TRY(
        keys.integer("expert_shared_feed_forward_length", model.intermediate_size, 1, kMaxSize));
    config["qkv_bias"] = keys.has_tensor("blk.0.attn_q.bias");
  }
  return {};
}

Result<bool> add_mixture_tensor(const StoredTensor& tensor, const GgufModel& model,
                                const std::string& prefix, std::string_view stem,
                                std::string_view suffix, std::vector<StoredTensor>& out) {
  const Mixtures kind = model.architecture->mixture;
  if (kind == Mixtures::kNone) return false;
  const bool mixtral = kind == Mixtures::kMixtral;
  const std::string block = prefix + (mixtral ? "block_sparse_moe." : "mlp.");
  const auto take = [&](std::string name) {
    out.push_back(tensor);
    out.back().name = std::move(name);
    return true;
  };
  if (stem == "ffn_gate_inp") return take(fmt::format("{}gate{}", block, suffix));
  if (stem == "exp_probs_b") return take(block + "gate.e_score_correction_bias");
  if (stem == "ffn_gate_inp_shexp") {
    // A row, or a vector.
    if (tensor.shape.size() == 1) {
      take(fmt::format("{}shared_expert_gate{}", block, suffix));
      out.back().shape = {1, tensor.shape[0]};
      return true;
    }
    return take(fmt::format("{}shared_expert_gate{}", block, suffix));
  }
  if (kind == Mixtures::kGlm4 && stem == "post_attention_norm") {
    return take(fmt::format("{}post_attention_layernorm{}", prefix, suffix));
  }
  if (stem.starts_with("nextn.")) return take(fmt::format("{}{}{}", prefix, stem, suffix));
  for (const Piece& piece : kPieces) {
    const std::string_view name = mixtral ? piece.mixtral : piece.usual;
    if (stem == fmt::format("{}_shexp", piece.gguf)) {
      return take(fmt::format("{}shared_expert{}.{}{}", block, kind == Mixtures::kGlm4 ? "s" : "",
                              name, suffix));
    }
    if (const auto expert = single_expert(stem, piece.gguf)) {
      return take(fmt::format("{}experts.{}.{}{}", block, *expert, name, suffix));
    }
    if (stem != fmt::format("{}_exps", piece.gguf)) continue;
    if (tensor.shape.size() != 3 || tensor.shape[0] != model.experts || tensor.shape[1] < 1) {
      return wrong_shape(tensor, fmt::format("[{} experts, rows, columns]", model.experts));
    }
    AGLM_TRY(check_tensor_count(out.size() + static_cast<size_t>(model.experts), tensor));
    for (int64_t expert = 0; expert < model.experts; ++expert) {
      out.push_back(expert_rows(tensor,
                                fmt::format("{}experts.{}.{}{}", block, expert, name, suffix),
                                expert, 0, tensor.shape[1]));
    }
    return true;
  }
  return false;
}

}  // namespace autoglm
