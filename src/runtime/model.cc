// GLMModel: a checkpoint, its tokenizer, its template and an engine, put together.
#include "autoglm/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/engine.h"
#include "formats/checkpoint.h"
#include "formats/model_source.h"
#include "runtime/answer_format.h"
#include "runtime/chat_prompt.h"
#include "runtime/encoder_text.h"
#include "runtime/load_encoder.h"
#include "runtime/load_executor.h"
#include "runtime/load_tokenizer.h"
#include "runtime/memory.h"
#include "runtime/open_spill.h"
#include "runtime/plan_model.h"
#include "text/tokenizer.h"

namespace autoglm {

class GLMModel::Impl {
 public:
  ModelInfo info;
  std::shared_ptr<const Tokenizer> tokenizer;
  Result<ChatPrompt> chat_prompt = Error{};
  tools::OutputFormat answer_format;
  std::shared_ptr<Engine> engine;          // of a model that writes
  std::shared_ptr<EncoderEngine> encoder;  // of one that does not
  bool tells_texts_apart = false;          // an encoder, where two are read together
  RequestEngine& runs() const {
    return encoder ? static_cast<RequestEngine&>(*encoder) : static_cast<RequestEngine&>(*engine);
  }
};

namespace {

// Prompt log-probabilities and embeddings want an output row for each token; more rows than this
// in a step would cost memory (a row is as wide as the vocabulary) and gain nothing.
constexpr int32_t kMinOutputRows = 16;

// Rows of logits for drafted tokens: with more rows than this in a step arithmetic, not memory, is
// the limit, and drafts no longer come for nothing.
constexpr int32_t kMaxDraftRows = 64;

// Of a tenant: further apart than these, one of two would as good as never be served.
constexpr double kLeastTenantWeight = 0.001;
constexpr double kMostTenantWeight = 1000;

Result<void> check_options(const LoadOptions& options) {
  const auto invalid = [](std::string_view name, std::string expected, int64_t found) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "option out of range",
                 .where = std::string(name),
                 .expected = std::move(expected),
                 .found = fmt::format("{}", found)};
  };
  // Bounds that keep the memory of a step in reason: 4096 rows of a wide model are gigabytes.
  if (options.max_batch_size < 1 || options.max_batch_size > 4096) {
    return invalid("max_batch_size", "1 to 4096", options.max_batch_size);
  }
  if (options.max_batched_tokens < options.max_batch_size || options.max_batched_tokens > 65536) {
    return invalid("max_batched_tokens",
                   fmt::format("{} (max_batch_size) to 65536", options.max_batch_size),
                   options.max_batched_tokens);
  }
  if (options.max_queue < 0) return invalid("max_queue", "at least 0", options.max_queue);
  if (options.kv_cache_memory_bytes < 0) {
    return invalid("kv_cache_memory", "at least 0", options.kv_cache_memory_bytes);
  }
  if (options.grammar_cache_bytes < 0) {
    return invalid("grammar_cache_memory", "at least 0", options.grammar_cache_bytes);
  }
  if (options.max_inter_token_ms < 0 || options.max_inter_token_ms > 3'600'000) {
    return invalid("max_inter_token_ms", "0 to 3600000", options.max_inter_token_ms);
  }
  if (options.batch_window_ms < 0 || options.batch_window_ms > 3'600'000) {
    return invalid("batch_window_ms", "0 to 3600000", options.batch_window_ms);
  }
  if (options.batch_window_size < 1) {
    return invalid("batch_window_size", "at least 1", options.batch_window_size);
  }
  for (const auto& [tenant, weight] : options.tenant_weights) {
    if (weight >= kLeastTenantWeight && weight <= kMostTenantWeight) continue;
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "option out of range",
                 .where = "tenant_weights",
                 .expected = fmt::format("{} to {}", kLeastTenantWeight, kMostTenantWeight),
                 .found = fmt::format("{}={}", tenant, weight)};
  }
  if (options.max_model_len < 0) {
    return invalid("max_model_len", "at least 0", options.max_model_len);
  }
  const SpeculationOptions& speculation = options.speculation;
  if (speculation.num_speculative_tokens < 1 ||
      speculation.num_speculative_tokens > kMaxDraftRows) {
    return invalid("num_speculative_tokens", fmt::format("1 to {}", kMaxDraftRows),
                   speculation.num_speculative_tokens);
  }
  // Every n has a table of its own.
  if (speculation.prompt_lookup_max < 1 || speculation.prompt_lookup_max > 16) {
    return invalid("prompt_lookup_max", "1 to 16", speculation.prompt_lookup_max);
  }
  if (speculation.prompt_lookup_min < 1 ||
      speculation.prompt_lookup_min > speculation.prompt_lookup_max) {
    return invalid("prompt_lookup_min",
                   fmt::format("1 to {} (prompt_lookup_max)", speculation.prompt_lookup_max),
                   speculation.prompt_lookup_min);
  }
  const std::string& method = speculation.method;
  const auto wrong = [](std::string_view name, std::string expected, const std::string& found) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "option has the wrong value",
                 .where = std::string(name),
                 .expected = std::move(expected),
                 .found = found.empty() ? "nothing" : found};
  };
  if (method != "none" && method != "ngram" && method != "draft_model") {
    return wrong("speculative_method", "none, ngram or draft_model", method);
  }
  if (method == "draft_model" && speculation.model.empty()) {
    return wrong("speculative_model", "the draft model's path for speculative_method draft_model",
                 "");
  }
  if (method != "draft_model" && !speculation.model.empty()) {
    return wrong("speculative_method", "draft_model, because speculative_model is set", method);
  }
  return {};
}

