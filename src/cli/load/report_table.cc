// The table, and the phrases that the other reports share with it.
#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/visible_text.h"
#include "cli/load/report.h"

namespace autoglm::load {
namespace {

std::string times_row(std::string_view name, const Distribution& d) {
  return fmt::format("{:<30} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f} {:>10.1f}\n", name, d.mean,
                     d.p50, d.p90, d.p99, d.max);
}

double percent_of(int64_t part, int64_t whole) {
  return whole > 0 ? 100.0 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

std::string describe_arrivals(const RunOptions& options) {
  const std::string limit = options.max_concurrency > 0
                                ? fmt::format(", at most {} at once", options.max_concurrency)
                                : "";
  if (!std::isfinite(options.request_rate)) {
    return options.max_concurrency > 0
               ? fmt::format("closed loop, {} clients", options.max_concurrency)
               : "all at once";
  }
  const std::string kind =
      options.burstiness == 1 ? "Poisson" : fmt::format("gamma, burstiness {}", options.burstiness);
  return fmt::format("open loop, {} a second ({}){}", options.request_rate, kind, limit);
}

std::string describe_prompts(const RequestForm& form) {
  if (form.token_ids) return fmt::format("token ids below {}", form.vocab_size);
  return fmt::format("words, {:.2f} tokens each{}", form.tokens_per_word,
                     form.chat() ? ", as messages" : "");
}

std::string table(const Measured& measured) {
  const Summary& s = measured.summary;
  std::string out =
      fmt::format("{}{}  model {}\n{}; prompts: {}; tokens counted by {}\n", measured.url,
                  measured.form.path, visible(measured.form.model),
                  describe_arrivals(measured.options), describe_prompts(measured.form),
                  s.with_usage == s.completed ? "the server's usage" : "pieces of the stream");
  const auto to = std::back_inserter(out);
  fmt::format_to(to, "{:<30} {} done, {} failed in {:.2f} s, {:.2f} a second, {} at once at most\n",
                 "requests", s.completed, s.failed, s.duration_s, s.per_second(s.completed),
                 s.peak_concurrency);
  fmt::format_to(to, "{:<30} {} ({:.1f} tokens/s)", "input tokens", s.input_tokens,
                 s.per_second(s.input_tokens));
  if (s.cached_tokens > 0) {
    fmt::format_to(to, ", {:.1f} % from the server's cache",
                   percent_of(s.cached_tokens, s.input_tokens));
  }
  fmt::format_to(to, "\n{:<30} {} ({:.1f} tokens/s)\n", "output tokens", s.output_tokens,
                 s.per_second(s.output_tokens));
  fmt::format_to(to, "{:<30} {:>10} {:>10} {:>10} {:>10} {:>10}\n", "milliseconds", "mean", "p50",
                 "p90", "p99", "max");
  out += times_row("time to first token", s.ttft_ms);
  out += times_row("time per output token", s.tpot_ms);
  out += times_row("inter-token time", s.itl_ms);
  out += times_row("end to end", s.e2el_ms);
  if (std::isfinite(measured.options.request_rate)) {
    out += times_row("waited for a free client", s.client_wait_ms);
  }
  if (measured.objective.any()) {
    fmt::format_to(to, "{:<30} {:.2f} a second, {:.1f} % of requests\n", "goodput",
                   s.per_second(s.good), percent_of(s.good, s.completed + s.failed));
  }
  if (s.structured > 0) {
    fmt::format_to(to, "{:<30} {} of {} are valid JSON\n", "structured answers", s.valid_json,
                   s.structured);
  }
  for (const auto& [kind, count] : s.errors) {
    const std::string example = visible(s.error_examples.at(kind));
    fmt::format_to(to, "{:<30} {} x {}{}{}\n", "error", count, kind, example.empty() ? "" : ": ",
                   example);
  }
  if (measured.run.interrupted) out += "interrupted: the figures are of what ran until then\n";
  return out;
}

}  // namespace autoglm::load
