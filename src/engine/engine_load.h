// How much work there is, and from it when a newcomer would begin and end: estimates, by which a
// request that cannot make its deadline is refused at once and a refused one is told when to come
// back. They decide whether a request is taken, never what it is answered.
#pragma once

#include <array>
#include <cstdint>

#include "engine/scheduler.h"

namespace autoglm {

struct EngineLoad {
  struct Part {
    int64_t n_sequences = 0;
    int64_t n_waiting = 0;
    int64_t prompt_tokens = 0;  // to be computed before all of them decode
    int64_t answer_tokens = 0;  // of those that wait, as far as can be told
  };
  std::array<Part, 3> by_class;
  int32_t max_sequences = 1;
  int64_t tokens_to_place = 0;  // that the running sequence nearest to its end still wants
  double seconds_per_row = 0;   // in a full step; 0: nothing was measured yet
  double seconds_per_step = 0;  // of the last steps
  double answer_tokens = 0;     // of an answer, on average; 0: none has ended yet
};

struct Newcomer {
  ServiceClass service_class = ServiceClass::kInteractive;
  int64_t prompt_tokens = 0;
  int64_t max_tokens = 0;
};

// Seconds until it begins to be computed; 0 where nothing is known.
double seconds_to_begin(const EngineLoad& load, ServiceClass its);
// Seconds until its answer has ended.
double seconds_to_end(const EngineLoad& load, const Newcomer& newcomer);
// Seconds until all that waits now has begun: when a client that was refused should come back.
double seconds_to_drain(const EngineLoad& load);

}  // namespace autoglm
