// autoglm quantize: a checkpoint of integer codes from another one, with a report of what it
// cost.
#include "train/quantize/quantize.h"

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/progress_bar.h"
#include "formats/model_source.h"
#include "runtime/load_tokenizer.h"
#include "train/quantize/report.h"

namespace autoglm {
namespace {

struct QuantizeFlags {
  std::string input;
  std::string method;
  std::string report;
  bool as_json = false;
  QuantizeOptions options;
};

Result<void> quantize(const QuantizeFlags& flags) {
  QuantizeOptions options = flags.options;
  const bool has_text = !options.calibration.empty();
  const std::string usual = has_text ? "awq+gptq" : "rtn";
  options.method = AGLM_TRY(parse_method(flags.method.empty() ? usual : flags.method));
  options.evaluate = has_text || !options.evaluation.empty();
  ProgressBar bar;
  options.progress = bar.callback();
  const std::string input = AGLM_TRY(find_model(flags.input)).path;
  if (has_text || options.evaluate) options.tokenizer = AGLM_TRY(load_tokenizer(input));
  const QuantizeReport report = AGLM_TRY(quantize_checkpoint(input, options));
  bar.erase();
  if (!flags.report.empty()) AGLM_TRY(write_report(report, flags.report));
  fmt::print("{}",
             flags.as_json ? boost::json::serialize(to_json(report)) + "\n" : to_text(report));
  return {};
}

}  // namespace

void add_quantize_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("quantize", "write a checkpoint in 2 to 8 bits");
  const auto flags = std::make_shared<QuantizeFlags>();
  QuantizeOptions& options = flags->options;
  command->add_option("input", flags->input, "model directory, .gguf file or hub id")->required();
  command->add_option("output", options.output, "folder to make")->required();
  command->add_option(
      "--bits", options.bits,
      "2, 3, 4, 5, 8, or an average over what the layers store: more bits and smaller "
      "groups where they pay most [4]");
  command->add_option(
      "--group-size", options.group_size,
      "columns that share a scale: 32, 64 or (4 bits) 128; 0.5, 0.25 or 0.125 bits a "
      "weight [32]");
  command->add_option("--method", flags->method,
                      "rtn, or awq, gptq, smoothquant joined by + [awq+gptq with a text, rtn "
                      "without]");
  command->add_option("--calibrate", options.calibration,
                      "text like what the model will read; its end is kept to judge the result by");
  command->add_option("--evaluate", options.evaluation, "another text to judge the result by");
  command->add_option("--report", flags->report, "folder for report.json and report.html");
  command->add_flag("--json", flags->as_json, "write the report as one JSON object");
  const auto size = [&](const char* flag, int64_t& field, int64_t least, const char* help) {
    command->add_option(flag, field, help)->check(CLI::Range(least, int64_t{1} << 24));
  };
  size("--calibration-tokens", options.calibration_tokens, 512, "at most this many [16384]");
  size("--evaluation-tokens", options.evaluation_tokens, 2, "at most this many [4096]");
  size("--window", options.window, 2, "tokens of one sequence [512]");
  command->add_option("--threads", options.threads, "0: one for each processor [0]")
      ->check(CLI::Range(0, 1024));
  on_chosen(line, command, [flags] { return quantize(*flags); });
}

}  // namespace autoglm
