// What the commands share: how they are registered, the settings as flags, reading input, writing
// errors. Each command is one file that adds itself to the program with add_NAME_command().
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "autoglm/model.h"
#include "autoglm/result.h"
#include "cli/settings.h"

namespace autoglm {

// The program under construction: a command stores what to run once all flags are parsed.
struct CommandLine {
  CLI::App app{"Open-AutoGLM: run GLM-family language models on your own machines.", "autoglm"};
  std::function<Result<void>()> chosen;
};

void add_serve_command(CommandLine& line);
void add_chat_command(CommandLine& line);
void add_generate_command(CommandLine& line);
void add_info_command(CommandLine& line);
void add_graph_command(CommandLine& line);
void add_tokenize_command(CommandLine& line);
void add_template_command(CommandLine& line);
void add_bench_command(CommandLine& line);
void add_synthetic_command(CommandLine& line);
void add_pack_command(CommandLine& line);
void add_key_command(CommandLine& line);
void add_tenant_command(CommandLine& line);
void add_usage_command(CommandLine& line);
void add_redact_command(CommandLine& line);
void add_quantize_command(CommandLine& line);
void add_perplexity_command(CommandLine& line);

// --state-dir, the folder of keys, tenants and usage.
void add_state_dir_option(CLI::App& command, std::string& state_dir);

// Flags for settings, and --config. load() then reads file, environment and flags, in that order;
// settings of the service without a flag may stand in the first two.
enum class SettingScope : uint8_t { kModel, kService };
class SettingFlags {
 public:
  SettingFlags(CLI::App& command, SettingScope scope);
  // The model may also stand without a flag, as in "autoglm serve MODEL".
  void take_model_word(CLI::App& command) const;
  Result<Settings> load() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Flags for sampling, with llama.cpp's and vLLM's names. apply() changes only what was given.
class SamplingFlags {
 public:
  explicit SamplingFlags(CLI::App& command);
  SamplingParams apply(SamplingParams defaults) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Why `app` could not parse `line`, and below it where to read on.
std::string explain_wrong_line(const CLI::App& app, const std::vector<std::string>& line,
                               const CLI::ParseError& problem);

// Runs `action` when the command was chosen.
void on_chosen(CommandLine& line, CLI::App* command, std::function<Result<void>()> action);

// Loads the model that the settings name (or the one that comes with the program), with a progress
// bar on standard error where that is a terminal.
Result<GLMModel> load_model(const Settings& settings);
// The positional argument of commands that look at a model without loading it.
void add_model_argument(CLI::App& command, std::string& path, const std::string& help);

// A text of a model or a file for standard output: made visible where that is a terminal, which
// would obey it; as it is for files and pipes.
std::string for_output(std::string_view text);

// All of standard input, at most 64 MiB.
Result<std::string> read_standard_input();
// "1, 2 3" or "[1,2,3]"; `where` names the source in errors.
Result<std::vector<TokenId>> parse_token_ids(std::string_view text, std::string_view where);
// One prompt as tokens: its chat template applied when the model has one and `raw` is false.
Result<std::vector<TokenId>> encode_prompt(const GLMModel& model, std::string_view text,
                                           std::string_view system, bool raw);
// Generates one answer, writing its text to standard output as it comes and a line end after it.
// Ctrl-C ends the answer, not the program. Returns what was generated.
Result<Choice> stream_answer(const GLMModel& model, GenerationRequest request);

}  // namespace autoglm
