// Sampling fields of OpenAI and vLLM.
#include "serve/api/sampling.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "autoglm/limits.h"
#include "base/utf8.h"
#include "serve/api/errors.h"
#include "serve/api/fields.h"
#include "serve/api/structured_output.h"

namespace autoglm::serve {
namespace {

constexpr int64_t kMaxTokens = std::numeric_limits<int32_t>::max();
constexpr int64_t kNoSeed = -1;  // llama.cpp's and vLLM's clients send it as their default

// Names of one thing, by which clients of several servers call it.
constexpr std::array<std::string_view, 2> kPenaltyNames = {"repeat_penalty",  // llama.cpp's
                                                           "repetition_penalty"};
constexpr std::array<std::string_view, 4> kBudgetNames = {
    "reasoning_budget", "thinking_budget", "thinking_budget_tokens", "thinking_token_budget"};
// llama.cpp's, transformers' and TGI's, OpenAI's older one.
constexpr std::array<std::string_view, 3> kLengthNames = {"n_predict", "max_new_tokens",
                                                          "max_tokens"};
// OpenAI's newer one counts where it stands beside the older, as in vLLM: clients that know both
// put their default into the older.
constexpr std::string_view kLengthName = "max_completion_tokens";

Result<void> read_numbers(const json::Fields& fields, SamplingParams& sampling) {
  if (const auto v = AGLM_TRY(number_field(fields, "temperature", 0, limits::kMaxTemperature))) {
    sampling.temperature = *v;
  }
  // transformers' switch: without sampling the temperature says nothing.
  if (fields.find("do_sample") != nullptr) {
    const bool sample = AGLM_TRY(boolean_field(fields, "do_sample", true));
    if (!sample) {
      sampling.temperature = 0;
    } else if (fields.find("temperature") == nullptr && sampling.temperature == 0) {
      sampling.temperature = 1;
    }
  }
  if (const auto v = AGLM_TRY(number_field(fields, "top_p", 0, 1))) {
    if (*v == 0) return bad_field("top_p", "out of range", "a number above 0, at most 1", "0");
    sampling.top_p = *v;
  }
  if (const auto v = AGLM_TRY(integer_field(fields, "top_k", -1, kMaxTokens))) {
    sampling.top_k = static_cast<int32_t>(*v);
  }
  if (const auto v = AGLM_TRY(number_field(fields, "min_p", 0, 1))) sampling.min_p = *v;
  AGLM_TRY(check_same(fields, kPenaltyNames));
  for (const std::string_view key : kPenaltyNames) {
    if (const auto v = AGLM_TRY(number_field(fields, key, limits::kMinRepetitionPenalty,
                                             limits::kMaxRepetitionPenalty))) {
      sampling.repetition_penalty = *v;
    }
  }
  if (const auto v = AGLM_TRY(
          number_field(fields, "presence_penalty", -limits::kMaxPenalty, limits::kMaxPenalty))) {
    sampling.presence_penalty = *v;
  }
  if (const auto v = AGLM_TRY(
          number_field(fields, "frequency_penalty", -limits::kMaxPenalty, limits::kMaxPenalty))) {
    sampling.frequency_penalty = *v;
  }
  if (const json::value* seed = fields.find("seed")) {
    if (seed->is_uint64()) {
      sampling.seed = seed->get_uint64();
    } else if (const int64_t number = AGLM_TRY(fields.integer("seed")); number == kNoSeed) {
      sampling.seed.reset();
    } else {
      // Other negative seeds are common in the wild; each is a seed of its own.
      sampling.seed = static_cast<uint64_t>(number);
    }
  }
  if (const auto v = AGLM_TRY(integer_field(fields, "n", 1, limits::kMaxChoices))) {
    sampling.n = static_cast<int32_t>(*v);
  }
  if (const auto v = AGLM_TRY(integer_field(fields, "num_speculative_tokens", 0, kMaxTokens))) {
    sampling.num_speculative_tokens = static_cast<int32_t>(*v);
  }
  return {};
}

// Ours, llama.cpp's and Qwen's names; -1 is no limit. Anthropic's and GLM's `thinking` has it
// inside.
Result<void> read_thinking_budget(const json::Fields& fields, SamplingParams& sampling) {
  const auto read = [&](const json::Fields& where, std::string_view key) -> Result<void> {
    if (const auto v = AGLM_TRY(integer_field(where, key, -1, kMaxTokens))) {
      if (*v < 0) {
        sampling.thinking_token_budget.reset();
      } else {
        sampling.thinking_token_budget = *v;
      }
    }
    return {};
  };
  if (const json::value* thinking = fields.find("thinking"); thinking && thinking->is_object()) {
    const json::Fields inner = AGLM_TRY(required_object(fields, "thinking"));
    AGLM_TRY(read(inner, "budget_tokens"));
  }
  AGLM_TRY(check_same(fields, kBudgetNames));
  for (const std::string_view key : kBudgetNames) AGLM_TRY(read(fields, key));
  return {};
}

Result<void> read_lengths(const json::Fields& fields, Dialect dialect, SamplingParams& sampling) {
  // 0 is for completions that only echo and score their prompt.
  const int64_t least = dialect == Dialect::kCompletions ? 0 : 1;
  AGLM_TRY(check_same(fields, kLengthNames));
  for (const std::string_view key : {"n_predict", "max_new_tokens"}) {
    AGLM_TRY(check_same(fields, std::array{key, kLengthName}));
  }
  // llama.cpp's clients write -1 and -2 for "no limit".
  bool unlimited = false;
  for (const std::string_view key :
       {kLengthNames[0], kLengthNames[1], kLengthNames[2], kLengthName}) {
    const json::value* given = fields.find(key);
    if (given != nullptr && (*given == -1 || *given == -2)) {
      sampling.max_tokens.reset();
      unlimited = true;
    } else if (const auto v = AGLM_TRY(integer_field(fields, key, least, kMaxTokens))) {
      sampling.max_tokens = *v;
      unlimited = false;
    }
  }
  // OpenAI's default for completions; everywhere else an answer may fill the context.
  if (dialect == Dialect::kCompletions && !sampling.max_tokens && !unlimited) {
    sampling.max_tokens = 16;
  }
  if (const auto v = AGLM_TRY(integer_field(fields, "min_tokens", 0, kMaxTokens))) {
    if (sampling.max_tokens && *v > *sampling.max_tokens) {
      return bad_field("min_tokens", "out of range",
                       fmt::format("at most max_tokens, {}", *sampling.max_tokens),
                       fmt::to_string(*v));
    }
    sampling.min_tokens = *v;
  }
  AGLM_TRY(read_thinking_budget(fields, sampling));
  sampling.ignore_eos = AGLM_TRY(boolean_field(fields, "ignore_eos", sampling.ignore_eos));
  sampling.skip_special_tokens =
      AGLM_TRY(boolean_field(fields, "skip_special_tokens", sampling.skip_special_tokens));
  sampling.include_stop_str_in_output = AGLM_TRY(
      boolean_field(fields, "include_stop_str_in_output", sampling.include_stop_str_in_output));
  return {};
}

Result<void> add_stop(const json::value& value, SamplingParams& sampling) {
  if (!value.is_string()) {
    return bad_field("stop", "wrong kind", "a string or a list of strings", json::kind_name(value));
  }
  const std::string_view text = value.get_string();
  if (text.empty()) return bad_field("stop", "empty stop string", "at least one character");
  if (text.size() > limits::kMaxStopBytes) {
    return bad_field("stop", "stop string is too long",
                     fmt::format("{} bytes", limits::kMaxStopBytes),
                     fmt::format("{} bytes", text.size()));
  }
  sampling.stop.emplace_back(text);
  return {};
}

Result<void> read_stops(const json::Fields& fields, const ModelInfo& model,
                        SamplingParams& sampling) {
  if (const json::value* stop = fields.find("stop")) {
    sampling.stop.clear();
    if (stop->is_array()) {
      const json::array& list = stop->get_array();
      if (list.size() > limits::kMaxStops) {
        return bad_field("stop", "too many stop strings",
                         fmt::format("at most {}", limits::kMaxStops), fmt::to_string(list.size()));
      }
      for (const json::value& item : list) AGLM_TRY(add_stop(item, sampling));
    } else {
      AGLM_TRY(add_stop(*stop, sampling));
    }
  }
  if (fields.find("stop_token_ids") != nullptr) {
    const json::array& list = *AGLM_TRY(fields.list("stop_token_ids"));
    if (list.size() > limits::kMaxStopTokens) {
      return bad_field("stop_token_ids", "too many ids",
                       fmt::format("at most {}", limits::kMaxStopTokens),
                       fmt::to_string(list.size()));
    }
    sampling.stop_token_ids = AGLM_TRY(token_ids(list, "stop_token_ids", model.vocab_size));
  }
  return {};
}

Result<void> read_logit_bias(const json::Fields& fields, const ModelInfo& model,
                             SamplingParams& sampling) {
  if (fields.find("logit_bias") == nullptr) return {};
  const json::Fields biases = AGLM_TRY(fields.child("logit_bias"));
  if (biases.raw().size() > limits::kMaxLogitBiases) {
    return bad_field("logit_bias", "too many entries",
                     fmt::format("at most {}", limits::kMaxLogitBiases),
                     fmt::to_string(biases.raw().size()));
  }
  std::map<int32_t, double> found;
  for (const auto& member : biases.raw()) {
    const std::string_view key = member.key();
    int32_t id = -1;
    const auto [end, code] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (code != std::errc() || end != key.data() + key.size() || id < 0 || id >= model.vocab_size) {
      return bad_field("logit_bias", "key is not a token id",
                       fmt::format("\"0\" to \"{}\"", model.vocab_size - 1),
                       repair_utf8(utf8_prefix(key, 40)));
    }
    if (const auto bias =
            AGLM_TRY(number_field(biases, key, -limits::kMaxLogitBias, limits::kMaxLogitBias))) {
      found[id] = *bias;
    }
  }
  sampling.logit_bias = std::move(found);
  return {};
}

Result<void> read_logprobs(const json::Fields& fields, Dialect dialect, AnswerOptions& options) {
  SamplingParams& sampling = options.sampling;
  const json::value* logprobs = fields.find("logprobs");
  const auto top = AGLM_TRY(integer_field(fields, "top_logprobs", 0, limits::kMaxLogprobs));
  if (logprobs != nullptr && (dialect == Dialect::kChat || logprobs->is_bool())) {
    if (dialect == Dialect::kCompletions) return fields.wrong("logprobs", "an integer");
    options.logprobs = AGLM_TRY(fields.boolean("logprobs"));
    if (options.logprobs) sampling.logprobs = static_cast<int32_t>(top.value_or(0));
  } else if (const auto n = AGLM_TRY(integer_field(fields, "logprobs", 0, limits::kMaxLogprobs))) {
    options.logprobs = true;
    sampling.logprobs = static_cast<int32_t>(*n);
  }
  if (top && !options.logprobs) {
    return bad_field("top_logprobs", "needs \"logprobs\": true");
  }
  if (const auto n = AGLM_TRY(integer_field(fields, "prompt_logprobs", 0, limits::kMaxLogprobs))) {
    sampling.prompt_logprobs = static_cast<int32_t>(*n);
  }
  return {};
}

Result<void> read_stream(const json::Fields& fields, AnswerOptions& options) {
  options.stream = AGLM_TRY(boolean_field(fields, "stream", false));
  if (fields.find("stream_options") == nullptr) return {};
  if (!options.stream) return bad_field("stream_options", "needs \"stream\": true");
  const json::Fields stream = AGLM_TRY(fields.child("stream_options"));
  options.include_usage = AGLM_TRY(boolean_field(stream, "include_usage", false));
  options.continuous_usage =
      options.include_usage && AGLM_TRY(boolean_field(stream, "continuous_usage_stats", false));
  return {};
}

// Every prompt of a request has a copy of it.
Result<std::string> short_string(const json::Fields& fields, std::string_view key, size_t most) {
  std::string text = AGLM_TRY(string_field(fields, key)).value_or("");
  if (text.size() <= most) return text;
  return bad_field(key, "too long", fmt::format("at most {} bytes", most),
                   fmt::format("{}", text.size()));
}

// Fields of llama.cpp, vLLM and SGLang that change the answer and are not offered, with the number
// that means "as without"; clients spell out such defaults.
struct Neutral {
  std::string_view key;
  double number = 0;
};
constexpr std::array kNeutral = {Neutral{"mirostat", 0},
                                 Neutral{"typical_p", 1},
                                 Neutral{"typ_p", 1},
                                 Neutral{"tfs_z", 1},
                                 Neutral{"top_a", 0},
                                 Neutral{"top_n_sigma", -1},
                                 Neutral{"xtc_probability", 0},
                                 Neutral{"dry_multiplier", 0},
                                 Neutral{"dynatemp_range", 0},
                                 Neutral{"min_keep", 0},
                                 Neutral{"epsilon_cutoff", 0},
                                 Neutral{"eta_cutoff", 0},
                                 Neutral{"smoothing_factor", 0},
                                 Neutral{"penalty_alpha", 0},
                                 Neutral{"no_repeat_ngram_size", 0},
                                 Neutral{"num_beams", 1},
                                 Neutral{"length_penalty", 1},
                                 Neutral{"guidance_scale", 1},
                                 Neutral{"cfg_scale", 1},
                                 Neutral{"min_new_tokens", 0},
                                 Neutral{"n_probs", 0},
                                 Neutral{"n_indent", 0},
                                 Neutral{"t_max_predict_ms", 0},
                                 Neutral{"diversity_penalty", 0}};

// Present, and neither null, false, "" nor an empty list or object: a wish, not a default spelled
// out.
bool wished(const json::Fields& fields, std::string_view key) {
  const json::value* v = fields.find(key);
  if (v == nullptr) return false;
  if (v->is_bool()) return v->get_bool();
  if (v->is_string()) return !v->get_string().empty();
  if (v->is_array()) return !v->get_array().empty();
  if (v->is_object()) return !v->get_object().empty();
  return true;
}

}  // namespace

Result<Scheduling> read_scheduling(const json::Fields& fields, const RequestContext& request) {
  Scheduling scheduling;
  scheduling.tenant = AGLM_TRY(short_string(fields, "user", limits::kMaxTenantBytes));
  scheduling.cache_salt = AGLM_TRY(short_string(fields, "cache_salt", limits::kMaxCacheSaltBytes));
  if (const auto v = AGLM_TRY(integer_field(fields, "priority", -kMaxTokens, kMaxTokens))) {
    scheduling.priority = static_cast<int32_t>(*v);
  } else if (AGLM_TRY(string_field(fields, "service_tier")) == "flex") {
    scheduling.priority = 2;
  }
  if (const auto v = AGLM_TRY(integer_field(fields, "timeout_ms", 1, kMaxTokens))) {
    scheduling.timeout_ms = *v;
  }
  if (request.tenant_outranks) scheduling.tenant = request.tenant;
  if (request.deadline) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(
        *request.deadline - std::chrono::steady_clock::now());
    const int64_t most = std::max<int64_t>(left.count(), 1);
    scheduling.timeout_ms = std::min(scheduling.timeout_ms.value_or(most), most);
  }
  return scheduling;
}

