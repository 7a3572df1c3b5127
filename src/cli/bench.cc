// autoglm bench: how fast this machine runs a model. Prompt processing, generation, batched
// generation, each repeated; the median with its spread, as a table or as JSON. With --speculation,
// what speculative decoding gives instead. bench serve, a command of its own below this one,
// measures a server: bench_serve.cc.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <random>

#include "base/files.h"
#include "base/json.h"
#include "base/visible_text.h"
#include "cli/bench_roof.h"
#include "cli/bench_serve.h"
#include "cli/bench_speculation.h"
#include "cli/command.h"

namespace autoglm {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct BenchFlags {
  std::vector<int> prompt_tokens = {512};
  std::vector<int> batch = {1, 4, 16};
  std::vector<int> depth = {};
  int generate_tokens = 128;
  int repetitions = 5;
  bool as_json = false;
  bool roof_only = false;
  bool speculation = false;
  std::string text_file;  // for speculation
};

struct Row {
  std::string test;  // "prefill 512", "decode 128 x 4"
  int batch = 0;     // sequences decoded together; 0: a prompt
  std::vector<double> tokens_per_second;
  double tokens_per_step = 0;  // of one sequence; 0: not measured

  double at(double quantile) const {
    std::vector<double> sorted = tokens_per_second;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(
        std::lround(quantile * static_cast<double>(sorted.size() - 1)))];
  }
};

// Tokens that no tokenizer would make of a text, but that cost what text costs.
std::vector<TokenId> random_prompt(const GLMModel& model, int n, std::mt19937_64& random) {
  std::uniform_int_distribution<int32_t> id(0, static_cast<int32_t>(model.info().vocab_size) - 1);
  std::vector<TokenId> prompt;
  prompt.reserve(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) prompt.push_back(TokenId{id(random)});
  return prompt;
}

struct Timing {
  double first_token_s = 0;  // until the last sequence had its first token
  double decode_s = 0;       // from then until all had ended
};

// Runs `batch` sequences at once, each with its own prompt, to exactly `answer_tokens` tokens.
Result<Timing> time_batch(const GLMModel& model, int batch, int prompt_tokens, int answer_tokens,
                          std::mt19937_64& random) {
  struct State {
    std::mutex mutex;
    std::condition_variable ended;
    int started = 0;
    int finished = 0;
    Clock::time_point all_started;
  };
  const auto state = std::make_shared<State>();
  const Clock::time_point begin = Clock::now();
  for (int i = 0; i < batch; ++i) {
    GenerationRequest request;
    request.prompt = random_prompt(model, prompt_tokens, random);
    request.sampling.temperature = 0;
    request.sampling.max_tokens = answer_tokens;
    request.sampling.ignore_eos = true;
    request.sampling.num_speculative_tokens = 0;  // --speculation measures that
    const auto seen = std::make_shared<bool>(false);
    AGLM_TRY(model.submit(std::move(request), [state, seen, batch](const GenerationEvent& event) {
      const std::lock_guard lock(state->mutex);
      if (!*seen && !event.tokens.empty()) {
        *seen = true;
        if (++state->started == batch) state->all_started = Clock::now();
      }
      if (event.last && ++state->finished == batch) state->ended.notify_one();
    }));
  }
  std::unique_lock lock(state->mutex);
  state->ended.wait(lock, [&] { return state->finished == batch; });
  const double total = seconds_since(begin);
  const double first = std::chrono::duration<double>(state->all_started - begin).count();
  return Timing{first, total - first};
}

// `batch` sequences, each with `depth` tokens before what is timed (0: one).
Result<Row> measure_decode(const GLMModel& model, const BenchFlags& flags, int batch, int depth,
                           std::mt19937_64& random) {
  Row row{fmt::format("decode {} x {}", flags.generate_tokens, batch), batch, {}};
  if (depth > 0) row.test += fmt::format(" at depth {}", depth);
  for (int i = 0; i < flags.repetitions; ++i) {
    const Timing timing =
        AGLM_TRY(time_batch(model, batch, std::max(depth, 1), flags.generate_tokens + 1, random));
    row.tokens_per_second.push_back(batch * flags.generate_tokens / timing.decode_s);
  }
  return row;
}

Result<std::vector<Row>> measure(const GLMModel& model, const BenchFlags& flags) {
  std::mt19937_64 random(1);
  std::vector<Row> rows;
  // The first run touches every page of the weights once; it does not count.
  AGLM_TRY(time_batch(model, 1, 16, 4, random));
  for (const int n : flags.prompt_tokens) {
    Row row{fmt::format("prefill {}", n), 0, {}};
    for (int i = 0; i < flags.repetitions; ++i) {
      row.tokens_per_second.push_back(n /
                                      AGLM_TRY(time_batch(model, 1, n, 1, random)).first_token_s);
    }
    rows.push_back(std::move(row));
  }
  for (const int batch : flags.batch) {
    rows.push_back(AGLM_TRY(measure_decode(model, flags, batch, 0, random)));
  }
  for (const int depth : flags.depth) {
    rows.push_back(AGLM_TRY(measure_decode(model, flags, 1, depth, random)));
  }
  return rows;
}

// The tokens of a text file, or of a text that repeats itself.
Result<std::vector<TokenId>> speculation_prompt(const GLMModel& model, const BenchFlags& flags) {
  // Longer than any n-gram, and shorter than most prompts.
  constexpr int kBlock = 32;
  constexpr size_t kMaxTextBytes = 16 << 20;
  if (flags.text_file.empty()) {
    return repeating_prompt(model.info().vocab_size, flags.prompt_tokens.front(), kBlock);
  }
  const std::string text = AGLM_TRY(read_text_file(flags.text_file, kMaxTextBytes));
  return model.tokenize(text);
}

