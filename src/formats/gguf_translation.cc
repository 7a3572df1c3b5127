#include "formats/gguf_translation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "formats/gguf_config.h"
#include "formats/gguf_mixture.h"

namespace autoglm {
namespace {

struct Name {
  std::string_view gguf;
  std::string_view hugging_face;
};

constexpr std::array kOutside{
    Name{"token_embd", "model.embed_tokens"},
    Name{"output_norm", "model.norm"},
    Name{"output", "lm_head"},
};

// ffn_norm comes before the feed-forward block, as post_attention_layernorm does in transformers;
// the two norms after GLM-4-0414's blocks are post_attention_norm and post_ffw_norm.
constexpr std::array kInLayer{
    Name{"attn_norm", "input_layernorm"},
    Name{"attn_q", "self_attn.q_proj"},
    Name{"attn_k", "self_attn.k_proj"},
    Name{"attn_v", "self_attn.v_proj"},
    Name{"attn_output", "self_attn.o_proj"},
    Name{"attn_q_norm", "self_attn.q_norm"},
    Name{"attn_k_norm", "self_attn.k_norm"},
    Name{"post_attention_norm", "post_self_attn_layernorm"},
    Name{"ffn_norm", "post_attention_layernorm"},
    Name{"ffn_gate", "mlp.gate_proj"},
    Name{"ffn_up", "mlp.up_proj"},
    Name{"ffn_down", "mlp.down_proj"},
    Name{"post_ffw_norm", "post_mlp_layernorm"},
};

template <size_t N>
std::optional<std::string_view> counterpart(const std::array<Name, N>& names,
                                            std::string_view gguf) {
  for (const Name& name : names) {
    if (name.gguf == gguf) return name.hugging_face;
  }
  return std::nullopt;
}

// "blk.12.attn_q.weight" taken apart; layer is -1 outside of layers.
struct Parts {
  int64_t layer = -1;
  std::string_view stem;    // "attn_q"
  std::string_view suffix;  // ".weight", ".bias"
};

Parts take_apart(std::string_view name) {
  Parts parts;
  if (name.starts_with("blk.")) {
    const std::string_view rest = name.substr(4);
    int64_t layer = 0;
    const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), layer);
    const auto digits = static_cast<size_t>(end - rest.data());
    if (failure == std::errc() && layer >= 0 && digits < rest.size() && rest[digits] == '.') {
      parts.layer = layer;
      name = rest.substr(digits + 1);
    }
  }
  const size_t dot = name.rfind('.');
  parts.stem = name.substr(0, dot);
  parts.suffix = dot == std::string_view::npos ? "" : name.substr(dot);
  return parts;
}

// Rows as transformers has them from rows as llama.cpp does (LlamaModel.permute of its converter):
// in each head, rotated pair j is stored as rows 2j and 2j + 1 and logically rows j and j + n / 2.
std::vector<int32_t> half_split_order(int64_t heads, int64_t head_dim, int64_t rotated) {
  std::vector<int32_t> order;
  order.reserve(static_cast<size_t>(heads * head_dim));
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t i = 0; i < head_dim; ++i) {
      int64_t stored = i;
      if (i < rotated / 2) {
        stored = 2 * i;
      } else if (i < rotated) {
        stored = 2 * (i - rotated / 2) + 1;
      }
      order.push_back(static_cast<int32_t>(head * head_dim + stored));
    }
  }
  return order;
}

Error wrong_rows(const StoredTensor& tensor, int64_t expected) {
  return Error{ErrorCode::kCorrupt, "tensor has the wrong number of rows", tensor.where,
               fmt::format("{}", expected), fmt::format("[{}]", fmt::join(tensor.shape, ", "))};
}

// Rows [begin, begin + count) under a name of their own; the bytes stay where they are.
StoredTensor slice(const StoredTensor& fused, std::string name, int64_t begin, int64_t count) {
  StoredTensor part = fused;
  part.name = std::move(name);
  part.shape[0] = count;
  const size_t row_bytes = fused.bytes.size() / static_cast<size_t>(fused.rows());
  part.bytes = fused.bytes.subspan(static_cast<size_t>(begin) * row_bytes,
                                   static_cast<size_t>(count) * row_bytes);
  return part;
}

class Translator {
 public:
  explicit Translator(const GgufModel& model) : model_(model) {}