Result<AnswerOptions> read_answer_options(const json::Fields& fields, Dialect dialect,
                                          const ModelInfo& model, const RequestContext& request) {
  AnswerOptions options;
  options.sampling = model.default_sampling;
  AGLM_TRY(refuse_unsupported(fields, dialect));
  AGLM_TRY(read_numbers(fields, options.sampling));
  AGLM_TRY(read_lengths(fields, dialect, options.sampling));
  AGLM_TRY(read_stops(fields, model, options.sampling));
  AGLM_TRY(read_logit_bias(fields, model, options.sampling));
  AGLM_TRY(read_logprobs(fields, dialect, options));
  AGLM_TRY(read_stream(fields, options));
  options.echo = AGLM_TRY(boolean_field(fields, "echo", false));
  options.return_token_ids = AGLM_TRY(boolean_field(fields, "return_token_ids", false));
  options.scheduling = AGLM_TRY(read_scheduling(fields, request));
  options.structured_output = AGLM_TRY(read_structured_output(fields));
  return options;
}

Result<void> refuse_unsupported(const json::Fields& fields, Dialect dialect) {
  static constexpr std::array kNever = {"suffix",
                                        "use_beam_search",
                                        "allowed_token_ids",
                                        "bad_words",
                                        "prompt_embeds",
                                        "guided_whitespace_pattern",
                                        "truncate_prompt_tokens",
                                        "stop_regex",
                                        "regex",
                                        "ebnf",
                                        "negative_prompt",
                                        "custom_logit_processor",
                                        "custom_params",
                                        "lora",
                                        "lora_path",
                                        "lora_request",
                                        "control_vectors",
                                        "mm_processor_kwargs",
                                        "media_io_kwargs",
                                        "image_data",
                                        "multimodal_data",
                                        "samplers_order",
                                        "suppress_tokens",
                                        "begin_suppress_tokens",
                                        "force_words_ids",
                                        "stop_sequences",
                                        "return_tokens_as_token_ids",
                                        "logits_processors",
                                        "functions",
                                        "function_call",
                                        "audio",
                                        "web_search_options"};
  for (const std::string_view key : kNever) {
    if (wished(fields, key)) return not_offered(key, "this field is not supported");
  }
  for (const Neutral& neutral : kNeutral) {
    const json::value* v = fields.find(neutral.key);
    if (v == nullptr || !wished(fields, neutral.key)) continue;
    if (!v->is_number() || v->to_number<double>() != neutral.number) {
      return not_offered(neutral.key, fmt::format("this field is not supported; {} is as without",
                                                  neutral.number));
    }
  }
  if (const json::value* best_of = fields.find("best_of")) {
    const auto v = AGLM_TRY(integer_field(fields, "best_of", 1, limits::kMaxChoices));
    const json::value* n = fields.find("n");
    if (*v > 1 && (n == nullptr || *n != *best_of)) {
      return not_offered("best_of", "best_of above n is not supported");
    }
  }
  if (fields.find("modalities") != nullptr) {
    for (const json::value& item : *AGLM_TRY(fields.list("modalities"))) {
      if (item != "text") return not_offered("modalities", "the only modality is \"text\"");
    }
  }
  if (dialect != Dialect::kChat && wished(fields, "tools")) {
    return not_offered("tools", "tools belong to /v1/chat/completions");
  }
  return {};
}

}  // namespace autoglm::serve
