#include "cli/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <optional>

#include "base/files.h"
#include "base/log.h"
#include "base/utf8.h"
#include "base/visible_text.h"
#include "cli/progress_bar.h"

namespace autoglm {
namespace {

constexpr size_t kMaxInputBytes = size_t{64} << 20;

std::string flag_name(std::string_view key) {
  std::string flag = "--" + std::string(key);
  for (char& c : flag) {
    if (c == '_') c = '-';
  }
  if (key == "model_name_or_path") flag = "-m,--model," + flag;
  return flag;
}

}  // namespace

struct SettingFlags::State {
  std::string config;
  std::string named_model;                                // without a flag
  std::map<std::string, std::string, std::less<>> given;  // key -> text
};

SettingFlags::SettingFlags(CLI::App& command, SettingScope scope)
    : state_(std::make_shared<State>()) {
  const auto state = state_;
  command
      .add_option("--config", state->config, "YAML file with settings (default: $AUTOGLM_CONFIG)")
      ->type_name("FILE")
      ->group("Settings");
  const Settings defaults;
  for (const SettingInfo& setting : setting_table()) {
    if (setting.of_service && scope != SettingScope::kService) continue;
    const std::string key(setting.key);
    std::string help(setting.help);
    const std::string otherwise = setting.get(defaults);
    if (!otherwise.empty()) help += fmt::format(" [{}]", otherwise);
    const bool alone = setting.value == "BOOL";  // --no-auth says all by itself
    CLI::Option* option = command
                              .add_option_function<std::string>(
                                  flag_name(key),
                                  [state, key, alone](const std::string& text) {
                                    state->given[key] = text.empty() && alone ? "true" : text;
                                  },
                                  help)
                              ->type_name(setting.value)
                              ->group("Settings");
    if (alone) option->expected(0, 1);
  }
}

void SettingFlags::take_model_word(CLI::App& command) const {
  command
      .add_option_function<std::string>(
          "MODEL", [state = state_](const std::string& text) { state->named_model = text; },
          "the model, as --model")
      ->type_name("");
}

Result<Settings> SettingFlags::load() const {
  Settings settings;
  const std::map<std::string, std::string> environment = autoglm_environment();
  std::string file = state_->config;
  if (const auto named = environment.find("AUTOGLM_CONFIG");
      file.empty() && named != environment.end()) {
    file = named->second;
  }
  if (!file.empty()) {
    const std::string yaml = AGLM_TRY(read_file(file, 1 << 20));
    AGLM_TRY(apply_yaml(settings, yaml, file));
  }
  const std::vector<std::string> passed_over = AGLM_TRY(apply_environment(settings, environment));
  if (!state_->named_model.empty()) {
    const auto flag = state_->given.find("model_name_or_path");
    if (flag != state_->given.end() && flag->second != state_->named_model) {
      return Error{ErrorCode::kInvalidArgument, "two models are named", "command line",
                   "one of " + state_->named_model + " and --model " + flag->second, ""};
    }
    AGLM_TRY(apply_setting(settings, "model", state_->named_model, "command line"));
  }
  for (const auto& [key, text] : state_->given) {
    AGLM_TRY(apply_setting(settings, key, text, "command line"));
  }
  AGLM_TRY(configure_log(settings.log_level, settings.log_format));
  for (const std::string& name : passed_over) {
    logger()->debug("{} is Kubernetes' or Docker's, of a service of this name, and no setting",
                    name);
  }
  return settings;
}

struct SamplingFlags::State {
  std::optional<double> temperature, top_p, min_p, repetition_penalty, presence_penalty,
      frequency_penalty;
  std::optional<int32_t> top_k, logprobs;
  std::optional<int64_t> max_tokens, min_tokens;
  std::optional<uint64_t> seed;
  std::vector<std::string> stop;
  bool ignore_eos = false;
};

SamplingFlags::SamplingFlags(CLI::App& command) : state_(std::make_shared<State>()) {
  State& s = *state_;
  const auto add = [&](const char* flag, auto& field, const char* help) {
    command.add_option(flag, field, help)->group("Sampling");
  };
  add("-n,--max-tokens", s.max_tokens, "longest answer, in tokens; -1: as long as fits");
  add("--temperature,--temp", s.temperature, "0: the most likely token always");
  add("--top-k", s.top_k, "of the k most likely tokens; 0: of all");
  add("--top-p", s.top_p, "of the fewest tokens whose probabilities reach p");
  add("--min-p", s.min_p, "of tokens at least p times as likely as the most likely");
  add("--repetition-penalty,--repeat-penalty", s.repetition_penalty, "above 1: repeats less");
  add("--presence-penalty", s.presence_penalty, "added once for a token that has occurred");
  add("--frequency-penalty", s.frequency_penalty, "added for each time that a token has occurred");
  add("--seed", s.seed, "the same seed gives the same answer; -1: another each time");
  add("--stop", s.stop, "ends the answer before this text; may be given again");
  add("--min-tokens", s.min_tokens, "shortest answer, in tokens");
  add("--logprobs", s.logprobs, "this many alternatives for each token (with --json)");
  command.add_flag("--ignore-eos", s.ignore_eos, "go on after the end-of-sequence token")
      ->group("Sampling");
}

SamplingParams SamplingFlags::apply(SamplingParams p) const {
  const State& s = *state_;
  p.temperature = s.temperature.value_or(p.temperature);
  p.top_k = s.top_k.value_or(p.top_k);
  p.top_p = s.top_p.value_or(p.top_p);
  p.min_p = s.min_p.value_or(p.min_p);
  p.repetition_penalty = s.repetition_penalty.value_or(p.repetition_penalty);
  p.presence_penalty = s.presence_penalty.value_or(p.presence_penalty);
  p.frequency_penalty = s.frequency_penalty.value_or(p.frequency_penalty);
  p.min_tokens = s.min_tokens.value_or(p.min_tokens);
  // llama.cpp's words, as requests know them: no limit but the context, and another seed each time.
  if (s.max_tokens == -1 || s.max_tokens == -2) {
    p.max_tokens = std::nullopt;
  } else if (s.max_tokens) {
    p.max_tokens = s.max_tokens;
  }
  if (s.seed && *s.seed != std::numeric_limits<uint64_t>::max()) p.seed = s.seed;
  if (s.logprobs) p.logprobs = s.logprobs;
  if (!s.stop.empty()) p.stop = s.stop;
  p.ignore_eos = p.ignore_eos || s.ignore_eos;
  return p;
}

void on_chosen(CommandLine& line, CLI::App* command, std::function<Result<void>()> action) {
  command->callback([&line, command, action = std::move(action)] {
    // A command with commands of its own yields to the one that was named: CLI11 calls both.
    if (command->get_subcommands().empty()) line.chosen = action;
  });
}

namespace {

// vLLM's rule: what has neither a brace nor a line end is no template but the name of one's file.
Result<std::string> chat_template_text(const std::string& given) {
  constexpr size_t kMaxTemplateBytes = 1 << 20;
  if (given.empty() || given.find_first_of("{}\n") != std::string::npos) return given;
  return read_text_file(given, kMaxTemplateBytes);
}

}  // namespace

void add_model_argument(CLI::App& command, std::string& path, const std::string& help) {
  command.add_option("path", path, help + " [the model that comes with the program]");
}

Result<GLMModel> load_model(const Settings& settings) {
  LoadOptions options = settings.load;
  options.chat_template = AGLM_TRY(chat_template_text(options.chat_template));
  const ProgressBar bar;
  options.progress = bar.callback();
  return GLMModel::from_pretrained(settings.model_name_or_path, options);
}

std::string for_output(std::string_view text) {
  return ::isatty(STDOUT_FILENO) != 0 ? visible_lines(text) : std::string(text);
}

Result<std::string> read_standard_input() {
  std::string text;
  char block[1 << 16];
  while (const size_t n = std::fread(block, 1, sizeof block, stdin)) {
    if (text.size() + n > kMaxInputBytes) {
      return Error{ErrorCode::kInvalidArgument, "input is too large", "standard input",
                   fmt::format("at most {} bytes", kMaxInputBytes), ""};
    }
    text.append(block, n);
  }
  return text;
}

Result<std::vector<TokenId>> parse_token_ids(std::string_view text, std::string_view where) {
  constexpr std::string_view kSeparators = " ,\n\t\r[]";
  std::vector<TokenId> ids;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    if (kSeparators.find(*at) != std::string_view::npos) {
      ++at;
      continue;
    }
    int32_t id = 0;
    const auto [next, code] = std::from_chars(at, end, id);
    if (code != std::errc{} || id < 0) {
      const auto rest = static_cast<size_t>(end - at);
      return Error{ErrorCode::kInvalidArgument, "not a list of token ids", std::string(where),
                   "whole numbers from 0",
                   fmt::format("\"{}\"", std::string_view(at, std::min<size_t>(12, rest)))};
    }
    ids.push_back(TokenId{id});
    at = next;
  }
  return ids;
}

Result<std::vector<TokenId>> encode_prompt(const GLMModel& model, std::string_view text,
                                           std::string_view system, bool raw) {
  if (raw || !model.info().has_chat_template) return model.tokenize(text);
  if (!is_valid_utf8(text)) {
    return Error{ErrorCode::kInvalidArgument, "text is not UTF-8", "prompt", "UTF-8", ""};
  }
  std::vector<ChatMessage> messages;
  if (!system.empty()) messages.push_back({"system", std::string(system)});
  messages.push_back({"user", std::string(text)});
  return model.chat_prompt(messages);
}

}  // namespace autoglm
