// GLMModel: a checkpoint that is loaded and answers. The handle is cheap to copy; the model lives
// as long as one handle does. All members may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "autoglm/encoding.h"
#include "autoglm/generation.h"
#include "autoglm/result.h"
#include "autoglm/tools.h"

#pragma GCC visibility push(default)
namespace autoglm {

// Speculative decoding: tokens are guessed and then verified several in a step. Answers stay what
// they are, bit for bit.
struct SpeculationOptions {
  std::string method = "none";         // none, ngram (prompt lookup), draft_model
  int32_t num_speculative_tokens = 8;  // drafted for one sequence in one step at most
  int32_t prompt_lookup_min = 2;       // shortest n-gram that is looked up
  int32_t prompt_lookup_max = 4;       // longest
  std::string model{};                 // the draft model's checkpoint, same tokenizer
  std::string quantize = "auto";       // how its weights are held; auto: as the target's
  bool adaptive = true;                // draft only as far as measurements say it pays
};

struct LoadOptions {
  std::string device = "auto";    // cpu, cuda, auto
  std::string quantize = "none";  // how weights are held: none, int8, int5, int4, int3, int2,
                                  // int4-g64, int4-g128, int3-g64, int2-g64
  // auto, f32, bf16, int8 (also called q8_0); auto: f32 for f32 weights, else bf16
  std::string kv_cache_dtype = "auto";
  int64_t kv_cache_memory_bytes = 0;  // 0: a share of the memory that is free after loading
  int64_t grammar_cache_bytes = int64_t{256} << 20;  // compiled grammars kept for later requests
  int64_t max_model_len = 0;         // 0: the model's own, cut to what the KV pool can hold
  int32_t max_batch_size = 16;       // sequences that decode together
  int32_t max_batched_tokens = 512;  // rows of one step, prefill and decode together
  int32_t max_queue = 256;           // requests of each class that may wait
  // Time that a step should take at most while answers are read as they come; 0: from measurements.
  int32_t max_inter_token_ms = 0;
  int32_t batch_window_ms = 50;                    // batched requests (priority 1) gather so long,
  int32_t batch_window_size = 8;                   // or until there are so many
  std::map<std::string, double> tenant_weights{};  // shares of tenants; 1 where none is named
  std::map<std::string, int32_t> tenant_priorities{};  // what they ask for is never more urgent
  bool enable_prefix_caching = true;  // requests with the same beginning share its keys and values
  std::string kv_cache_spill_path{};  // file for KV pages that memory has no room for; empty: none
  int64_t kv_cache_spill_bytes = int64_t{4} << 30;  // of it
  int32_t threads = 0;                              // 0: one for each processor
  bool offline = true;                              // a hub id is looked up in local caches only
  std::string chat_template{};                      // Jinja source in place of the checkpoint's own
  // How answers hold tool calls: a name (docs/tools.md), none, or auto, as the chat template has
  // it.
  std::string tool_call_parser = "auto";
  std::string reasoning_parser = "auto";  // think: <think>...</think> is reasoning; none; auto
  SpeculationOptions speculation{};
  std::function<void(double fraction, std::string_view stage)> progress{};  // while loading
};

struct ModelInfo {
  std::string path{};             // the directory or .gguf file that was loaded
  std::string name{};             // as a hub id was written, else the folder's or file's own name
  std::string architecture{};     // "Glm4ForCausalLM"
  std::string quantization{};     // "none", "int8", "int4"
  std::string instruction_set{};  // of the kernels in use: "avx2"
  int64_t parameters = 0;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t layers = 0;
  int64_t max_model_len = 0;         // tokens of one sequence, prompt and answer
  int64_t training_context = 0;      // positions the model was made for, rope scaling included
  int64_t longest_token_bytes = 0;   // of the vocabulary's spellings
  int64_t weight_bytes = 0;          // the draft model's included
  std::string weight_format{};       // of the layers' matrices as held: "bf16", "int4"
  int64_t step_weight_bytes = 0;     // read by each step from end to end
  int64_t operations_per_token = 0;  // of the layers' matrix products
  int64_t kv_pool_bytes = 0;         // the draft model's included
  int64_t kv_pool_tokens = 0;
  bool has_chat_template = false;
  std::string tool_call_format = "none";  // "glm45", "hermes", ...
  bool separates_reasoning = false;       // answers may begin with <think>...</think>
  // The tags of both are special tokens here: an answer that is to be read must keep those.
  bool answer_tags_are_special = false;
  SamplingParams default_sampling{};  // from generation_config.json
  std::vector<TokenId> eos_token_ids{};
  std::optional<EncoderInfo> encoder{};  // it reads whole texts and writes none; unset: it writes
};

// One turn of a conversation. Turns with tool calls or parts are written by apply_chat_template().
struct ChatMessage {
  std::string role{};  // "system", "user", "assistant"
  std::string content{};
};

struct TokenizeOptions {
  bool add_special_tokens = true;  // what the tokenizer's post-processor adds
  bool parse_special = true;       // "<|user|>" in the text becomes one token
  std::vector<size_t> literal{};   // but not where it begins at one of these bytes (ascending)
};

// A conversation as its template writes it, special tokens spelled out.
struct RenderedChat {
  std::string text{};
  // Where in it a user's or a tool's words look like special tokens: for TokenizeOptions, so that
  // they open no turn.
  std::vector<size_t> literal{};
};

// A snapshot for metrics; counters only grow.
struct EngineStats {
  int64_t requests_running = 0;
  int64_t requests_waiting = 0;
  double kv_cache_usage = 0;  // 0..1
  int64_t prompt_tokens = 0;
  int64_t generation_tokens = 0;
  double seconds_to_drain = 0;  // until all that waits has begun, by estimate; 0: not known
  int64_t preemptions = 0;
  int64_t steps = 0;
  int64_t steps_given_up = 0;          // for an interactive request that came meanwhile
  int64_t grammars_compiled = 0;       // of requests with structured output
  int64_t grammars_reused = 0;         // known from an earlier request
  double grammar_compile_seconds = 0;  // all of them together
  int64_t grammar_cache_bytes = 0;     // compiled grammars and masks kept for later requests
  int64_t internal_errors = 0;       // choices that ended by a fault of ours (ErrorCode::kInternal)
  int64_t forced_tokens = 0;         // taken without the model: a grammar left no other
  int64_t prefix_cache_queries = 0;  // tokens
  int64_t prefix_cache_hits = 0;
  int64_t kv_spill_pages_written = 0;
  int64_t kv_spill_pages_read = 0;
  int64_t kv_spill_failures = 0;            // pages that the disk refused, or gave back damaged
  int64_t spec_decode_drafts = 0;           // that were verified
  int64_t spec_decode_draft_tokens = 0;     // in them
  int64_t spec_decode_accepted_tokens = 0;  // of these, taken
  std::vector<int64_t> spec_decode_accepted_per_position{};  // the same by place in the draft
};

// One step of the engine, as a metrics system wants it. Times in seconds.
struct StepObservation {
  double seconds = 0;        // from planning to the last event
  int32_t decode_rows = 0;   // sequences that took one more token
  int32_t prefill_rows = 0;  // prompt tokens computed, again after a preemption included
  int32_t draft_rows = 0;    // drafted tokens verified
  int32_t preemptions = 0;
  std::vector<double> time_to_first_token{};  // of the choices whose first token this step gave
  std::vector<double> inter_token{};          // of the choices that had one before
};

// One request that has ended. Times in seconds; those that never came about are 0.
struct RequestObservation {
  std::string request_id{};
  FinishReason finish_reason = FinishReason::kNone;  // of choice 0
  int32_t n = 1;
  std::optional<int64_t> max_tokens{};  // as asked
  Usage usage{};
  double queued = 0;               // accepted -> first computed
  double prefill = 0;              // first computed -> first token
  double decode = 0;               // first token -> last token
  double time_to_first_token = 0;  // accepted -> first token
  double end_to_end = 0;           // accepted -> last event
  int64_t preemptions = 0;
};

// Told what the engine does, on the engine's thread, which waits for it: be quick, and do not call
// the engine.
class EngineObserver {
 public:
  virtual ~EngineObserver() = default;
  virtual void on_step(const StepObservation& step) = 0;
  virtual void on_request_end(const RequestObservation& request) = 0;
};

using EmbeddingCallback = std::function<void(Result<std::vector<float>>)>;

// A request under way. Dropping the handle does not cancel it.
class GenerationHandle {
 public:
  GenerationHandle() = default;
  explicit GenerationHandle(std::function<void()> cancel) : cancel_(std::move(cancel)) {}
  // The last event then has FinishReason::kCancelled, unless the answer had already ended.
  void cancel() const {
    if (cancel_) cancel_();
  }

