// A model that does as it is told, for tests of the service. Its tokens are bytes (id = byte), 256
// is the beginning of a text, 257 the end of an answer. Each request runs on a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/utf8.h"
#include "serve/backend.h"
#include "text/tools/call_grammar.h"
#include "text/tools/output_parser.h"

namespace autoglm::serve {

struct FakeScript {
  std::string answer = "Hello, world";
  // After this many tokens the answer waits for release() or a cancel; -1: never.
  int64_t hold_after = -1;
  // Says the same again and again until max_tokens, this fast.
  bool endless = false;
  std::chrono::microseconds pause{0};
  std::optional<Error> refuse;          // submit() fails
  std::optional<Error> template_error;  // render_chat() fails
  std::optional<TokenId> stop_token;    // why answers end
  std::optional<Error> fail_at_end;     // the last event is an error
  double seconds_to_drain = 0;          // of the queue, as the engine estimates it
  tools::OutputFormat format;           // of answers
  std::string prompt_tail;              // what the template ends with
  std::string throws_in;  // "tokenize", "template", "submit", "token_text", "embed": out of memory
  bool hold_embeddings = false;  // until cancelled
  bool hold_tokenizing = false;  // until release()
  // It is an encoder: each text gives {number of its tokens, 4, 0}, cut to as many labels.
  std::optional<EncoderInfo> encoder;
};

class FakeBackend : public ModelBackend {
 public:
  explicit FakeBackend(FakeScript script = {}) : script_(std::move(script)) {
    info_.path = "/models/tiny-fake/";
    info_.name = "tiny-fake";
    info_.architecture = "FakeForCausalLM";
    info_.instruction_set = "none";
    info_.vocab_size = 258;
    info_.hidden_size = 3;
    info_.max_model_len = 4096;
    info_.training_context = 8192;
    info_.longest_token_bytes = 4;
    info_.has_chat_template = true;
    info_.tool_call_format = tools::call_format_name(script_.format.calls);
    info_.separates_reasoning = script_.format.reasoning;
    info_.encoder = script_.encoder;
  }
  ~FakeBackend() override {
    cancel_all();
    for (std::thread& thread : threads_) thread.join();
  }

  // What the tests look at.
  std::atomic<int> n_submitted{0};
  std::atomic<int> n_cancelled{0};
  std::atomic<int> n_ended{0};
  mutable std::atomic<int> n_tokenized{0};
  mutable std::atomic<int> n_embedded{0};
  std::vector<GenerationRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::vector<EncodingRequest> encodings() const {
    const std::lock_guard lock(mutex_);
    return encodings_;
  }
  Scheduling embedding_scheduling() const {
    const std::lock_guard lock(mutex_);
    return embedding_scheduling_;
  }
  std::string last_context() const {
    const std::lock_guard lock(mutex_);
    return last_context_;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    released_ = true;
    wake_.notify_all();
  }
  ModelInfo& mutable_info() { return info_; }

