// The encoder's engine without its thread: requests in, steps on demand, results out.
// Single-threaded and deterministic (encoder_engine.h puts a thread around it). A step takes whole
// texts, of as many requests as it has rows for, in the order that scheduler.h gives: by class,
// then by the tenants' shares. A text is computed once and nothing of it is kept.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "autoglm/encoding.h"
#include "autoglm/model.h"
#include "devices/executor.h"
#include "engine/encoder/encoder_results.h"
#include "engine/scheduler.h"
#include "engine/tenants.h"
#include "engine/waiting_requests.h"

namespace autoglm {

struct EncoderCoreOptions {
  int64_t max_model_len = 1;  // tokens of one text; at most the executor's rows
  EncoderOutput output;
  std::function<double()> clock;  // seconds, from any beginning
  BatchWindow window;
  std::map<std::string, double> tenant_weights;  // 1 where it names none
};

struct EncodingJob {
  uint64_t id = 0;
  EncodingRequest request;
  EncodingCallback on_result;
  double accepted_at = 0;
};
int64_t tokens_of(const EncodingRequest& request);

// A result that is to be told.
struct EndedEncoding {
  EncodingCallback on_result;
  Result<std::vector<std::vector<float>>> result;
};

class EncoderCore {
 public:
  // All must outlive the core.
  EncoderCore(Executor& executor, EncoderCoreOptions options);

  // Asked before a request is accepted: what is accepted always ends.
  Result<void> check(const EncodingRequest& request) const;
  void add(EncodingJob&& job);
  void cancel(uint64_t id);
  void cancel_all();
  bool idle() const { return requests_.empty(); }
  // Computes one step, unless all that there is gathers in a batch window.
  void step();
  // Steps before that time would do nothing.
  std::optional<double> resting_until() const;
  // What has ended since the last call.
  std::vector<EndedEncoding> take_ended();
  // After something was thrown: ends all there is with `error`.
  void recover(const Error& error);

  EngineStats stats() const;
  WaitingRequests waiting_requests() const;
  double seconds_per_row() const { return seconds_per_row_; }
  int64_t waiting_rows(ServiceClass most) const;  // of that class and those before it
  void observe(std::shared_ptr<EngineObserver> observer) { observer_ = std::move(observer); }

 private:
  struct Active {
    EncodingJob job;
    Tenant* tenant = nullptr;
    size_t n_begun = 0;     // texts that were computed
    int64_t rows_left = 0;  // of the texts that were not
    std::optional<double> first_computed_at;
    std::vector<std::vector<float>> results;
  };
  using ActivePtr = std::unique_ptr<Active>;
  struct Place {
    Active* request = nullptr;
    size_t text = 0;
  };

  std::vector<QueuedSequence> queue() const;
  void fill_step(double now);
  void take_text(Active& request);
  void take_outputs();
  void end_overdue(double now);
  void end(Active& request, Result<std::vector<std::vector<float>>> result, FinishReason reason);
  void drop_ended();

  Executor& executor_;
  const EncoderCoreOptions options_;
  Tenants tenants_;
  std::vector<ActivePtr> requests_;  // by age; those that have ended are null for a moment
  std::vector<EndedEncoding> ended_;
  std::shared_ptr<EngineObserver> observer_;
  EngineStats counters_;
  double seconds_per_row_ = 0;  // of the last full steps; 0: nothing was measured yet

  // The step under way; kept to reuse their memory.
  std::vector<TokenId> tokens_;
  std::vector<uint8_t> types_;
  std::vector<StepSequence> sequences_;
  std::vector<int32_t> output_rows_;
  std::vector<Place> places_;
};

}  // namespace autoglm