  Result<void> add(const StoredTensor& tensor, std::vector<StoredTensor>& out) const {
    const Parts parts = take_apart(tensor.name);
    if (parts.layer < 0) {
      const auto name = counterpart(kOutside, parts.stem);
      out.push_back(tensor);
      if (name) out.back().name = fmt::format("{}{}", *name, parts.suffix);
      return {};
    }
    const std::string prefix = fmt::format("model.layers.{}.", parts.layer);
    if (parts.stem == "attn_qkv") return add_fused(tensor, prefix, parts.suffix, out);
    if (AGLM_TRY(add_mixture_tensor(tensor, model_, prefix, parts.stem, parts.suffix, out))) {
      return {};
    }
    auto name = counterpart(kInLayer, parts.stem);
    if (parts.stem == "ffn_up" && model_.architecture->fused_gate_up) name = "mlp.gate_up_proj";
    out.push_back(tensor);
    if (!name) return {};
    out.back().name = fmt::format("{}{}{}", prefix, *name, parts.suffix);
    if (model_.architecture->permuted) return reorder(parts.stem, out.back());
    return {};
  }

 private:
  Result<void> add_fused(const StoredTensor& fused, const std::string& prefix,
                         std::string_view suffix, std::vector<StoredTensor>& out) const {
    const int64_t q_rows = model_.heads * model_.head_dim;
    const int64_t k_rows = model_.kv_heads * model_.head_dim;
    if (fused.rows() != q_rows + 2 * k_rows) return wrong_rows(fused, q_rows + 2 * k_rows);
    const auto name = [&](char which) {
      return fmt::format("{}self_attn.{}_proj{}", prefix, which, suffix);
    };
    out.push_back(slice(fused, name('q'), 0, q_rows));
    out.push_back(slice(fused, name('k'), q_rows, k_rows));
    out.push_back(slice(fused, name('v'), q_rows + k_rows, k_rows));
    if (!model_.architecture->permuted) return {};
    AGLM_TRY(reorder("attn_q", out[out.size() - 3]));
    return reorder("attn_k", out[out.size() - 2]);
  }

  Result<void> reorder(std::string_view stem, StoredTensor& tensor) const {
    if (stem != "attn_q" && stem != "attn_k") return {};
    const int64_t heads = stem == "attn_q" ? model_.heads : model_.kv_heads;
    // First, so that the order is no longer than the file's rows are many.
    if (tensor.rows() != heads * model_.head_dim) {
      return wrong_rows(tensor, heads * model_.head_dim);
    }
    tensor.row_order = half_split_order(heads, model_.head_dim, model_.rotated);
    return {};
  }

  const GgufModel model_;
};

Result<TranslatedGguf> translate_tokenizer_only(const Gguf& gguf) {
  TranslatedGguf translated;
  if (const auto name = AGLM_TRY(gguf.string("general.architecture"))) {
    translated.config["model_type"] = printable(*name);
  }
  if (const GgufArray* tokens = AGLM_TRY(gguf.array("tokenizer.ggml.tokens"))) {
    translated.config["vocab_size"] = static_cast<int64_t>(tokens->count);
  }
  translated.generation_config = AGLM_TRY(translate_generation_config(gguf));
  return translated;
}

}  // namespace

Result<TranslatedGguf> translate_gguf(const Gguf& gguf) {
  if (gguf.tensors.empty()) return translate_tokenizer_only(gguf);
  const GgufModel model = AGLM_TRY(read_model(gguf));
  TranslatedGguf translated;
  translated.config = AGLM_TRY(translate_config(gguf, model));
  translated.generation_config = AGLM_TRY(translate_generation_config(gguf));
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
    const json::value* id = translated.generation_config.if_contains(key);
    if (id != nullptr) translated.config[key] = *id;
  }
  const Translator translator(model);
  for (const StoredTensor& tensor : gguf.tensors) {
    AGLM_TRY(translator.add(tensor, translated.tensors));
  }
  std::set<std::string_view> names;
  for (const StoredTensor& tensor : translated.tensors) {
    if (!names.insert(tensor.name).second) {
      return Error{ErrorCode::kCorrupt, "two tensors stand for the same weights", tensor.where,
                   "one", tensor.name};
    }
  }
  return translated;
}

}  // namespace autoglm