  const ModelInfo& info() const override { return info_; }
  EngineStats stats() const override {
    return {.requests_running = n_submitted - n_ended,
            .seconds_to_drain = script_.seconds_to_drain};
  }
  Result<std::vector<TokenId>> tokenize(std::string_view text,
                                        TokenizeOptions options) const override {
    fail_in("tokenize");
    ++n_tokenized;
    if (script_.hold_tokenizing) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [&] { return released_; });
    }
    std::vector<TokenId> ids;
    if (options.add_special_tokens) ids.push_back(TokenId{256});
    for (const char c : text) ids.push_back(TokenId{static_cast<unsigned char>(c)});
    return ids;
  }
  Result<std::string> detokenize(const std::vector<TokenId>& ids, bool skip) const override {
    std::string text;
    for (const TokenId id : ids) {
      if (!skip || static_cast<int32_t>(id) < 256) text += token_text(id);
    }
    return text;
  }
  std::string token_text(TokenId id) const override {
    fail_in("token_text");
    const auto number = static_cast<int32_t>(id);
    if (number == 256) return "<s>";
    if (number == 257) return "</s>";
    return std::string(1, static_cast<char>(number));
  }
  Result<RenderedChat> render_chat(std::string_view context_json) const override {
    {
      const std::lock_guard lock(mutex_);
      last_context_ = context_json;
    }
    fail_in("template");
    if (script_.template_error) return *script_.template_error;
    const json::value context = AGLM_TRY(json::parse(context_json, "context"));
    std::string text;
    for (const json::value& message : context.at("messages").as_array()) {
      const json::value& content = message.at("content");
      text += "<" + std::string(message.at("role").as_string()) + ">" +
              (content.is_string() ? std::string(content.get_string())
                                   : boost::json::serialize(content)) +
              "<end>";
    }
    if (context.at("add_generation_prompt").as_bool()) text += "<assistant>";
    return RenderedChat{.text = text + script_.prompt_tail};
  }
  Result<std::unique_ptr<AnswerReader>> answer_reader(
      const AnswerReaderOptions& options) const override {
    tools::ToolCatalog catalog;
    if (!options.tools_json.empty()) {
      const json::value list = AGLM_TRY(json::parse(options.tools_json, "tools"));
      catalog = tools::ToolCatalog(list.as_array());
    }
    tools::OutputFormat format = script_.format;
    format.reasoning = format.reasoning && options.separate_reasoning;
    return std::unique_ptr<AnswerReader>(std::make_unique<tools::OutputParser>(
        tools::OutputParserOptions{.format = format,
                                   .in_reasoning = tools::begins_in_reasoning(options.prompt),
                                   .calls_first = options.calls_first},
        std::move(catalog)));
  }
  Result<ToolRules> tool_rules(const ToolRulesOptions& options) const override {
    const json::value list = AGLM_TRY(json::parse(options.tools_json, "tools"));
    json::object otherwise;  // as if every form were this
    if (options.form.kind != StructuredOutput::Kind::kNone) {
      otherwise = {{"type", "json_schema"}, {"json_schema", {{"type", "object"}}}};
    }
    const tools::CallGrammar grammar = AGLM_TRY(tools::call_grammar(
        list.as_array(), {.format = script_.format,
                          .required = options.required,
                          .name = options.name,
                          .parallel = options.parallel,
                          .otherwise = otherwise,
                          .in_reasoning = tools::begins_in_reasoning(options.prompt),
                          .tags_are_special = info_.answer_tags_are_special}));
    ToolRules rules{.begun = grammar.begun};
    if (!grammar.structural_tag.empty()) {
      rules.structural_tag = boost::json::serialize(grammar.structural_tag);
    }
    return rules;
  }
  Result<GenerationHandle> submit(GenerationRequest request,
                                  GenerationCallback on_event) const override {
    return const_cast<FakeBackend*>(this)->start(std::move(request), std::move(on_event));
  }
  Result<GenerationHandle> submit_embedding(std::vector<TokenId> tokens, Scheduling scheduling,
                                            EmbeddingCallback on_embedding) const override {
    fail_in("embed");
    {
      const std::lock_guard lock(mutex_);
      embedding_scheduling_ = std::move(scheduling);
    }
    ++n_embedded;
    if (!script_.hold_embeddings) {
      on_embedding(std::vector<float>{0.5f, -0.25f, static_cast<float>(tokens.size())});
      return GenerationHandle();
    }
    return GenerationHandle([on_embedding = std::move(on_embedding)] {
      on_embedding(Error{ErrorCode::kCancelled, "the request was cancelled", "", "", ""});
    });
  }
  Result<EncoderText> encoder_text(std::string_view text, std::optional<std::string_view> second,
                                   const EncoderTextOptions& options) const override {
    fail_in("tokenize");
    ++n_tokenized;
    EncoderText made;
    made.tokens = AGLM_TRY(tokenize(text, {options.add_special_tokens}));
    if (second) {
      const auto more = AGLM_TRY(tokenize(*second, {options.add_special_tokens}));
      made.tokens.insert(made.tokens.end(), more.begin(), more.end());
    }
    if (options.max_tokens && std::ssize(made.tokens) > *options.max_tokens) {
      made.tokens.resize(static_cast<size_t>(*options.max_tokens));
    }
    return made;
  }
  Result<GenerationHandle> submit_encoding(EncodingRequest request,
                                           EncodingCallback on_result) const override {
    fail_in("embed");
    {
      const std::lock_guard lock(mutex_);
      embedding_scheduling_ = request.scheduling;
      encodings_.push_back(request);
    }
    ++n_embedded;
    std::vector<std::vector<float>> results;
    for (const EncoderText& text : request.texts) {
      results.push_back({static_cast<float>(text.tokens.size()), 4, 0});
      if (!info_.encoder->labels.empty()) results.back().resize(info_.encoder->labels.size());
    }
    if (!script_.hold_embeddings) {
      on_result(std::move(results));
      return GenerationHandle();
    }
    return GenerationHandle([on_result = std::move(on_result)] {
      on_result(Error{ErrorCode::kCancelled, "the request was cancelled", "", "", ""});
    });
  }
  void observe(std::shared_ptr<EngineObserver>) const override {}
  // As the engine's: when it returns, no event comes any more.
  void drain(int64_t) const override {
    const_cast<FakeBackend*>(this)->cancel_all();
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [&] { return n_running_ == 0; });
  }

 private:
  void fail_in(std::string_view place) const {
    if (script_.throws_in == place) throw std::bad_alloc();
  }

  struct Running {
    std::atomic<bool> cancelled{false};
  };

  Result<GenerationHandle> start(GenerationRequest request, GenerationCallback on_event) {
    fail_in("submit");
    if (script_.refuse) return *script_.refuse;
    auto running = std::make_shared<Running>();
    const std::lock_guard lock(mutex_);
    if (draining_) return Error{ErrorCode::kUnavailable, "shutting down", "engine", "", ""};
    ++n_submitted;
    ++n_running_;
    requests_.push_back(request);
    running_.push_back(running);
    threads_.emplace_back(
        [this, running, request = std::move(request), on_event = std::move(on_event)]() mutable {
          run(*running, request, on_event);
          on_event = nullptr;
          const std::lock_guard done(mutex_);
          --n_running_;
          wake_.notify_all();
        });
    return GenerationHandle([this, running] { cancel(*running); });
  }

  void cancel(Running& running) {
    const std::lock_guard lock(mutex_);
    running.cancelled = true;
    wake_.notify_all();
  }
  void cancel_all() {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    for (const auto& running : running_) running->cancelled = true;
    wake_.notify_all();
  }

  PositionLogprobs scores(TokenId id, int32_t n_top) const {
    PositionLogprobs position{.taken = {.id = id, .logprob = -0.5f, .rank = 1}};
    for (int32_t i = 0; i < n_top; ++i) {
      const auto other = i == 0 ? id : TokenId{'a' + i};
      position.top.push_back(
          {.id = other, .logprob = -0.5f - static_cast<float>(i), .rank = i + 1});
    }
    return position;
  }

  // Of the bytes of one UTF-8 character: whether they are all there.
  static bool is_whole(std::string_view bytes) { return incomplete_utf8_tail(bytes) == 0; }

  void run(Running& running, const GenerationRequest& request, const GenerationCallback& on_event) {
    Usage usage{.prompt_tokens = std::ssize(request.prompt)};
    const SamplingParams& sampling = request.sampling;
    for (int32_t choice = 0; choice < sampling.n; ++choice) {
      GenerationEvent ending{.choice = choice, .finish_reason = FinishReason::kStop};
      const int64_t limit = sampling.max_tokens.value_or(100'000);
      std::string character;
      for (int64_t i = 0;; ++i) {
        if (!script_.endless && i == std::ssize(script_.answer)) break;
        if (i == limit) {
          ending.finish_reason = FinishReason::kLength;
          break;
        }
        if (i == script_.hold_after) {
          std::unique_lock lock(mutex_);
          wake_.wait(lock, [&] { return released_ || running.cancelled; });
        }
        if (script_.pause.count() > 0) std::this_thread::sleep_for(script_.pause);
        if (running.cancelled) break;
        const char c = script_.answer[i % script_.answer.size()];
        // Text is whole characters only; a byte of a longer one waits for the others.
        character += c;
        GenerationEvent event{.choice = choice};
        if (is_whole(character)) event.text = std::exchange(character, "");
        event.tokens.push_back(TokenId{static_cast<unsigned char>(c)});
        if (sampling.logprobs)
          event.logprobs.push_back(scores(event.tokens[0], *sampling.logprobs));
        if (sampling.prompt_logprobs && choice == 0 && i == 0) {
          std::vector<std::optional<PositionLogprobs>> prompt = {std::nullopt};
          for (size_t p = 1; p < request.prompt.size(); ++p) {
            prompt.emplace_back(scores(request.prompt[p], *sampling.prompt_logprobs));
          }
          event.prompt_logprobs = std::move(prompt);
        }
        ++usage.completion_tokens;
        event.usage = usage;
        on_event(event);
      }
      if (running.cancelled) {
        ending.finish_reason = FinishReason::kCancelled;
        choice = sampling.n;
      } else if (script_.fail_at_end) {
        ending.finish_reason = FinishReason::kError;
        ending.error = script_.fail_at_end;
      }
      if (script_.stop_token) {
        ending.stop_token = script_.stop_token;
        ending.stop_reason = std::to_string(static_cast<int32_t>(*script_.stop_token));
      }
      ending.usage = usage;
      ending.last = choice >= sampling.n - 1;
      if (running.cancelled) ++n_cancelled;
      if (ending.last) ++n_ended;
      on_event(ending);
    }
  }

  const FakeScript script_;
  ModelInfo info_;
  mutable std::mutex mutex_;
  mutable std::condition_variable wake_;
  bool released_ = false;
  bool draining_ = false;
  int n_running_ = 0;
  mutable std::string last_context_;
  mutable Scheduling embedding_scheduling_;
  mutable std::vector<EncodingRequest> encodings_;
  std::vector<GenerationRequest> requests_;
  std::vector<std::shared_ptr<Running>> running_;
  std::vector<std::thread> threads_;
};

}  // namespace autoglm::serve