 private:
  std::function<void()> cancel_;
};

// The events of one request, for a thread that waits for them. What is not read is kept: as much
// as the answer has.
class AnswerStream {
 public:
  // Of whatever submits a request: GLMModel::stream() for a model.
  using Submit = std::function<Result<GenerationHandle>(GenerationCallback)>;
  static Result<AnswerStream> begin(const Submit& submit);
  AnswerStream(AnswerStream&&) noexcept;
  AnswerStream& operator=(AnswerStream&&) noexcept;
  ~AnswerStream();  // cancels what has not come to its end

  // The next event, once it is there; nothing behind the last one.
  std::optional<GenerationEvent> next();
  // Whether next() has something to say at once, waiting no longer than that for it to be so.
  bool wait_ms(int64_t timeout_ms) const;
  // All that is left, put together; an error where the answer ended with one, or was cancelled.
  Result<GenerationResult> rest();
  void cancel() const;  // as GenerationHandle's

 private:
  struct State;
  AnswerStream(std::shared_ptr<State> state, GenerationHandle handle);

  std::shared_ptr<State> state_;
  GenerationHandle handle_;
};

class GLMModel {
 public:
  // `name_or_path`: a Hugging Face directory, a .gguf file (of a split model any part), a hub id
  // that local caches hold, or "tiny-glm" (also ""), the model that comes with the program. Behind
  // a directory or hub id with several .gguf files, :TAG chooses one (":Q4_K_M").
  static Result<GLMModel> from_pretrained(const std::string& name_or_path,
                                          const LoadOptions& options = {});

