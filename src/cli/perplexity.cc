// autoglm perplexity: how well a model predicts a text, and how far its predictions are from
// another model's (or from its own with other weights): what rounding costs. The text is cut into
// windows that start fresh.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>

#include "base/files.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/progress_bar.h"
#include "formats/checkpoint.h"
#include "formats/model_source.h"
#include "runtime/load_executor.h"
#include "runtime/load_tokenizer.h"
#include "train/quantize/next_token.h"

namespace autoglm {
namespace {

struct PerplexityFlags {
  std::string text_file;
  std::string base;  // a model
  std::string base_logits;
  std::string base_quantize = "none";
  std::string save_logits;
  int window = 512;
  int windows = 0;  // 0: all of the text
  bool as_json = false;
};

// The logits of every position of a window, one model's.
class Predictor {
 public:
  static Result<Predictor> load(const std::string& path, const LoadOptions& options, int window) {
    const auto checkpoint = AGLM_TRY(Checkpoint::open(path));
    const ProgressBar bar;
    LoadedExecutor loaded =
        AGLM_TRY(load_executor(*checkpoint, {.device = options.device,
                                             .quantize = options.quantize,
                                             .kv_cache_dtype = options.kv_cache_dtype,
                                             .threads = options.threads,
                                             .max_rows = window,
                                             .max_output_rows = window,
                                             .progress = bar.callback()}));
    Predictor predictor(std::move(loaded));
    const ExecutorLimits& limits = predictor.limits();
    if (limits.page_bytes == 0) {
      return Error{ErrorCode::kUnsupported, "the model does not generate text: it is an encoder",
                   path, "", ""};
    }
    if (window > limits.max_context) {
      return Error{ErrorCode::kInvalidArgument, "window is longer than the model's context",
                   "window", fmt::format("at most {}", limits.max_context),
                   fmt::format("{}", window)};
    }
    const int32_t pages = (window + limits.page_tokens - 1) / limits.page_tokens;
    AGLM_TRY(predictor.loaded_.executor->reserve_pages(pages));
    predictor.pages_.resize(static_cast<size_t>(pages));
    std::iota(predictor.pages_.begin(), predictor.pages_.end(), 0);
    return predictor;
  }

  const LoadedExecutor& loaded() const { return loaded_; }
  const ExecutorLimits& limits() const { return loaded_.executor->limits(); }

  void predict(std::span<const TokenId> tokens) {
    std::vector<int32_t> rows(tokens.size());
    std::iota(rows.begin(), rows.end(), 0);
    const StepSequence sequence{.n_rows = static_cast<int32_t>(tokens.size()), .pages = pages_};
    loaded_.executor->step({.tokens = tokens, .sequences = {&sequence, 1}, .output_rows = rows});
  }
  std::span<const float> logits(size_t position) const {
    return loaded_.executor->logits(static_cast<int32_t>(position));
  }

 private:
  explicit Predictor(LoadedExecutor loaded) : loaded_(std::move(loaded)) {}
  LoadedExecutor loaded_;
  std::vector<int32_t> pages_;
};

// Logits that another program wrote: the line below, then [positions][vocabulary] floats.
constexpr std::string_view kLogitsHeader = "autoglm logits f32 {} {}\n";

class SavedLogits {
 public:
  static Result<SavedLogits> open(const std::string& path, size_t positions, int32_t vocab_size) {
    SavedLogits saved;
    saved.file_.open(path, std::ios::binary);
    if (!saved.file_) {
      return Error{ErrorCode::kNotFound, "file of logits cannot be read", path, "", ""};
    }
    const std::string expected = fmt::format(fmt::runtime(kLogitsHeader), positions, vocab_size);
    std::string header(expected.size(), ' ');
    saved.file_.read(header.data(), static_cast<std::streamsize>(header.size()));
    if (header != expected) {
      return Error{ErrorCode::kCorrupt,
                   "logits are of another text, other windows or another model", path,
                   expected.substr(0, expected.size() - 1), header.substr(0, header.find('\n'))};
    }
    saved.row_.resize(static_cast<size_t>(vocab_size));
    saved.path_ = path;
    saved.positions_ = positions;
    return saved;
  }
  Result<std::span<const float>> next() {
    const auto bytes = static_cast<std::streamsize>(row_.size() * sizeof(float));
    if (!file_.read(reinterpret_cast<char*>(row_.data()), bytes)) {
      return Error{ErrorCode::kCorrupt, "file of logits is cut off", path_,
                   fmt::format("{} rows of {} floats", positions_, row_.size()),
                   fmt::format("{} rows", read_)};
    }
    ++read_;
    return std::span<const float>(row_);
  }