ExecutorOptions executor_options(const LoadOptions& options) {
  const SpeculationOptions& speculation = options.speculation;
  const int64_t draft_rows =
      speculation.method == "none"
          ? 0
          : std::min<int64_t>(int64_t{options.max_batch_size} * speculation.num_speculative_tokens,
                              kMaxDraftRows);
  const auto output_rows = static_cast<int32_t>(options.max_batch_size + draft_rows);
  return {.device = options.device,
          .quantize = options.quantize,
          .kv_cache_dtype = options.kv_cache_dtype,
          .threads = options.threads,
          .max_rows = options.max_batched_tokens,
          .max_model_len = options.max_model_len,
          .max_output_rows =
              std::min(std::max(output_rows, kMinOutputRows), options.max_batched_tokens),
          .progress = options.progress};
}

// The second model of method draft_model.
struct Draft {
  std::shared_ptr<const Checkpoint> checkpoint;
  ExecutorOptions options;
  ExecutorPlan plan;
};

Result<std::optional<Draft>> plan_draft(const LoadOptions& options, ExecutorOptions target,
                                        const Tokenizer& tokenizer) {
  const SpeculationOptions& speculation = options.speculation;
  if (speculation.method != "draft_model") return std::optional<Draft>();
  const std::string found = AGLM_TRY(find_model(speculation.model)).path;
  Draft draft;
  draft.checkpoint = AGLM_TRY(Checkpoint::open(found));
  draft.options = std::move(target);
  draft.options.max_output_rows = options.max_batch_size;
  if (speculation.quantize != "auto") draft.options.quantize = speculation.quantize;
  draft.plan = AGLM_TRY(plan_executor(*draft.checkpoint, draft.options));
  const auto spells = AGLM_TRY(load_tokenizer(found));
  AGLM_TRY(check_same_vocabulary(tokenizer, *spells, found));
  return std::optional<Draft>(std::move(draft));
}

// A page of the pool is a page of each model (engine/speculation/draft_model.h).
ExecutorPlan both(ExecutorPlan plan, const std::optional<Draft>& draft) {
  if (!draft) return plan;
  AGLM_CHECK(draft->plan.page_tokens == plan.page_tokens, "pages of {} and {} tokens",
             draft->plan.page_tokens, plan.page_tokens);
  plan.weight_bytes += draft->plan.weight_bytes;
  plan.step_bytes += draft->plan.step_bytes;
  plan.page_bytes += draft->plan.page_bytes;
  return plan;
}

// How the same weights would be held in less memory.
std::vector<SmallerWeights> smaller_weights(const Checkpoint& checkpoint, ExecutorOptions options,
                                            const ExecutorPlan& plan,
                                            const std::optional<Draft>& draft) {
  std::vector<SmallerWeights> smaller;
  for (const char* quantize : {"int8", "int4"}) {
    options.quantize = quantize;
    const auto other = plan_otherwise(checkpoint, plan, options);
    if (other && other->weight_bytes < plan.weight_bytes) {
      smaller.push_back({quantize, other->weight_bytes + (draft ? draft->plan.weight_bytes : 0)});
    }
  }
  return smaller;
}

