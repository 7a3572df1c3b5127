// autoglm serve: a model behind HTTP, until SIGTERM.
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <thread>

#include "autoglm/service.h"
#include "base/log.h"
#include "base/visible_text.h"
#include "cli/command.h"
#include "cli/server_memory.h"

namespace autoglm {
namespace {

// What a new user may type next, on standard output so that it can be copied.
void print_greeting(const GLMModel& model, const Settings& settings, const GLMService& service) {
  const ModelInfo& info = model.info();
  std::string host = settings.service.host;
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "::") host = "::1";
  const std::string url =
      fmt::format("http://{}:{}", host.find(':') == std::string::npos ? host : "[" + host + "]",
                  service.port());
  fmt::print(
      "{} is ready: {:.1f} million parameters, weights {}, {} tokens of context, {} kernels\n\n",
      visible(info.name), static_cast<double>(info.parameters) / 1e6,
      info.quantization == "none" ? "as stored" : "in " + info.quantization, info.max_model_len,
      info.instruction_set);
  const std::string keys = service.key_notice();
  if (!keys.empty()) fmt::print("{}\n", keys);
  if (settings.service.chat_page) fmt::print("Chat page:  {}/\n", url);
  fmt::print(
      "Try:        curl -N {}/v1/chat/completions -H 'Content-Type: application/json' \\\n{}"
      "              -d '{{\"messages\":[{{\"role\":\"user\",\"content\":\"What is "
      "Open-AutoGLM?\"}}],"
      "\"stream\":true}}'\n\n",
      url,
      keys.empty() || settings.service.no_auth
          ? ""
          : "              -H \"Authorization: Bearer $KEY\" \\\n");
  std::fflush(stdout);
}

// The model, on a thread of its own while the service says that it is being loaded.
Result<void> load_into(GLMService& service, const Settings& settings) {
  try {
    const GLMModel model = AGLM_TRY(load_model(settings));
    service.attach(model);
    print_greeting(model, settings, service);
    return {};
  } catch (const std::exception& problem) {  // out of memory, mostly
    return Error{ErrorCode::kResourceExhausted, problem.what(), settings.model_name_or_path, "",
                 ""};
  }
}

Result<void> serve(const SettingFlags& flags, bool print_config) {
  const Settings settings = AGLM_TRY(flags.load());
  if (print_config) {
    fmt::print("{}", to_yaml(settings));
    return {};
  }
  return_large_memory();
  const IdleMemory idle_memory;
  GLMService service(settings.service);
  AGLM_TRY(service.listen());  // what is wrong with the address shows before the long part
  std::atomic<bool> is_loading = true;
  Result<void> loaded;
  std::thread loader([&] {
    loaded = load_into(service, settings);
    is_loading = false;
    if (!loaded) service.stop();
  });
  const Result<void> served = service.run();
  std::fflush(stdout);
  // Whoever asks twice does not want to wait for what is under way. The shell's way to say why.
  if (const int signal = service.second_signal(); signal != 0) std::_Exit(128 + signal);
  if (is_loading) std::_Exit(0);  // by a signal; nothing has been begun that a wait would finish
  loader.join();
  AGLM_TRY(loaded);
  return served;
}

}  // namespace

void add_serve_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("serve", "answer over HTTP (OpenAI API and /infer)");
  const SettingFlags flags(*command, SettingScope::kService);
  flags.take_model_word(*command);
  command->footer(
      "Example: autoglm serve --model /models/GLM-4-9B-0414 --quantize int8 --port 8000\n"
      "Settings may also stand in config.yaml (--config) and in AUTOGLM_* variables.");
  const auto print_config = std::make_shared<bool>(false);
  command->add_flag("--print-config", *print_config,
                    "write the settings in force as YAML, and stop");
  on_chosen(line, command, [flags, print_config] { return serve(flags, *print_config); });
}

}  // namespace autoglm
