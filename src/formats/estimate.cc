#include "formats/estimate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/visible_text.h"
#include "formats/pack_file.h"

namespace autoglm {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 32;   // of one configured number
constexpr int64_t kMaxBytes = int64_t{1} << 56;  // of anything that is summed

// A number under the first of its names that the configuration has: transformers' and ChatGLM's.
Result<int64_t> number(const json::Fields& config, std::initializer_list<std::string_view> names,
                       int64_t otherwise = 0) {
  for (const std::string_view name : names) {
    if (config.find(name) == nullptr) continue;
    const int64_t value = AGLM_TRY(config.integer(name));
    if (value < 1 || value > kMaxSize) {
      return config.wrong(name, fmt::format("1 to {}", kMaxSize));
    }
    return value;
  }
  if (otherwise > 0) return otherwise;
  return config.wrong(*names.begin(), fmt::format("1 to {}", kMaxSize));
}

int64_t elements(const StoredTensor& tensor) {
  return tensor.rows() * (tensor.shape.size() > 1 ? tensor.columns() : 1);
}

bool is_embedding_or_head(std::string_view name) {
  return name.ends_with("embed_tokens.weight") || name.ends_with("word_embeddings.weight") ||
         name.ends_with("lm_head.weight") || name.ends_with("output_layer.weight");
}

bool is_ignored(const ModelSizes& sizes, std::string_view name) {
  return std::ranges::any_of(sizes.ignored,
                             [&](const std::string& prefix) { return name.starts_with(prefix); });
}

// Vectors are held in f32 under every rule.
double bytes_under(const WeightRule& rule, const StoredTensor& tensor) {
  const auto count = static_cast<double>(elements(tensor));
  if (tensor.shape.size() < 2) return count * 4;
  const double bits = is_embedding_or_head(tensor.name) ? rule.embedding_bits : rule.linear_bits;
  if (bits > 0) return count * bits / 8;
  if (tensor.coded) return static_cast<double>(tensor.stored_bytes());
  if (const CodeKind kind = code_kind(tensor); kind != CodeKind::kNone) {
    return count * held_bits(kind) / 8;
  }
  return count * (tensor.dtype == DType::kF32 || tensor.dtype == DType::kF64 ? 4 : 2);
}

Result<ModelSizes> read_sizes(const json::Fields& config) {
  ModelSizes out;
  const json::array& architectures = *AGLM_TRY(config.list("architectures"));
  if (architectures.empty() || !architectures[0].is_string()) {
    return config.wrong("architectures", "the name of a model class");
  }
  out.architecture = architectures[0].get_string();
  out.layers = AGLM_TRY(number(config, {"num_hidden_layers", "num_layers"}));
  out.hidden_size = AGLM_TRY(number(config, {"hidden_size"}));
  out.heads = AGLM_TRY(number(config, {"num_attention_heads"}));
  out.kv_heads =
      AGLM_TRY(number(config, {"num_key_value_heads", "multi_query_group_num"}, out.heads));
  out.head_dim = AGLM_TRY(number(config, {"head_dim", "kv_channels"},
                                 std::max<int64_t>(1, out.hidden_size / out.heads)));
  out.vocab_size = AGLM_TRY(number(config, {"padded_vocab_size", "vocab_size"}));
  out.context = AGLM_TRY(number(config, {"max_position_embeddings", "seq_length"}));
  return out;
}

Result<void> add_sizes(const Checkpoint& checkpoint, const std::optional<ModelSizes>& known,
                       CheckpointEstimate& out) {
  const json::Fields config(checkpoint.config(), checkpoint.path());
  out.sizes = known ? *known : AGLM_TRY(read_sizes(config));
  out.tied_embeddings = AGLM_TRY(config.boolean_or("tie_word_embeddings", false));
  int64_t values = 2 * out.sizes.layers;  // a key and a value in each
  for (const int64_t factor : {out.sizes.kv_heads, out.sizes.head_dim}) {
    if (__builtin_mul_overflow(values, factor, &values) || values > kMaxBytes) {
      return config.wrong("num_hidden_layers", "keys and values that fit a computer");
    }
  }
  if (!out.sizes.encoder.empty()) return {};  // keeps none
  out.kv_bytes_per_token["f32"] = values * 4;
  out.kv_bytes_per_token["bf16"] = values * 2;
  // Beside the codes, a scale in f32 for each head's key and value.
  out.kv_bytes_per_token["int8"] = values + values / out.sizes.head_dim * 4;
  for (const int64_t length : {4096, 32768, 131072}) {
    if (length < out.sizes.context) out.contexts.push_back(length);
  }
  out.contexts.push_back(out.sizes.context);
  return {};
}

std::string size_text(double bytes) {
  for (const char* unit : {"B", "KiB", "MiB", "GiB"}) {
    if (bytes < 1024) return fmt::format("{:.{}f} {}", bytes, unit[0] == 'B' ? 0 : 1, unit);
    bytes /= 1024;
  }
  return fmt::format("{:.1f} TiB", bytes);
}

std::string count_text(int64_t count) {
  const auto value = static_cast<double>(count);
  if (value >= 1e9) return fmt::format("{:.2f} B", value / 1e9);
  if (value >= 1e6) return fmt::format("{:.1f} M", value / 1e6);
  return fmt::format("{}", count);
}

double kv_bytes(int64_t bytes_per_token, int64_t context) {
  return static_cast<double>(bytes_per_token) * static_cast<double>(context);
}

}  // namespace