Result<std::vector<Row>> measure_speculation(const GLMModel& model, const BenchFlags& flags) {
  std::vector<TokenId> prompt = AGLM_TRY(speculation_prompt(model, flags));
  const SpeculationBench bench{.prompt = std::move(prompt),
                               .generate_tokens = flags.generate_tokens,
                               .repetitions = flags.repetitions};
  std::vector<Row> rows;
  for (SpeculationRow& row : AGLM_TRY(bench_speculation(model, bench))) {
    rows.push_back({std::move(row.test), 1, std::move(row.tokens_per_second), row.tokens_per_step});
  }
  return rows;
}

int64_t peak_memory_bytes() {
  struct rusage usage {};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024
                                               : 0;  // the kernel counts KiB
}

struct Measured {
  std::vector<Row> rows;
  int64_t peak_memory_bytes = 0;  // of the tests: measuring the roof takes memory of its own
  Roof roof;
};

// The share of the limit that a test comes up against: of reading the weights once a step, or of
// multiplying them with each row. The greater of the two is the wall it stands at.
RoofShare share_of(const ModelInfo& info, const Roof& roof, const Row& row) {
  const double tokens_per_step = row.tokens_per_step > 0 ? row.tokens_per_step : row.batch;
  const double steps_per_second = row.batch == 0 ? 0 : row.at(0.5) / tokens_per_step;
  return roof.share(info, steps_per_second, row.at(0.5));
}

void print_table(const GLMModel& model, const Measured& measured) {
  const ModelInfo& info = model.info();
  fmt::print("{}  {}  {} weights  {} kernels  {:.2f} GB weights  {:.2f} GB peak memory\n",
             visible(info.path), visible(info.architecture), info.weight_format,
             info.instruction_set, static_cast<double>(info.weight_bytes) / 1e9,
             static_cast<double>(measured.peak_memory_bytes) / 1e9);
  fmt::print("{:<28} {:>12} {:>12} {:>12}  {}\n", "tokens/s", "median", "min", "max",
             "share of the roof");
  for (const Row& row : measured.rows) {
    const RoofShare share = share_of(info, measured.roof, row);
    fmt::print("{:<28} {:>12.1f} {:>12.1f} {:>12.1f}  {:.0f} % of {}", row.test, row.at(0.5),
               row.at(0), row.at(1), share.share * 100, share.limit);
    if (row.tokens_per_step > 0) fmt::print(", {:.2f} tokens a step", row.tokens_per_step);
    fmt::print("\n");
  }
}

void print_json(const GLMModel& model, const Measured& measured) {
  const ModelInfo& info = model.info();
  json::array tests;
  for (const Row& row : measured.rows) {
    const RoofShare share = share_of(info, measured.roof, row);
    json::object test{
        {"test", row.test},
        {"roof", {{"limit", share.limit}, {"share", share.share}}},
        {"tokens_per_second", {{"median", row.at(0.5)}, {"min", row.at(0)}, {"max", row.at(1)}}},
        {"samples", boost::json::value_from(row.tokens_per_second)}};
    if (row.tokens_per_step > 0) test["tokens_per_step"] = row.tokens_per_step;
    tests.push_back(std::move(test));
  }
  const json::object out{{"model", info.path},
                         {"architecture", info.architecture},
                         {"quantization", info.quantization},
                         {"weight_format", info.weight_format},
                         {"instruction_set", info.instruction_set},
                         {"weight_bytes", info.weight_bytes},
                         {"kv_pool_bytes", info.kv_pool_bytes},
                         {"peak_memory_bytes", measured.peak_memory_bytes},
                         {"tests", std::move(tests)}};
  fmt::print("{}\n", boost::json::serialize(out));
}

}  // namespace

void add_bench_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("bench", "measure prompt processing and generation");
  const auto flags = std::make_shared<BenchFlags>();
  command->add_option("--prompt-tokens", flags->prompt_tokens, "prompt lengths to measure [512]")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--generate-tokens", flags->generate_tokens, "answer length [128]")
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--batch", flags->batch, "sequences at once [1,4,16]")
      ->delimiter(',')
      ->check(CLI::Range(1, 4096));
  command
      ->add_option("--depth", flags->depth,
                   "also decode one sequence after so many tokens; separated by commas")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  command->add_option("--repetitions", flags->repetitions, "times each test runs [5]")
      ->check(CLI::Range(1, 1000));
  command->add_flag("--json", flags->as_json, "write one JSON object");
  command->add_flag("--roof", flags->roof_only, "measure the machine's own limits, and no model");
  command->add_flag("--speculation", flags->speculation,
                    "measure speculative decoding against plain decoding instead");
  command->add_option("--text", flags->text_file,
                      "prompt of --speculation; else random tokens that repeat themselves");
  const SettingFlags settings(*command, SettingScope::kModel);
  add_bench_serve_command(line, *command);
  on_chosen(line, command, [=]() -> Result<void> {
    Settings loaded = AGLM_TRY(settings.load());
    if (flags->roof_only) return print_roof(loaded.load.threads, flags->as_json);
    loaded.load.max_batch_size = std::max(
        loaded.load.max_batch_size, *std::max_element(flags->batch.begin(), flags->batch.end()));
    std::string& method = loaded.load.speculation.method;
    if (flags->speculation && method == "none") method = "ngram";
    const GLMModel model = AGLM_TRY(load_model(loaded));
    Measured measured;
    measured.rows =
        AGLM_TRY(flags->speculation ? measure_speculation(model, *flags) : measure(model, *flags));
    measured.peak_memory_bytes = peak_memory_bytes();
    measured.roof = AGLM_TRY(measure_roof(loaded.load.threads));
    flags->as_json ? print_json(model, measured) : print_table(model, measured);
    return {};
  });
}

}  // namespace autoglm