int64_t longest_token_bytes(const Tokenizer& tokenizer) {
  size_t longest = 0;
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    longest = std::max(longest, tokenizer.token_spelling(TokenId{id}).size());
  }
  return static_cast<int64_t>(longest);
}

// It may outlive the model.
GenerationHandle handle_of(const std::shared_ptr<RequestEngine>& engine, uint64_t id) {
  return GenerationHandle([weak = std::weak_ptr(engine), id] {
    if (const auto alive = weak.lock()) alive->cancel(id);
  });
}

// What both kinds of models tell of themselves.
ModelInfo info_of(const ModelSource& source, const ExecutorPlan& plan, const Tokenizer& tokenizer) {
  return {.path = source.path,
          .name = source.name,
          .architecture = plan.architecture,
          .quantization = plan.quantization,
          .parameters = plan.parameters,
          .vocab_size = plan.vocab_size,
          .hidden_size = plan.hidden_size,
          .layers = plan.layers,
          .training_context = plan.max_context,
          .longest_token_bytes = longest_token_bytes(tokenizer),
          .weight_bytes = plan.weight_bytes};
}

Error generates_nothing() {
  return {.code = ErrorCode::kUnsupported,
          .what = "the model does not generate text: it is an encoder",
          .where = "model",
          .reason = ErrorReason::kNotThisModel};
}

}  // namespace

Result<GLMModel> GLMModel::from_pretrained(const std::string& name_or_path,
                                           const LoadOptions& options) {
  AGLM_TRY(check_options(options));
  const ModelSource source = AGLM_TRY(find_model(name_or_path));
  const std::string& found = source.path;
  const auto checkpoint = AGLM_TRY(Checkpoint::open(found));
  const ExecutorOptions wanted = executor_options(options);
  ModelPlan planned = AGLM_TRY(plan_model(found, *checkpoint, wanted, options));
  const ExecutorPlan& own = planned.executor;
  auto impl = std::make_shared<Impl>();
  impl->tokenizer = std::move(planned.tokenizer);
  impl->chat_prompt = std::move(planned.chat_prompt);
  impl->answer_format = planned.answer_format;
  impl->info = info_of(source, own, *impl->tokenizer);
  impl->info.encoder = encoder_info(own);
  if (impl->info.encoder) {
    LoadedEncoder loaded = AGLM_TRY(load_encoder(*checkpoint, own, wanted, options));
    impl->info.instruction_set = loaded.instruction_set;
    impl->info.max_model_len = loaded.max_model_len;
    impl->info.weight_format = loaded.weight_format;
    impl->info.step_weight_bytes = loaded.step_weight_bytes;
    impl->info.operations_per_token = loaded.operations_per_token;
    impl->encoder = std::move(loaded.engine);
    impl->tells_texts_apart = loaded.tells_texts_apart;
    return GLMModel(std::move(impl));
  }
  const std::optional<Draft> draft = AGLM_TRY(plan_draft(options, wanted, *impl->tokenizer));
  const ExecutorPlan plan = both(own, draft);

  // All that may be refused comes before the long part.
  const int64_t available = AGLM_TRY(available_memory_bytes());
  const bool weights_fit = plan.weight_bytes + plan.step_bytes + plan.page_bytes <= available;
  const PoolPlan pool =
      AGLM_TRY(plan_pool(plan,
                         {.available_bytes = available,
                          .kv_cache_memory_bytes = options.kv_cache_memory_bytes,
                          .max_model_len = options.max_model_len,
                          .max_batch_size = options.max_batch_size},
                         weights_fit ? std::vector<SmallerWeights>()
                                     : smaller_weights(*checkpoint, wanted, own, draft)));

  LoadedExecutor loaded = AGLM_TRY(load_executor(*checkpoint, own, wanted));
  AGLM_TRY(loaded.executor->reserve_pages(pool.n_pages));
  LoadedExecutor loaded_draft;
  if (draft) {
    loaded_draft = AGLM_TRY(load_executor(*draft->checkpoint, draft->plan, draft->options));
    AGLM_TRY(loaded_draft.executor->reserve_pages(pool.n_pages));
  }
  std::unique_ptr<KvSpill> spill = AGLM_TRY(open_spill(options, *checkpoint, loaded));
  if (pool.was_cut) {
    logger()->warn("the context is cut from {} to {} tokens: the KV pool holds no more",
                   plan.max_context, pool.max_model_len);
  }
  ModelInfo& info = impl->info;
  info.instruction_set = loaded.instruction_set;
  info.max_model_len = pool.max_model_len;
  info.weight_bytes = plan.weight_bytes;
  info.weight_format = loaded.weight_format;
  info.step_weight_bytes = loaded.step_weight_bytes;
  info.operations_per_token = loaded.operations_per_token;
  info.kv_pool_bytes = pool.n_pages * plan.page_bytes;
  info.kv_pool_tokens = int64_t{pool.n_pages} * plan.page_tokens;
  info.has_chat_template = impl->chat_prompt.has_value();
  info.tool_call_format = tools::call_format_name(impl->answer_format.calls);
  info.separates_reasoning = impl->answer_format.reasoning;
  info.answer_tags_are_special = tags_are_special(impl->answer_format, *impl->tokenizer);
  info.default_sampling = planned.sampling;
  info.eos_token_ids = planned.end.all;
  impl->engine = std::make_shared<Engine>(
      std::move(loaded.executor), std::move(loaded_draft.executor), impl->tokenizer,
      EngineOptions{.core = {.n_pages = pool.n_pages,
                             .max_model_len = pool.max_model_len,
                             .max_batch_size = options.max_batch_size,
                             .max_batched_tokens = options.max_batched_tokens,
                             .end = planned.end,
                             .max_inter_token_seconds = options.max_inter_token_ms * 1e-3,
                             .window = {.size = options.batch_window_size,
                                        .seconds = options.batch_window_ms * 1e-3},
                             .tenant_weights = options.tenant_weights,
                             .prefix_caching = options.enable_prefix_caching,
                             .speculation = options.speculation},
                    .max_queue = options.max_queue,
                    .grammar_cache_bytes = options.grammar_cache_bytes,
                    .tenant_priorities = options.tenant_priorities,
                    .spill = std::move(spill)});
  return GLMModel(std::move(impl));
}

