// How much memory is free, and how much of it the KV pool gets: decided before anything is loaded,
// so that what does not fit is refused with the number that would.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "runtime/load_executor.h"

namespace autoglm {

// Bytes that this process may still take: the least of the system's MemAvailable, what the limits
// of its control groups (version 1 or 2) leave, and RLIMIT_AS. `root` stands before /proc and /sys,
// for tests.
Result<int64_t> available_memory_bytes(const std::string& root = "");

struct PoolRequest {
  int64_t available_bytes = 0;
  int64_t kv_cache_memory_bytes = 0;  // 0: a share of what is left beside the weights
  int64_t max_model_len = 0;          // 0: the model's own, cut to what the pool holds
  int32_t max_batch_size = 1;
};

struct PoolPlan {
  int32_t n_pages = 0;
  int64_t max_model_len = 0;
  bool was_cut = false;  // max_model_len is less than the model's own because of memory
};

// A way to hold the weights in less memory, for the error that says they do not fit.
struct SmallerWeights {
  std::string quantize;  // "int8"
  int64_t weight_bytes = 0;
};

Result<PoolPlan> plan_pool(const ExecutorPlan& plan, const PoolRequest& request,
                           const std::vector<SmallerWeights>& alternatives);

// "3.2 GiB", for messages.
std::string size_text(int64_t bytes);

}  // namespace autoglm