 private:
  std::ifstream file_;
  std::vector<float> row_;
  std::string path_;
  size_t positions_ = 0;
  size_t read_ = 0;
};

Result<std::vector<TokenId>> tokens_of(const std::string& path, const PerplexityFlags& flags) {
  constexpr size_t kMaxTextBytes = 256 << 20;
  const std::string text = AGLM_TRY(read_file(flags.text_file, kMaxTextBytes));
  const auto tokenizer = AGLM_TRY(load_tokenizer(path));
  std::vector<TokenId> tokens = AGLM_TRY(tokenizer->encode(text, {.add_special_tokens = false}));
  const auto window = static_cast<size_t>(flags.window);
  size_t n = tokens.size() / window;
  if (flags.windows > 0) n = std::min(n, static_cast<size_t>(flags.windows));
  if (n == 0) {
    return Error{ErrorCode::kInvalidArgument, "text is too short", flags.text_file,
                 fmt::format("one window of {} tokens", window),
                 fmt::format("{} tokens", tokens.size())};
  }
  tokens.resize(n * window);
  return tokens;
}

void report(const Quality& quality, const LoadedExecutor& model, bool has_base, bool as_json) {
  if (as_json) {
    json::object out{{"perplexity", quality.perplexity_after},
                     {"tokens", quality.tokens},
                     {"weight_format", model.weight_format},
                     {"instruction_set", model.instruction_set},
                     {"step_weight_bytes", model.step_weight_bytes}};
    if (has_base) {
      out["base_perplexity"] = quality.perplexity_before;
      out["kl_mean"] = quality.kl_mean;
      out["kl_99"] = quality.kl_99;
      out["same_top1"] = quality.same_top1;
      out["mean_difference"] = quality.mean_difference;
    }
    fmt::print("{}\n", boost::json::serialize(out));
    return;
  }
  fmt::print("{} weights, {} kernels, {} tokens predicted\nperplexity {:.4f}\n",
             model.weight_format, model.instruction_set, quality.tokens, quality.perplexity_after);
  if (!has_base) return;
  fmt::print("of the base {:.4f} ({:+.3f} %)\n", quality.perplexity_before,
             (quality.perplexity_after / quality.perplexity_before - 1) * 100);
  fmt::print("KL divergence {:.6f}, 99th percentile {:.5f}\n", quality.kl_mean, quality.kl_99);
  fmt::print("same most likely token {:.2f} %, mean difference of log-probabilities {:.4f}\n",
             quality.same_top1 * 100, quality.mean_difference);
}

Result<void> run(const PerplexityFlags& flags, const Settings& settings) {
  const std::string path = AGLM_TRY(find_model(settings.model_name_or_path)).path;
  const std::vector<TokenId> tokens = AGLM_TRY(tokens_of(path, flags));
  Predictor model = AGLM_TRY(Predictor::load(path, settings.load, flags.window));
  const int32_t vocab_size = model.limits().vocab_size;

  const auto window = static_cast<size_t>(flags.window);
  std::optional<Predictor> base;
  std::optional<SavedLogits> saved;
  if (!flags.base.empty()) {
    const std::string other = AGLM_TRY(find_model(flags.base)).path;
    LoadOptions options = settings.load;
    options.quantize = flags.base_quantize;
    base = AGLM_TRY(Predictor::load(other, options, flags.window));
    if (base->limits().vocab_size != vocab_size) {
      return Error{ErrorCode::kInvalidArgument, "base model has another vocabulary", flags.base,
                   fmt::format("{} tokens", vocab_size),
                   fmt::format("{}", base->limits().vocab_size)};
    }
  }
  if (!flags.base_logits.empty()) {
    saved = AGLM_TRY(SavedLogits::open(flags.base_logits, tokens.size(), vocab_size));
  }
  std::ofstream out;
  if (!flags.save_logits.empty()) {
    out.open(flags.save_logits, std::ios::binary);
    out << fmt::format(fmt::runtime(kLogitsHeader), tokens.size(), vocab_size);
  }

  std::vector<NextToken> positions;
  for (size_t begin = 0; begin < tokens.size(); begin += window) {
    const std::span<const TokenId> own = std::span(tokens).subspan(begin, window);
    model.predict(own);
    if (base) base->predict(own);
    for (size_t i = 0; i < window; ++i) {
      const std::span<const float> after = model.logits(i);
      std::span<const float> before = after;
      if (base) before = base->logits(i);
      if (saved) before = AGLM_TRY(saved->next());
      if (out.is_open()) {
        out.write(reinterpret_cast<const char*>(after.data()),
                  static_cast<std::streamsize>(after.size_bytes()));
      }
      if (i + 1 == window) continue;  // what comes next is in another window
      positions.push_back(compare_logits(before, after, static_cast<size_t>(own[i + 1])));
    }
  }
  if (out.is_open() && !out.flush()) {
    return Error{ErrorCode::kIo, "logits could not be written", flags.save_logits, "", ""};
  }
  report(summarize(positions), model.loaded(), base || saved, flags.as_json);
  return {};
}

}  // namespace

void add_perplexity_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand(
      "perplexity", "how well a model predicts a text, and how far it is from another");
  const auto flags = std::make_shared<PerplexityFlags>();
  command->add_option("--text,-f,--file", flags->text_file, "the text")->required();
  CLI::Option* base = command->add_option("--base", flags->base,
                                          "a model with the same vocabulary to compare with");
  command->add_option("--base-logits", flags->base_logits, "compare with a file of --save-logits")
      ->excludes(base);
  command->add_option("--base-quantize", flags->base_quantize,
                      "how the base's weights are held [none]");
  command->add_option("--save-logits", flags->save_logits,
                      "write all logits: 4 bytes for each position and token of the vocabulary");
  command->add_option("--window", flags->window, "tokens of a window [512]")
      ->check(CLI::Range(2, 8192));
  command->add_option("--windows", flags->windows, "so many windows at most; 0: the whole text [0]")
      ->check(CLI::Range(0, 1 << 20));
  command->add_flag("--json", flags->as_json, "write one JSON object");
  const SettingFlags settings(*command, SettingScope::kModel);
  on_chosen(line, command,
            [=]() -> Result<void> { return run(*flags, AGLM_TRY(settings.load())); });
}

}  // namespace autoglm