const ModelInfo& GLMModel::info() const { return impl_->info; }
EngineStats GLMModel::stats() const { return impl_->runs().stats(); }
void GLMModel::observe(std::shared_ptr<EngineObserver> observer) const {
  impl_->runs().observe(std::move(observer));
}
void GLMModel::drain(int64_t timeout_ms) const { impl_->runs().drain(timeout_ms); }

Result<std::vector<TokenId>> GLMModel::tokenize(std::string_view text,
                                                TokenizeOptions options) const {
  return impl_->tokenizer->encode(text, {.add_special_tokens = options.add_special_tokens,
                                         .parse_special = options.parse_special,
                                         .literal = options.literal});
}

Result<std::string> GLMModel::detokenize(const std::vector<TokenId>& ids,
                                         bool skip_special_tokens) const {
  // Ids that only the model has, where its embedding is larger than the vocabulary: it may have
  // answered with some of them, and they stand for nothing.
  std::vector<TokenId> spelled = ids;
  std::erase_if(spelled, [this](TokenId id) {
    const auto number = static_cast<int32_t>(id);
    return number >= impl_->tokenizer->vocab_size() && number < impl_->info.vocab_size;
  });
  return impl_->tokenizer->decode(spelled, skip_special_tokens);
}

std::string GLMModel::token_text(TokenId id) const { return impl_->tokenizer->token_bytes(id); }

Result<RenderedChat> GLMModel::render_chat(std::string_view context_json) const {
  if (!impl_->chat_prompt) return impl_->chat_prompt.error();
  return impl_->chat_prompt->render(context_json);
}

Result<std::string> GLMModel::apply_chat_template(std::string_view context_json) const {
  return AGLM_TRY(render_chat(context_json)).text;
}

