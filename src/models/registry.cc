#include "models/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"

namespace autoglm {
namespace {

struct Architecture {
  std::string_view name;
  std::string_view model_type;  // whose class it is where config.json names none; empty: nobody's
  Result<Model> (*record)(const Checkpoint&, ConfigReader&);
};

constexpr std::array<Architecture, 18> kArchitectures{{
    {"BertForSequenceClassification", "", record_bert_classifier},
    {"BertModel", "bert", record_bert},
    {"ChatGLMForConditionalGeneration", "chatglm", record_chatglm},
    {"ChatGLMModel", "chatglm", record_chatglm},
    {"Glm4ForCausalLM", "glm4", record_glm4},
    {"Glm4MoeForCausalLM", "glm4_moe", record_glm4_moe},
    {"GlmForCausalLM", "glm", record_glm},
    {"LlamaForCausalLM", "llama", record_llama},
    {"MistralForCausalLM", "mistral", record_mistral},
    {"MixtralForCausalLM", "mixtral", record_mixtral},
    {"Qwen2ForCausalLM", "qwen2", record_qwen2},
    {"Qwen2MoeForCausalLM", "qwen2_moe", record_qwen2_moe},
    {"Qwen3ForCausalLM", "qwen3", record_qwen3},
    {"Qwen3MoeForCausalLM", "qwen3_moe", record_qwen3_moe},
    {"RobertaForSequenceClassification", "", record_xlm_roberta_classifier},
    {"RobertaModel", "roberta", record_xlm_roberta},
    {"XLMRobertaForSequenceClassification", "", record_xlm_roberta_classifier},
    {"XLMRobertaModel", "xlm-roberta", record_xlm_roberta},
}};

// Caches of numbers that we compute, written by older versions of transformers.
bool recomputed(std::string_view tensor) {
  return tensor.ends_with("rotary_emb.inv_freq") || tensor.ends_with("rotary_pos_emb.inv_freq") ||
         tensor == "rope_freqs.weight" || tensor.ends_with("embeddings.position_ids");
}

// In the log, and so no longer than a line.
std::string first_few(const std::vector<std::string>& names) {
  const size_t shown = std::min<size_t>(names.size(), 8);
  const std::vector<std::string> head(names.begin(), names.begin() + static_cast<long>(shown));
  return fmt::format("{}{}", fmt::join(head, ", "), shown < names.size() ? ", ..." : "");
}

// The class that the configuration names, or else the one that transformers has for its model_type.
Result<std::string> architecture_of(ConfigReader& config) {
  if (config.has("architectures")) {
    const std::vector<std::string> named = AGLM_TRY(config.strings("architectures", 16));
    if (!named.empty()) return named[0];
  }
  const std::string type = AGLM_TRY(config.string_or("model_type", ""));
  const auto found = std::ranges::find(kArchitectures, type, &Architecture::model_type);
  if (!type.empty() && found != kArchitectures.end()) return std::string(found->name);
  return type.empty() ? "none" : fmt::format("model_type {}", type);
}

}  // namespace

std::vector<std::string_view> known_architectures() {
  std::vector<std::string_view> names;
  names.reserve(std::size(kArchitectures));
  for (const Architecture& a : kArchitectures) names.push_back(a.name);
  return names;
}

Result<Model> build_model(const Checkpoint& checkpoint) {
  ConfigReader config(checkpoint.config(), checkpoint.path());
  const std::string wanted = AGLM_TRY(architecture_of(config));
  const auto found = std::ranges::find(kArchitectures, wanted, &Architecture::name);
  if (found == kArchitectures.end()) {
    return Error{ErrorCode::kUnsupported, "architecture is unknown",
                 checkpoint.path() + ": architectures",
                 fmt::format("one of {}", fmt::join(known_architectures(), ", ")), wanted};
  }
  Model model = AGLM_TRY(found->record(checkpoint, config));
  model.architecture = wanted;
  auto unread = config.unread();
  // formats/ has read how the weights were quantized.
  std::erase_if(unread, [](const std::string& key) { return key == "quantization_config"; });
  if (!unread.empty()) {
    logger()->info("{}: configuration keys without effect: {}", checkpoint.path(),
                   first_few(unread));
  }
  return model;
}

Result<Model> finish_model(Recorder&& recorder, int64_t max_context) {
  std::vector<std::string> unused;
  for (const StoredTensor& tensor : recorder.checkpoint().tensors()) {
    if (!recorder.used(tensor.name) && !recomputed(tensor.name)) unused.push_back(tensor.name);
  }
  const std::string path = recorder.checkpoint().path();
  Model model;
  model.parameters = recorder.parameters();
  model.parameters_per_token = model.parameters;
  model.ignored = recorder.ignored();
  model.graph = AGLM_TRY(std::move(recorder).finish());
  if (!unused.empty()) {
    logger()->info("{}: {} tensors that the model does not use: {}", path, unused.size(),
                   first_few(unused));
  }
  const int32_t logits = model.graph.output(kLogitsOutput);
  if (logits >= 0) model.vocab_size = model.graph.node(logits).shape.columns;
  model.hidden_size = model.graph.node(model.graph.output(kHiddenOutput)).shape.columns;
  model.n_layers = model.graph.n_layers();
  for (const Node& node : model.graph.nodes()) {
    if (node.op != Op::kAttention) continue;
    model.n_heads = node.attention.n_heads;
    model.n_kv_heads = node.attention.n_kv_heads;
    model.head_dim = node.attention.head_dim;
    break;  // the same in every layer
  }
  for (const Node& node : model.graph.nodes()) {
    if (node.op != Op::kExpertMlp) continue;
    model.experts = node.route.experts;
    model.experts_per_token = node.route.chosen;
    for (const WeightId id : node.weights) {
      const Weight& weight = model.graph.weight(id);
      if (weight.members == 1) continue;
      model.parameters_per_token -=
          weight.member_rows() * weight.columns * (weight.members - node.route.chosen);
    }
  }
  model.max_context = max_context;
  return model;
}

}  // namespace autoglm
