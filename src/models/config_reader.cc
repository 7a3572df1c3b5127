#include "models/config_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace autoglm {
namespace {

// What transformers writes about training, tokens, file formats and itself: nothing that changes a
// forward pass in inference.
constexpr std::array<std::string_view, 45> kIrrelevant{"_name_or_path",
                                                       "architectures",
                                                       "attention_dropout",
                                                       "attention_softmax_in_fp32",
                                                       "auto_map",
                                                       "bias_dropout_fusion",
                                                       "bos_token_id",
                                                       "classifier_dropout",
                                                       "dtype",
                                                       "eos_token_id",
                                                       "fp32_residual_connection",
                                                       "hidden_dropout",
                                                       "id2label",
                                                       "initializer_range",
                                                       "keys_to_ignore_at_inference",
                                                       "label2id",
                                                       "model_type",
                                                       "pad_token_id",
                                                       "pre_seq_len",
                                                       "prefix_projection",
                                                       "pretraining_tp",
                                                       "problem_type",
                                                       "resid_pdrop",
                                                       "sep_token_id",
                                                       "tokenizer_class",
                                                       "torch_dtype",
                                                       "transformers_version",
                                                       "unk_token_id",
                                                       "use_cache",
                                                       "vocab_file",
                                                       "quantization_bit",
                                                       "apply_query_key_layer_scaling",
                                                       "use_mrope",
                                                       "output_attentions",
                                                       "output_hidden_states",
                                                       "return_dict",
                                                       "is_decoder",
                                                       "is_encoder_decoder",
                                                       "chunk_size_feed_forward",
                                                       "task_specific_params",
                                                       "use_return_dict",
                                                       "finetuning_task",
                                                       "output_router_logits",
                                                       "router_aux_loss_coef",
                                                       "router_jitter_noise"};

}  // namespace

bool ConfigReader::has(std::string_view key) {
  read_.emplace(key);
  return fields_.find(key) != nullptr;
}

bool ConfigReader::present(std::string_view key) {
  read_.emplace(key);
  return fields_.raw().contains(key);
}

Error ConfigReader::wrong(std::string_view key, std::string what, std::string_view expected) const {
  Error error = fields_.wrong(key, expected);
  if (!what.empty()) error.what = std::move(what);
  return error;
}

Result<int64_t> ConfigReader::integer(std::string_view key, int64_t least, int64_t most) {
  read_.emplace(key);
  const int64_t value = AGLM_TRY(fields_.integer(key));
  if (value < least || value > most) {
    return wrong(key, "value is out of range", fmt::format("{} to {}", least, most));
  }
  return value;
}

Result<int64_t> ConfigReader::integer_or(std::string_view key, int64_t otherwise, int64_t least,
                                         int64_t most) {
  if (!has(key)) return otherwise;
  return integer(key, least, most);
}

Result<double> ConfigReader::positive(std::string_view key, double most) {
  read_.emplace(key);
  const double value = AGLM_TRY(fields_.number(key));
  if (!(value > 0) || value > most) {
    return wrong(key, "value is out of range", fmt::format("more than 0, at most {:g}", most));
  }
  return value;
}

Result<double> ConfigReader::positive_or(std::string_view key, double otherwise, double most) {
  if (!has(key)) return otherwise;
  return positive(key, most);
}

Result<bool> ConfigReader::boolean(std::string_view key) {
  read_.emplace(key);
  return fields_.boolean(key);
}

Result<bool> ConfigReader::boolean_or(std::string_view key, bool otherwise) {
  read_.emplace(key);
  return fields_.boolean_or(key, otherwise);
}

Result<std::string> ConfigReader::string_or(std::string_view key, std::string_view otherwise) {
  read_.emplace(key);
  return fields_.string_or(key, otherwise);
}

Result<std::vector<std::string>> ConfigReader::strings(std::string_view key, size_t most) {
  read_.emplace(key);
  const json::array& items = *AGLM_TRY(fields_.list(key));
  std::vector<std::string> result;
  for (const json::value& item : items) {
    if (!item.is_string() || result.size() == most) {
      return wrong(key, "list has the wrong form", fmt::format("at most {} strings", most));
    }
    result.emplace_back(item.get_string());
  }
  return result;
}

Result<std::vector<int64_t>> ConfigReader::integers_or_none(std::string_view key, size_t at_most,
                                                            int64_t least, int64_t most) {
  std::vector<int64_t> result;
  if (!has(key)) return result;
  const json::array& items = *AGLM_TRY(fields_.list(key));
  for (const json::value& item : items) {
    if (!item.is_int64() || item.get_int64() < least || item.get_int64() > most ||
        result.size() == at_most) {
      return wrong(key, "list has the wrong form",
                   fmt::format("at most {} numbers from {} to {}", at_most, least, most));
    }
    result.push_back(item.get_int64());
  }
  return result;
}

Result<ConfigReader> ConfigReader::child(std::string_view key) {
  read_.emplace(key);
  json::Fields fields = AGLM_TRY(fields_.child(key));
  return ConfigReader(fields.raw(), fmt::format("{}: {}", where(), key));
}

Result<void> ConfigReader::only_flag(std::string_view key, bool supported) {
  if (!has(key)) return {};
  if (AGLM_TRY(fields_.boolean(key)) == supported) return {};
  Error error = wrong(key, "value is not supported", supported ? "true" : "false");
  error.code = ErrorCode::kUnsupported;
  return error;
}

Result<void> ConfigReader::only_name(std::string_view key,
                                     std::initializer_list<std::string_view> supported) {
  if (!has(key)) return {};
  const std::string name(AGLM_TRY(fields_.string(key)));
  if (std::ranges::find(supported, name) != supported.end()) return {};
  Error error =
      wrong(key, "value is not supported", fmt::format("{}", fmt::join(supported, " or ")));
  error.code = ErrorCode::kUnsupported;
  return error;
}

std::vector<std::string> ConfigReader::unread() const {
  std::vector<std::string> result;
  for (const auto& [key, value] : fields_.raw()) {
    const std::string_view name = key;
    if (!read_.contains(name) && std::ranges::find(kIrrelevant, name) == kIrrelevant.end()) {
      result.emplace_back(name);
    }
  }
  return result;
}

}  // namespace autoglm
