// The engine: an EngineCore on a thread of its own, with an inbox that any thread may fill. The
// thread holds what it needs, so an engine may go away at any time, even from within one of its own
// callbacks: what is under way then ends as cancelled.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autoglm/generation.h"
#include "autoglm/model.h"
#include "devices/executor.h"
#include "engine/engine_core.h"
#include "engine/kv_spill.h"
#include "engine/request_engine.h"

namespace autoglm {

struct EngineOptions {
  CoreOptions core;  // `clock` unset: the system's steady clock
  int32_t max_queue = 256;
  int64_t grammar_cache_bytes = int64_t{256} << 20;
  std::map<std::string, int32_t> tenant_priorities;  // the most urgent that a tenant may be
  std::unique_ptr<KvSpill> spill;                    // or nullptr
};

class Engine : public RequestEngine {
 public:
  // `draft`: the draft model, or nullptr. Precondition: the executors have their pages.
  Engine(std::unique_ptr<Executor> executor, std::unique_ptr<Executor> draft,
         std::shared_ptr<const Tokenizer> tokenizer, EngineOptions options);
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // The request's number, for cancel(). Refused: out of range, queue full, no answer in time,
  // draining.
  Result<uint64_t> submit(GenerationRequest request, GenerationCallback on_event);
  // Whether submit() need not work on the request's grammar.
  bool knows(const StructuredOutput& wish) const;
  // Pages of the tokens are the tenant's and the salt's, as an answer's are.
  Result<uint64_t> submit_embedding(std::vector<TokenId> tokens, Scheduling scheduling,
                                    EmbeddingCallback on_embedding);
  void cancel(uint64_t id) override;

  EngineStats stats() const override;
  void observe(std::shared_ptr<EngineObserver> observer) override;
  void drain(int64_t timeout_ms) override;

 private:
  struct State;
  static Result<void> admissible(const State& state, const Job& job);
  Result<uint64_t> accept(Job job);
  static void run(const std::shared_ptr<State>& state);
  static void end_all(State& state, std::vector<Job>& jobs);

  std::shared_ptr<State> state_;
};

}  // namespace autoglm