std::vector<WeightRule> default_weight_rules() {
  return {{.name = "none", .linear_bits = 0, .embedding_bits = 0},
          {.name = "int8", .linear_bits = 8, .embedding_bits = 8},
          {.name = "int4", .linear_bits = 4.5, .embedding_bits = 8}};
}

Result<CheckpointEstimate> estimate(const Checkpoint& checkpoint,
                                    const std::vector<WeightRule>& rules,
                                    const std::optional<ModelSizes>& known) {
  CheckpointEstimate out;
  out.path = checkpoint.path();
  out.format = checkpoint.kind() == Checkpoint::Kind::kGguf ? "GGUF" : "Hugging Face";
  out.quantization = checkpoint.quantization();
  out.has_chat_template = !checkpoint.chat_templates().empty();
  if (!checkpoint.tensors().empty()) AGLM_TRY(add_sizes(checkpoint, known, out));
  for (const StoredTensor& tensor : checkpoint.tensors()) {
    TensorSummary& summary =
        out.by_dtype[tensor.quantized != nullptr ? tensor.quantized->label
                                                 : std::string(dtype_info(tensor.dtype).name)];
    ++summary.tensors;
    summary.parameters += elements(tensor);
    summary.bytes += tensor.stored_bytes();
    out.parameters += elements(tensor);
  }
  if (const auto pack = checkpoint.pack()) {
    out.format = "packed";
    int64_t bytes = 0;
    for (const PackedWeightEntry& weight : pack->header().weights) bytes += weight.size_bytes;
    out.weight_bytes.emplace_back(pack->header().quantize, bytes);
    return out;
  }
  for (const WeightRule& rule : rules) {
    double bytes = 0;
    for (const StoredTensor& tensor : checkpoint.tensors()) {
      if (!is_ignored(out.sizes, tensor.name)) bytes += bytes_under(rule, tensor);
    }
    out.weight_bytes.emplace_back(rule.name, static_cast<int64_t>(std::ceil(bytes)));
  }
  return out;
}