  const ModelInfo& info() const;
  EngineStats stats() const;
  // Replaces the observer, nullptr for none. It may be told of one more step meanwhile.
  void observe(std::shared_ptr<EngineObserver> observer) const;

  Result<std::vector<TokenId>> tokenize(std::string_view text, TokenizeOptions options = {}) const;
  Result<std::string> detokenize(const std::vector<TokenId>& ids,
                                 bool skip_special_tokens = false) const;
  std::string token_text(TokenId id) const;  // its bytes alone, which may be part of a character

  // `context_json`: {"messages": [...], "tools": [...], "add_generation_prompt": true, ...} as
  // transformers hands it to a chat template.
  Result<RenderedChat> render_chat(std::string_view context_json) const;
  Result<std::string> apply_chat_template(std::string_view context_json) const;  // its text alone
  // A conversation as the model's template writes it, up to where the answer begins: the prompt of
  // a request that sets `begins_text`. An error where the model has no template.
  Result<std::vector<TokenId>> chat_prompt(const std::vector<ChatMessage>& messages) const;

  // A reader for one answer to a conversation, in this model's format.
  Result<std::unique_ptr<AnswerReader>> answer_reader(const AnswerReaderOptions& options) const;
  // How to hold an answer to the tools' schemas. An error when calls are required of a model that
  // has no format for them.
  Result<ToolRules> tool_rules(const ToolRulesOptions& options) const;

  // Refused at once (full queue, prompt too long, parameters out of range) or accepted; accepted
  // requests always get a last event.
  Result<GenerationHandle> submit(GenerationRequest request, GenerationCallback on_event) const;
  // The same for a thread that waits.
  Result<AnswerStream> stream(GenerationRequest request) const;
  // Whether submit() need not compile for this form: it did before. Else it may take some 300 ms.
  bool knows_form(const StructuredOutput& form) const;
  Result<GenerationResult> generate(GenerationRequest request) const;
  Result<GenerationResult> generate(std::string_view prompt,
                                    const SamplingParams& sampling = {}) const;

  // What an encoder reads of a text, or of two that are read together. An error where the model is
  // none, or its tokenizer has no form for two.
  Result<EncoderText> encoder_text(std::string_view text, std::optional<std::string_view> second,
                                   const EncoderTextOptions& options = {}) const;
  // Of an encoder; refused at once or accepted, as submit().
  Result<GenerationHandle> submit_encoding(EncodingRequest request,
                                           EncodingCallback on_result) const;
  // The same for a thread that waits.
  Result<std::vector<std::vector<float>>> encode(EncodingRequest request) const;

  // An encoder's vector; otherwise the mean of the last hidden states over the tokens, scaled to
  // length 1: [hidden_size].
  Result<std::vector<float>> embed(const std::vector<TokenId>& tokens,
                                   const Scheduling& scheduling = {}) const;
  // The same without waiting; the callback is called on the engine's thread.
  Result<GenerationHandle> submit_embedding(std::vector<TokenId> tokens, Scheduling scheduling,
                                            EmbeddingCallback on_embedding) const;

  // Stops taking requests and waits until those accepted have ended, at most `timeout_ms`; what is
  // left then is cancelled.
  void drain(int64_t timeout_ms) const;

  class Impl;
  explicit GLMModel(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace autoglm
#pragma GCC visibility pop