Result<std::vector<TokenId>> GLMModel::chat_prompt(const std::vector<ChatMessage>& messages) const {
  json::array turns;
  for (const ChatMessage& message : messages) {
    turns.push_back({{"role", message.role}, {"content", message.content}});
  }
  const json::object context{{"messages", std::move(turns)}, {"add_generation_prompt", true}};
  const RenderedChat prompt = AGLM_TRY(render_chat(boost::json::serialize(context)));
  // The template wrote the special tokens itself.
  return tokenize(prompt.text, {.add_special_tokens = false, .literal = prompt.literal});
}

Result<std::unique_ptr<AnswerReader>> GLMModel::answer_reader(
    const AnswerReaderOptions& options) const {
  return make_answer_reader(impl_->answer_format, options);
}

Result<ToolRules> GLMModel::tool_rules(const ToolRulesOptions& options) const {
  return make_tool_rules(impl_->answer_format, impl_->info.answer_tags_are_special, options);
}

Result<GenerationHandle> GLMModel::submit(GenerationRequest request,
                                          GenerationCallback on_event) const {
  if (impl_->encoder) return generates_nothing();
  const uint64_t id = AGLM_TRY(impl_->engine->submit(std::move(request), std::move(on_event)));
  return handle_of(impl_->engine, id);
}

Result<AnswerStream> GLMModel::stream(GenerationRequest request) const {
  return AnswerStream::begin(
      [&](GenerationCallback on_event) { return submit(std::move(request), std::move(on_event)); });
}

bool GLMModel::knows_form(const StructuredOutput& form) const {
  return impl_->encoder || impl_->engine->knows(form);
}

Result<GenerationResult> GLMModel::generate(GenerationRequest request) const {
  AnswerStream answer = AGLM_TRY(stream(std::move(request)));
  return answer.rest();
}

Result<GenerationResult> GLMModel::generate(std::string_view prompt,
                                            const SamplingParams& sampling) const {
  std::vector<TokenId> ids = AGLM_TRY(tokenize(prompt));
  return generate({.prompt = std::move(ids), .sampling = sampling});
}

Result<std::vector<float>> GLMModel::embed(const std::vector<TokenId>& tokens,
                                           const Scheduling& scheduling) const {
  const auto promise = std::make_shared<std::promise<Result<std::vector<float>>>>();
  auto embedding = promise->get_future();
  AGLM_TRY(submit_embedding(tokens, scheduling,
                            [promise](auto result) { promise->set_value(std::move(result)); }));
  return embedding.get();
}

Result<GenerationHandle> GLMModel::submit_embedding(std::vector<TokenId> tokens,
                                                    Scheduling scheduling,
                                                    EmbeddingCallback on_embedding) const {
  if (impl_->encoder) {
    return submit_encoding(
        {.texts = {{.tokens = std::move(tokens)}}, .scheduling = std::move(scheduling)},
        [on_embedding = std::move(on_embedding)](auto result) {
          if (!result) return on_embedding(std::move(result).error());
          on_embedding(std::move(result->front()));
        });
  }
  const uint64_t id = AGLM_TRY(impl_->engine->submit_embedding(
      std::move(tokens), std::move(scheduling), std::move(on_embedding)));
  return handle_of(impl_->engine, id);
}

Result<EncoderText> GLMModel::encoder_text(std::string_view text,
                                           std::optional<std::string_view> second,
                                           const EncoderTextOptions& options) const {
  EncoderText made = AGLM_TRY(make_encoder_text(*impl_->tokenizer, text, second, options));
  // Tokenizers write types for models that do not tell texts apart, too.
  if (!impl_->tells_texts_apart) made.token_types.clear();
  return made;
}

Result<GenerationHandle> GLMModel::submit_encoding(EncodingRequest request,
                                                   EncodingCallback on_result) const {
  if (!impl_->encoder) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the model is no encoder",
                 .where = "model",
                 .reason = ErrorReason::kNotThisModel};
  }
  const uint64_t id = AGLM_TRY(impl_->encoder->submit(std::move(request), std::move(on_result)));
  return handle_of(impl_->encoder, id);
}

Result<std::vector<std::vector<float>>> GLMModel::encode(EncodingRequest request) const {
  const auto promise = std::make_shared<std::promise<Result<std::vector<std::vector<float>>>>>();
  auto results = promise->get_future();
  AGLM_TRY(submit_encoding(std::move(request),
                           [promise](auto result) { promise->set_value(std::move(result)); }));
  return results.get();
}

}  // namespace autoglm