std::string to_text(const CheckpointEstimate& e) {
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<15} {}\n", visible(name), visible(value));
  };
  line("path", e.path);
  line("format", e.format);
  if (e.by_dtype.empty()) {
    line("tensors", "none: a tokenizer only");
    return out;
  }
  line("architecture", e.sizes.architecture);
  if (!e.quantization.empty()) line("quantized", e.quantization);
  line("parameters", fmt::format("{} ({})", count_text(e.parameters), e.parameters));
  line("layers", fmt::format("{} of width {}", e.sizes.layers, e.sizes.hidden_size));
  if (e.sizes.experts > 0) {
    line("experts",
         fmt::format("{} in a layer, {} for each token, which meets {} parameters", e.sizes.experts,
                     e.sizes.experts_per_token, count_text(e.sizes.parameters_per_token)));
  }
  const bool writes = e.sizes.encoder.empty();
  if (!writes) line("encoder", e.sizes.encoder);
  std::string heads = fmt::format("{} heads of {}", e.sizes.heads, e.sizes.head_dim);
  if (writes) heads += fmt::format(", {} of keys and values", e.sizes.kv_heads);
  line("attention", heads);
  line("vocabulary",
       fmt::format("{}{}", e.sizes.vocab_size, e.tied_embeddings && writes ? ", tied" : ""));
  line("context", fmt::format("{} tokens", e.sizes.context));
  if (writes) line("chat template", e.has_chat_template ? "yes" : "no");
  for (const auto& [dtype, summary] : e.by_dtype) {
    line("stored " + dtype, fmt::format("{} tensors, {} parameters, {}", summary.tensors,
                                        count_text(summary.parameters),
                                        size_text(static_cast<double>(summary.bytes))));
  }
  out += "\nmemory for weights\n";
  for (const auto& [name, bytes] : e.weight_bytes) {
    line("  " + name, size_text(static_cast<double>(bytes)));
  }
  if (!writes) return out;
  out += "\nmemory for keys and values\n";
  for (const auto& [dtype, bytes] : e.kv_bytes_per_token) {
    std::string sizes = fmt::format("{} a token", size_text(static_cast<double>(bytes)));
    for (const int64_t context : e.contexts) {
      sizes += fmt::format("; {} for {} tokens", size_text(kv_bytes(bytes, context)), context);
    }
    line("  " + dtype, sizes);
  }
  return out;
}

json::object to_json(const CheckpointEstimate& e) {
  json::object dtypes;
  for (const auto& [dtype, summary] : e.by_dtype) {
    dtypes[dtype] = json::object{
        {"tensors", summary.tensors}, {"parameters", summary.parameters}, {"bytes", summary.bytes}};
  }
  json::object weights;
  for (const auto& [name, bytes] : e.weight_bytes) weights[name] = bytes;
  json::object per_token;
  json::array at_contexts;
  for (const auto& [dtype, bytes] : e.kv_bytes_per_token) per_token[dtype] = bytes;
  for (const int64_t context : e.contexts) {
    json::object entry{{"tokens", context}};
    for (const auto& [dtype, bytes] : e.kv_bytes_per_token) {
      entry[dtype] = kv_bytes(bytes, context);
    }
    at_contexts.push_back(std::move(entry));
  }
  return json::object{
      {"path", e.path},
      {"format", e.format},
      {"architecture", e.sizes.architecture},
      {"quantization", e.quantization},
      {"parameters", e.parameters},
      {"layers", e.sizes.layers},
      {"hidden_size", e.sizes.hidden_size},
      {"heads", e.sizes.heads},
      {"kv_heads", e.sizes.kv_heads},
      {"head_dim", e.sizes.head_dim},
      {"vocab_size", e.sizes.vocab_size},
      {"experts", e.sizes.experts},
      {"experts_per_token", e.sizes.experts_per_token},
      {"parameters_per_token", e.sizes.parameters_per_token},
      {"context", e.sizes.context},
      {"tied_embeddings", e.tied_embeddings},
      {"encoder", e.sizes.encoder.empty() ? json::value(nullptr) : json::value(e.sizes.encoder)},
      {"has_chat_template", e.has_chat_template},
      {"tensors_by_dtype", std::move(dtypes)},
      {"weight_bytes", std::move(weights)},
      {"kv_bytes_per_token", std::move(per_token)},
      {"kv_bytes", std::move(at_contexts)}};
}

}  // namespace autoglm
