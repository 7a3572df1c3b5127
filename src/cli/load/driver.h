// Sends a load: requests arrive as a seeded process says (open loop) or as soon as one of so many
// clients is free (closed loop), and each is observed. One thread, one coroutine a conversation.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "autoglm/result.h"
#include "cli/load/answer_reader.h"
#include "cli/load/http_client.h"
#include "cli/load/request_form.h"

namespace autoglm::load {

struct RunOptions {
  WorkloadOptions workload;
  // Conversations a second; infinite: all are there at the beginning.
  double request_rate = std::numeric_limits<double>::infinity();
  // Shape of the gamma distribution between arrivals: 1 is a Poisson process, less is burstier.
  double burstiness = 1;
  int64_t max_concurrency = 0;  // conversations at once; 0: no limit
  int64_t n_conversations = 1;
  double duration_s = 0;  // nothing new begins after it; 0: no limit
  double request_timeout_s = 600;
  double think_time_s = 0;  // between an answer and the next turn
};

// What was seen of one request. Times in seconds since the run's beginning.
struct Observation {
  int64_t conversation = 0;
  int32_t turn = 0;
  double arrival_s = 0;      // when it was to begin
  double start_s = 0;        // when it began: later where all clients were busy
  double first_piece_s = 0;  // of a whole answer, as are the fields below
  double end_s = 0;
  std::vector<float> gaps_ms;  // between pieces
  int64_t n_pieces = 0;
  int64_t input_tokens = 0;   // by usage, else as planned
  int64_t output_tokens = 0;  // by usage, else one a piece
  int64_t cached_tokens = 0;
  bool has_usage = false;
  bool structured = false;
  bool valid_json = false;  // of a structured answer
  Failure failure = Failure::kNone;
  int status = 0;
  std::string detail;

  double ttft_ms() const { return (first_piece_s - start_s) * 1e3; }
  double e2el_ms() const { return (end_s - start_s) * 1e3; }
  double tpot_ms() const {  // 0 where there is one token only
    return output_tokens > 1 ? (end_s - first_piece_s) * 1e3 / double(output_tokens - 1) : 0;
  }
};

struct Progress {
  double elapsed_s = 0;
  int64_t done = 0;
  int64_t failed = 0;
  int64_t running = 0;
  int64_t total = 0;   // requests; 0: as many as the duration allows
  int64_t pieces = 0;  // of answers, so far
};

struct RunResult {
  std::vector<Observation> observations;  // in the order in which they ended
  double duration_s = 0;                  // from the first request's start to the last one's end
  bool interrupted = false;
};

// Ctrl-C ends the load early; what was seen until then is returned. `on_progress` may be empty.
RunResult run_load(boost::asio::io_context& context, HttpClient& client, const RequestForm& form,
                   const RunOptions& options, std::function<void(const Progress&)> on_progress);

// Seconds between the arrivals of conversation `number - 1` and `number`.
double arrival_gap_s(const RunOptions& options, int64_t number);

}  // namespace autoglm::load
