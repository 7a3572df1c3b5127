// The encoder's engine: an EncoderCore on a thread of its own, with an inbox that any thread may
// fill. As engine.h: it may go away at any time, and what is under way then ends as cancelled.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "autoglm/encoding.h"
#include "engine/encoder/encoder_core.h"
#include "engine/request_engine.h"

namespace autoglm {

struct EncoderEngineOptions {
  EncoderCoreOptions core;                           // `clock` unset: the system's steady clock
  int32_t max_queue = 256;                           // requests of each class that may wait
  std::map<std::string, int32_t> tenant_priorities;  // the most urgent that a tenant may be
};

class EncoderEngine : public RequestEngine {
 public:
  EncoderEngine(std::unique_ptr<Executor> executor, EncoderEngineOptions options);
  ~EncoderEngine() override;
  EncoderEngine(const EncoderEngine&) = delete;
  EncoderEngine& operator=(const EncoderEngine&) = delete;

  // The request's number, for cancel(). Refused: out of range, queue full, no answer in time,
  // draining.
  Result<uint64_t> submit(EncodingRequest request, EncodingCallback on_result);
  void cancel(uint64_t id) override;
  EngineStats stats() const override;
  void observe(std::shared_ptr<EngineObserver> observer) override;
  void drain(int64_t timeout_ms) override;

 private:
  struct State;
  static Result<void> admissible(const State& state, const EncodingJob& job);
  static void run(const std::shared_ptr<State>& state);
  static void work(State& state, std::vector<EncodingJob>& jobs,
                   const std::vector<uint64_t>& cancels, bool cancel_all);

  std::shared_ptr<State> state_;
};

}  // namespace autoglm
